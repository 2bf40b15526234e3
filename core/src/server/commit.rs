//! Group commit: changes that need only their commit wait while more of them arrive, become durable together, and only
//! then each gets its `OK` (R-UP-9, R-CMD-2).
//!
//! None of them waits for the client: when there is nothing more to read, they are committed. No other reply overtakes
//! them: a command whose reply follows theirs, or that may see the files, is answered after the commit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;

use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{ErrorCode, StoreError};
use crate::message::Refusal;
use crate::name::FilePath;
use crate::verb::server_exchange::{Change, Reply};
use crate::verb::{Changes, Command};

/// Changes that wait for their commit.
#[derive(Debug, Default)]
pub(super) struct Commit {
    /// In the order of their commands.
    changes: VecDeque<Pending>,
    step: Step,
    /// Lines of the current command that must follow the replies to these changes.
    waiting: BytesMut,
    /// The socket was read since the last change joined, and had nothing.
    is_starved: bool,
}

/// A change that needs only its commit, and its command.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) command: Command,
    /// When its line was read.
    pub(super) began: Duration,
    pub(super) change: Change,
    /// Lines that precede its reply.
    pub(super) lines: BytesMut,
    failure: Option<Failure>,
}

impl Pending {
    /// A change that has not failed.
    pub(super) fn new(
        id: RequestId,
        command: Command,
        began: Duration,
        change: Change,
        lines: BytesMut,
    ) -> Self {
        Self { id, command, began, change, lines, failure: None }
    }

    /// Whether it has not failed so far.
    fn is_good(&self) -> bool {
        self.failure.is_none()
    }

    /// Whether it is a staged file that is not published yet.
    fn is_staged(&self) -> bool {
        self.is_good() && self.change.publish.is_some()
    }
}

/// The reply to a change.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) lines: BytesMut,
    pub(super) id: RequestId,
    pub(super) command: Command,
    pub(super) began: Duration,
    pub(super) reply: Reply,
}

/// The progress of the commit. Each step follows the one before it.
#[derive(Debug, Default)]
enum Step {
    /// More changes may join.
    #[default]
    Gather,
    Sync,
    /// The staged files before this one are published, or failed.
    Publish(usize),
    SyncDirectories,
    /// Changes that need not be durable are only closed; those before this one are.
    Close(usize),
}

#[derive(Debug, Clone)]
struct Failure {
    refusal: Refusal,
    cause: StoreError,
}

impl Failure {
    /// The failure of a change with this cause.
    fn of(pending: &Pending, cause: StoreError) -> Self {
        let words = cause.kind.words(pending.change.work);
        Self { refusal: Refusal::new(cause.kind.code(), words), cause }
    }
}

impl Commit {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The number of waiting changes.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it has started. No further change joins then.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.step, Step::Gather)
    }

    /// Whether these changes must be committed before the command starts, because otherwise it would not see the files
    /// as if each change had been committed in turn. A command that changes something at once follows everything that
    /// is not published yet: two paths may be one file, through a link or in another spelling.
    pub(super) fn precedes(&self, command: &Command) -> bool {
        let mut staged = self.changes.iter().filter(|pending| pending.is_staged()).peekable();
        if command.changes() == Changes::AtOnce {
            return staged.peek().is_some();
        }
        let below = |path: &FilePath, directory: &FilePath| {
            let rest = path.as_str().strip_prefix(directory.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        staged.any(|pending| {
            pending.command.paths().into_iter().flatten().any(|published| {
                let mut paths = command.paths().into_iter().flatten();
                paths.any(|path| below(path, published) || below(published, path))
            })
        })
    }

    /// The socket was read; `found` says whether there was something.
    pub(super) fn read(&mut self, found: bool) {
        self.is_starved = !found;
    }

    /// Whether nothing more can be read at the moment.
    pub(super) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// Another change joins.
    pub(super) fn join(&mut self, pending: Pending) {
        self.changes.push_back(pending);
        self.is_starved = false;
    }

    /// The buffer for lines of the current command that must follow the replies to these changes; `None` if there are
    /// none.
    pub(super) fn waiting(&mut self) -> Option<&mut BytesMut> {
        (!self.changes.is_empty()).then_some(&mut self.waiting)
    }

    /// Takes the lines that had to wait.
    pub(super) fn take_waiting(&mut self) -> BytesMut {
        core::mem::take(&mut self.waiting)
    }

    /// Starts the commit, if there is anything to commit.
    pub(super) fn begin(&mut self, durable: bool) {
        if !self.is_empty() && !self.is_under_way() {
            self.step = if durable { Step::Sync } else { Step::Publish(0) };
            self.skip(durable);
        }
    }

    /// Continues with the next step that has something to do. Returns whether there is none.
    fn skip(&mut self, durable: bool) -> bool {
        if matches!(self.step, Step::Sync) && !self.changes.iter().any(Pending::is_staged) {
            self.step = Step::Publish(0);
        }
        if let Step::Publish(at) = self.step {
            self.step = match self.changes.iter().skip(at).position(Pending::is_staged) {
                Some(next) => Step::Publish(at + next),
                None if durable => Step::SyncDirectories,
                None => Step::Close(0),
            };
        }
        match self.step {
            Step::SyncDirectories => !self.changes.iter().any(Pending::is_good),
            Step::Close(at) => {
                let next = self.changes.iter().skip(at).position(Pending::is_good);
                self.step = Step::Close(at + next.unwrap_or(0));
                next.is_none()
            }
            Step::Gather | Step::Sync | Step::Publish(_) => false,
        }
    }

    fn handles(&self, which: fn(&Pending) -> bool) -> Vec<Handle> {
        let those = self.changes.iter().filter(|pending| which(pending));
        those.map(|pending| pending.change.handle).collect()
    }

    /// The next effect; `None` while more changes may join.
    pub(super) fn effect(&self) -> Option<Effect> {
        match self.step {
            Step::Gather => None,
            Step::Sync => Some(Effect::Sync { handles: self.handles(Pending::is_staged) }),
            Step::Publish(at) => {
                let Change { handle, publish, .. } = self.changes.get(at)?.change;
                Some(Effect::Publish { handle, checksum: publish? })
            }
            Step::SyncDirectories => {
                Some(Effect::SyncDirectories { handles: self.handles(Pending::is_good) })
            }
            Step::Close(at) => Some(Effect::Close { handle: self.changes.get(at)?.change.handle }),
        }
    }

    /// Takes the outcome of the effect. Returns the replies, in the order of the commands, once the commit is complete.
    pub(super) fn performed(
        &mut self,
        durable: bool,
        outcome: Result<Done, StoreError>,
    ) -> Option<Vec<Answer>> {
        match (core::mem::take(&mut self.step), outcome) {
            (Step::Gather, _) => return None,
            (Step::Sync, outcome) => {
                if let Err(cause) = outcome {
                    // The storage of these files cannot be trusted.
                    for pending in self.changes.iter_mut().filter(|pending| pending.is_staged()) {
                        pending.failure = Some(Failure::of(pending, cause.clone()));
                    }
                }
                self.step = Step::Publish(0);
            }
            (Step::Publish(at), outcome) => {
                if let Some(pending) = self.changes.get_mut(at) {
                    match outcome {
                        Ok(Done::Published { version }) => pending.change.summary.version = version,
                        Ok(_) => {}
                        Err(cause) => pending.failure = Some(Failure::of(pending, cause)),
                    }
                }
                self.step = Step::Publish(at + 1);
            }
            (Step::SyncDirectories, Ok(_)) => return Some(self.answers()),
            (Step::SyncDirectories, Err(cause)) => {
                for pending in self.changes.iter_mut().filter(|pending| pending.is_good()) {
                    let text = match pending.change.publish {
                        Some(_) => "the file is published, but may not survive a power cut",
                        None => "the change is made, but may not survive a power cut",
                    };
                    let refusal = Refusal::new(ErrorCode::OutcomeUnknown, text);
                    pending.failure = Some(Failure { refusal, cause: cause.clone() });
                }
                return Some(self.answers());
            }
            (Step::Close(at), _) => self.step = Step::Close(at + 1),
        }
        self.skip(durable).then(|| self.answers())
    }

    /// The replies that each change would have got if it had been committed in turn.
    fn answers(&mut self) -> Vec<Answer> {
        self.step = Step::Gather;
        let changes = core::mem::take(&mut self.changes).into_iter();
        changes
            .map(|Pending { id, command, began, change, lines, failure }| {
                let reply = match failure {
                    None => Reply::ok(change.summary),
                    Some(Failure { refusal, cause }) => {
                        Reply { cause: Some(cause), ..Reply::refused(refusal) }
                    }
                };
                Answer { lines, id, command, began, reply }
            })
            .collect()
    }
}

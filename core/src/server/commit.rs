//! Group commit: changes that need only their commit wait while more of them come in, become durable together, and only then
//! each gets its `OK` (R-UP-8).
//!
//! None of them waits for the client: when there is nothing more to read, they are committed. Nor does anything else go before
//! them: what is answered after them, or may see the files, comes after their commit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;

use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::message::Refusal;
use crate::name::FilePath;
use crate::verb::Command;
use crate::verb::server_exchange::{Change, Reply};

/// Changes that wait for their commit.
#[derive(Debug, Default)]
pub(super) struct Commit {
    /// In the order of their commands.
    changes: VecDeque<Pending>,
    step: Step,
    /// The lines of the command under way that wait for the replies of these.
    waiting: BytesMut,
    /// The socket was read since the last of them came, and had nothing.
    is_starved: bool,
}

/// A change that needs only its commit, and the command that asked for it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) command: Command,
    /// When its line was read.
    pub(super) began: Duration,
    pub(super) change: Change,
    /// Lines that go before its reply.
    pub(super) lines: BytesMut,
}

/// What comes of a change.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) lines: BytesMut,
    pub(super) id: RequestId,
    pub(super) command: Command,
    pub(super) began: Duration,
    pub(super) reply: Reply,
}

/// How far the commit is: each step comes only after the one before it.
#[derive(Debug, Default)]
enum Step {
    /// More changes may come.
    #[default]
    Gather,
    Sync,
    /// The changes before this one have their names, or failed.
    Publish(Outcomes),
    SyncDirectories(Outcomes),
    /// Files that are not to be durable are only closed; these are still open.
    Close(Outcomes, Vec<Handle>),
}

/// What came of the first changes.
type Outcomes = VecDeque<Result<(), Failure>>;

#[derive(Debug, Clone)]
struct Failure {
    refusal: Refusal,
    cause: StoreError,
}

impl From<StoreError> for Failure {
    fn from(cause: StoreError) -> Self {
        Self { refusal: Refusal::new(cause.kind.code(), cause.kind.words(Work::Upload)), cause }
    }
}

impl Commit {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many changes wait.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it has begun; no further change joins then.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.step, Step::Gather)
    }

    /// Whether it matters to a command about `path` that these have their names: it is to meet them as if each had been committed as it came.
    pub(super) fn concerns(&self, path: &FilePath) -> bool {
        let below = |path: &FilePath, directory: &FilePath| {
            let rest = path.as_str().strip_prefix(directory.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut paths = self.changes.iter().filter_map(|pending| pending.command.path());
        paths.any(|other| below(path, other) || below(other, path))
    }

    /// The socket was read, and had something or nothing.
    pub(super) fn read(&mut self, found: bool) {
        self.is_starved = !found;
    }

    /// Whether nothing more can be read at once.
    pub(super) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// Another change joins.
    pub(super) fn join(&mut self, pending: Pending) {
        self.changes.push_back(pending);
        self.is_starved = false;
    }

    /// Where lines of the command under way wait for the replies of these; `None` if there are none.
    pub(super) fn waiting(&mut self) -> Option<&mut BytesMut> {
        (!self.changes.is_empty()).then_some(&mut self.waiting)
    }

    /// Takes the lines that wait.
    pub(super) fn take_waiting(&mut self) -> BytesMut {
        core::mem::take(&mut self.waiting)
    }

    /// Begins the commit, if there is anything to commit.
    pub(super) fn begin(&mut self, durable: bool) {
        if !self.is_empty() && !self.is_under_way() {
            self.step = if durable { Step::Sync } else { Step::Publish(Outcomes::new()) };
        }
    }

    fn handles<'a>(&'a self, outcomes: &'a Outcomes) -> impl Iterator<Item = Handle> + 'a {
        let succeeded = self.changes.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        succeeded.map(|(pending, _)| pending.change.handle)
    }

    /// What the store is asked for next; `None` while more changes may come.
    pub(super) fn effect(&self) -> Option<Effect> {
        match &self.step {
            Step::Gather => None,
            Step::Sync => {
                let handles = self.changes.iter().map(|pending| pending.change.handle).collect();
                Some(Effect::Sync { handles })
            }
            Step::Publish(outcomes) => {
                let Change { handle, checksum, .. } = self.changes.get(outcomes.len())?.change;
                Some(Effect::Publish { handle, checksum })
            }
            Step::SyncDirectories(outcomes) => {
                Some(Effect::SyncDirectories { handles: self.handles(outcomes).collect() })
            }
            Step::Close(_, open) => open.last().map(|handle| Effect::Close { handle: *handle }),
        }
    }

    /// Takes what came of the effect. The answers, in the order of the commands, once all is done.
    pub(super) fn performed(
        &mut self,
        durable: bool,
        outcome: Result<Done, StoreError>,
    ) -> Option<Vec<Answer>> {
        let count = self.changes.len();
        match (core::mem::take(&mut self.step), outcome) {
            (Step::Gather, _) => None,
            (Step::Sync, Ok(_)) => {
                self.step = Step::Publish(Outcomes::new());
                None
            }
            // What the storage has of any of them cannot be trusted.
            (Step::Sync, Err(error)) => {
                let failure = Failure::from(error);
                Some(self.answers((0..count).map(|_| Err(failure.clone())).collect()))
            }
            (Step::Publish(mut outcomes), outcome) => {
                outcomes.push_back(outcome.map(drop).map_err(Failure::from));
                if outcomes.len() < count {
                    self.step = Step::Publish(outcomes);
                } else if outcomes.iter().all(Result::is_err) {
                    return Some(self.answers(outcomes));
                } else if durable {
                    self.step = Step::SyncDirectories(outcomes);
                } else {
                    let open = self.handles(&outcomes).collect();
                    self.step = Step::Close(outcomes, open);
                }
                None
            }
            (Step::Close(outcomes, mut open), _) => {
                open.pop();
                if open.is_empty() {
                    return Some(self.answers(outcomes));
                }
                self.step = Step::Close(outcomes, open);
                None
            }
            (Step::SyncDirectories(outcomes), Ok(_)) => Some(self.answers(outcomes)),
            (Step::SyncDirectories(mut outcomes), Err(cause)) => {
                let text = "the file is published, but may not survive a power cut";
                let refusal = Refusal::new(ErrorCode::OutcomeUnknown, text);
                for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                    *outcome = Err(Failure { refusal: refusal.clone(), cause: cause.clone() });
                }
                Some(self.answers(outcomes))
            }
        }
    }

    /// What would have been said had each been committed as it came.
    fn answers(&mut self, outcomes: Outcomes) -> Vec<Answer> {
        let changes = core::mem::take(&mut self.changes).into_iter().zip(outcomes);
        changes
            .map(|(Pending { id, command, began, change, lines }, outcome)| {
                let reply = match outcome {
                    Ok(()) => Reply::ok(change.summary),
                    Err(Failure { refusal, cause }) => {
                        Reply { cause: Some(cause), ..Reply::refused(refusal) }
                    }
                };
                Answer { lines, id, command, began, reply }
            })
            .collect()
    }
}

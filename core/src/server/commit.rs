//! Group commit: uploads that are whole wait while more of them come in, are brought to stable storage together, and only then there is an `OK` for each.
//!
//! None of them waits for the peer: when there is nothing more to read, they are committed. Nor does anything else go before them: whatever is answered after them, or may
//! see the files, comes after their commit.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{Server, ServerEvent, State};
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::machine::Ask;
use crate::message::{Command, Refusal, ServerLine, Summary};
use crate::name::FilePath;
use crate::output::Wait;

/// Uploads that are whole and not answered.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the order of their commands.
    uploads: VecDeque<Whole>,
    step: Step,
    /// The upload under way is to be told `READY`, after the answers of those before it.
    owes_ready: bool,
    /// The socket was looked at since the last of them came, and had nothing.
    starved: bool,
}

/// An upload whose bytes are all there and are those that were meant.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) handle: Handle,
    pub(super) id: RequestId,
    pub(super) command: Option<Command>,
    pub(super) began: Duration,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
}

/// How far the commit is: each step comes only after the one before it.
#[derive(Debug, Default)]
enum Step {
    /// More may come.
    #[default]
    Gather,
    Sync,
    /// Those before this one have their names, or failed.
    Publish(Outcomes),
    SyncDirectory(Outcomes),
    /// Nothing more is done for the names than to close the files that have them; those of the first of them are closed.
    Close(Outcomes, usize),
}

/// What came of the first uploads.
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

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.uploads.is_empty()
    }

    pub(super) fn is_committing(&self) -> bool {
        !matches!(self.step, Step::Gather)
    }

    /// Whether it matters to an upload of `path` that these have their names: it is to meet them as it would have met each that was committed as it came.
    pub(super) fn concerns(&self, path: &FilePath) -> bool {
        let below = |path: &FilePath, directory: &FilePath| {
            let rest = path.as_str().strip_prefix(directory.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut paths = self.uploads.iter().filter_map(|whole| whole.command.as_ref()?.path());
        paths.any(|other| below(path, other) || below(other, path))
    }

    /// The files that have their names, by what came of each upload.
    fn published(&self, outcomes: &Outcomes) -> impl Iterator<Item = Handle> {
        let each = self.uploads.iter().zip(outcomes);
        each.filter(|(_, outcome)| outcome.is_ok()).map(|(whole, _)| whole.handle)
    }

    pub(super) fn looked(&mut self, found: bool) {
        self.starved = !found;
    }
}

impl Server {
    /// An upload is whole; the next one may begin.
    pub(super) fn add_to_batch(&mut self, whole: Whole) {
        self.batch.uploads.push_back(whole);
        self.batch.owes_ready = false;
        self.batch.starved = false;
        let most = if self.config.durable { self.config.limits.commit_batch } else { 1 };
        if self.batch.uploads.len() >= most {
            self.commit();
        }
    }

    /// No further upload joins those that wait.
    pub(super) fn commit(&mut self) {
        if !self.batch.is_empty() && !self.batch.is_committing() {
            self.batch.step =
                if self.config.durable { Step::Sync } else { Step::Publish(Outcomes::new()) };
        }
    }

    /// `READY` for the upload that has just begun.
    pub(super) fn say_ready(&mut self) {
        if self.batch.is_empty() {
            self.line(&ServerLine::Ready);
        } else {
            self.batch.owes_ready = true;
        }
    }

    /// Writes what is to go out, then reads what is there. If nothing is, those that wait are committed before the peer is waited for.
    pub(super) fn read_or_commit(&mut self) -> Option<Ask<ServerEvent>> {
        if self.batch.is_empty() || !self.link.outbox.is_empty() {
            return Some(self.link.read());
        }
        if !self.batch.starved {
            return Some(Ask::Read(Wait::Never));
        }
        self.commit();
        None
    }

    pub(super) fn advance_commit(&mut self) -> Option<Effect> {
        let uploads = &self.batch.uploads;
        match &self.batch.step {
            Step::Gather => None,
            Step::Sync => {
                let handles = uploads.iter().map(|whole| whole.handle).collect();
                Some(Effect::Sync { handles })
            }
            Step::Publish(outcomes) => {
                let Whole { handle, checksum, .. } = uploads.get(outcomes.len())?;
                Some(Effect::Publish { handle: *handle, checksum: *checksum })
            }
            Step::SyncDirectory(outcomes) => {
                let handles = self.batch.published(outcomes).collect();
                Some(Effect::SyncDirectories { handles })
            }
            Step::Close(outcomes, closed) => {
                let handle = self.batch.published(outcomes).nth(*closed)?;
                Some(Effect::Close { handle })
            }
        }
    }

    pub(super) fn commit_outcome(&mut self, outcome: Result<Done, StoreError>) {
        let count = self.batch.uploads.len();
        match (core::mem::take(&mut self.batch.step), outcome) {
            (Step::Gather, _) => {}
            (Step::Sync, Ok(_)) => self.batch.step = Step::Publish(Outcomes::new()),
            // What the storage has of any of them cannot be trusted.
            (Step::Sync, Err(error)) => {
                let failure = Failure::from(error);
                self.answer_batch((0..count).map(|_| Err(failure.clone())).collect());
            }
            (Step::Publish(mut outcomes), outcome) => {
                outcomes.push_back(outcome.map(drop).map_err(Failure::from));
                if outcomes.len() < count {
                    self.batch.step = Step::Publish(outcomes);
                } else if outcomes.iter().all(Result::is_err) {
                    self.answer_batch(outcomes);
                } else if self.config.durable {
                    self.batch.step = Step::SyncDirectory(outcomes);
                } else {
                    self.batch.step = Step::Close(outcomes, 0);
                }
            }
            (Step::Close(outcomes, closed), _)
                if closed + 1 < self.batch.published(&outcomes).count() =>
            {
                self.batch.step = Step::Close(outcomes, closed + 1);
            }
            (Step::Close(outcomes, _), _) | (Step::SyncDirectory(outcomes), Ok(_)) => {
                self.answer_batch(outcomes);
            }
            (Step::SyncDirectory(mut outcomes), Err(cause)) => {
                let text = "the file is published, but may not survive a power cut";
                let refusal = Refusal::new(ErrorCode::OutcomeUnknown, text);
                for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                    *outcome = Err(Failure { refusal: refusal.clone(), cause: cause.clone() });
                }
                self.answer_batch(outcomes);
            }
        }
    }

    /// Says what would have been said had each been committed as it came.
    fn answer_batch(&mut self, outcomes: Outcomes) {
        let uploads = core::mem::take(&mut self.batch.uploads);
        for (at, (whole, outcome)) in uploads.into_iter().zip(outcomes).enumerate() {
            if at > 0 {
                self.line(&ServerLine::Ready);
            }
            let Whole { handle: _, id, command, began, size, checksum } = whole;
            let (reply, cause) = match outcome {
                Ok(()) => {
                    let (size, checksum) = (Some(size), Some(checksum));
                    (Ok(Summary { size, checksum, ..Summary::default() }), None)
                }
                Err(Failure { refusal, cause }) => (Err(refusal), Some(cause)),
            };
            self.say(&reply);
            if let State::Ready { discarding } = &mut self.state {
                *discarding = reply.is_err();
            }
            let event = ServerEvent::Answered { id, command, reply, cause, began, ended: began };
            self.events.push_back(event);
        }
        self.look.done();
        self.discarded = 0;
        if core::mem::take(&mut self.batch.owes_ready) {
            self.line(&ServerLine::Ready);
        }
    }
}

//! `UPLOAD`: the body comes in and is checked; then the upload waits for its [commit](super::commit).

use super::commit::Whole;
use super::look_ahead::classify;
use super::table::{self, Action, Input, Phase};
use super::{Server, ServerEvent, State, Verdict};
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Handle, Open};
use crate::error::{ErrorCode, StoreError, StoreErrorKind, Work};
use crate::machine::Ask;
use crate::message::{ClientLine, LineError, Mode, Refusal};
use crate::name::FilePath;
use crate::payload::Intake;
use crate::time::Timestamp;

pub(super) const OVERSIZED_DATA: &str = "a DATA is larger than max-data";

/// An upload under way.
#[derive(Debug)]
pub(super) struct Upload {
    path: FilePath,
    size: Option<u64>,
    mode: Mode,
    modified: Option<Timestamp>,
    executable: bool,
    intake: Intake,
    step: Step,
}

/// How far an upload is: each step comes only after the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Body,
    /// `END` came, with this checksum.
    Ended(Option<Checksum>),
}

impl Upload {
    pub(super) fn new(
        handle: Handle,
        path: FilePath,
        size: Option<u64>,
        mode: Mode,
        modified: Option<Timestamp>,
        executable: bool,
    ) -> Self {
        let intake = Intake::new(handle);
        Self { path, size, mode, modified, executable, intake, step: Step::Create }
    }

    /// Payload of the current `DATA` that is still to come in.
    pub(super) fn left(&self) -> u64 {
        self.intake.left()
    }

    /// Room for the line of a `DATA` whose payload may pass by the machine, if that is what comes next.
    pub(super) fn room_for_line(&self) -> Option<usize> {
        match self.step {
            Step::Body => self.intake.room_for_line(self.size),
            Step::Create | Step::Ended(_) => None,
        }
    }

    pub(super) fn hold(&mut self, count: usize) {
        self.intake.hold(count);
    }
}

impl Server {
    pub(super) fn advance_upload(&mut self) -> Option<Ask<ServerEvent>> {
        let id = self.id();
        let grace_is_over = self.drain_is_over();
        let State::Upload(upload) = &mut self.state else {
            return None;
        };
        match upload.step {
            Step::Create if self.batch.concerns(&upload.path) => {
                self.commit();
                None
            }
            Step::Create => Some(Ask::Perform(Effect::Create {
                handle: upload.intake.handle(),
                id,
                path: upload.path.clone(),
                mode: upload.mode,
                size: upload.size,
                modified: upload.modified,
                executable: upload.executable,
                durable: self.config.durable,
            })),
            Step::Body if grace_is_over => {
                self.happen(Input::GraceOver);
                None
            }
            Step::Body if upload.intake.is_under_way() => self.advance_payload(),
            Step::Body => self.advance_between_chunks(),
            Step::Ended(claimed) => {
                let rest = upload.intake.flush();
                if rest.is_none() {
                    self.check(claimed);
                }
                rest.map(Ask::Perform)
            }
        }
    }

    fn advance_payload(&mut self) -> Option<Ask<ServerEvent>> {
        let State::Upload(upload) = &mut self.state else {
            return None;
        };
        if let Some(held) = upload.intake.write_held() {
            return Some(Ask::Perform(held));
        }
        if !self.link.inbox.is_empty() {
            return upload.intake.take(&mut self.link.inbox).map(Ask::Perform);
        }
        if self.link.inbox.ended {
            self.happen(Input::HangUp);
            return None;
        }
        // A large file keeps nobody waiting.
        if upload.intake.announced() > self.config.limits.chunk as u64 {
            self.commit();
            if self.batch.is_committing() {
                return None;
            }
        }
        let State::Upload(upload) = &mut self.state else {
            return None;
        };
        let (handle, limits) = (upload.intake.handle(), &self.config.limits);
        match upload.intake.bypass(limits).filter(|_| self.config.pass_through) {
            Some(length) if self.batch.is_empty() && self.link.outbox.is_empty() => {
                let receive = Ask::Receive { handle, length };
                Some(upload.intake.flush().map_or(receive, Ask::Perform))
            }
            _ => self.read_or_commit(),
        }
    }

    fn advance_between_chunks(&mut self) -> Option<Ask<ServerEvent>> {
        match self.next_line() {
            Some(parsed) => self.decide_body_line(parsed),
            None if self.link.inbox.ended => self.happen(Input::HangUp),
            None => return self.read_or_commit(),
        }
        None
    }

    fn decide_body_line(&mut self, parsed: Result<ClientLine, LineError>) {
        match (table::decide(Phase::Body, classify(&parsed)), parsed) {
            (Action::Take, Ok(ClientLine::Data(length))) => self.take_data(length),
            (Action::Finish, Ok(ClientLine::End { checksum })) => {
                if let State::Upload(upload) = &mut self.state {
                    upload.step = Step::Ended(checksum);
                }
            }
            (Action::GiveUp, Ok(_)) => self.refuse(ErrorCode::Aborted, "the upload was given up"),
            (_, Err(LineError { code: ErrorCode::Protocol, text })) => {
                self.end(Verdict::CutOff(Refusal::new(ErrorCode::Protocol, text)));
            }
            _ => self.fault("the body of an upload is DATA, END or ABORT"),
        }
    }

    fn take_data(&mut self, length: u64) {
        let State::Upload(upload) = &mut self.state else {
            return;
        };
        if length > self.config.limits.max_data {
            self.fault(OVERSIZED_DATA);
            return;
        }
        upload.intake.announce(length);
        let announced = upload.intake.announced();
        if upload.size.is_some_and(|size| announced > size) {
            self.skip_rest_of_data();
            self.refuse(ErrorCode::SizeMismatch, "more bytes than size= announced");
        } else if self.config.limits.max_file_size.is_some_and(|limit| announced > limit) {
            self.skip_rest_of_data();
            self.refuse(ErrorCode::TooLarge, StoreErrorKind::TooLarge.words(Work::Upload));
        }
    }

    /// The body is refused; what its current `DATA` still brings is no command.
    pub(super) fn skip_rest_of_data(&mut self) {
        if let State::Upload(upload) = &self.state {
            self.skip = upload.left();
        }
    }

    /// All bytes are in: are they those that were meant?
    fn check(&mut self, claimed: Option<Checksum>) {
        let State::Upload(upload) = &self.state else {
            return;
        };
        if upload.size.is_some_and(|size| size != upload.intake.announced()) {
            self.refuse(ErrorCode::SizeMismatch, "fewer bytes than size= announced");
        } else if claimed.is_some_and(|claimed| claimed != upload.intake.checksum()) {
            self.refuse(
                ErrorCode::ChecksumMismatch,
                "the bytes that arrived have another checksum",
            );
        } else {
            let handle = upload.intake.handle();
            let (size, checksum) = (upload.intake.received(), upload.intake.checksum());
            self.open = None;
            self.state = State::Ready { discarding: false };
            let (id, command) = (self.id(), self.current.take());
            self.add_to_batch(Whole { handle, id, command, began: self.began, size, checksum });
        }
    }

    pub(super) fn upload_outcome(&mut self, outcome: Result<Done, StoreError>) {
        let State::Upload(upload) = &mut self.state else {
            return;
        };
        match outcome {
            Ok(Done::Full) if self.batch.is_empty() => {
                let detail = "the store has no room for a single file";
                self.refuse_for(Work::Upload, StoreError::new(StoreErrorKind::Io, detail));
            }
            Ok(Done::Full) => self.commit(),
            Ok(Done::Started) => {
                upload.step = Step::Body;
                self.open = Some(Open::Staged(upload.intake.handle()));
                self.say_ready();
            }
            Ok(Done::HeldWritten { checksum }) => upload.intake.held_written(checksum),
            Ok(_) => {}
            Err(error) => {
                self.skip_rest_of_data();
                self.refuse_for(Work::Upload, error);
            }
        }
    }
}

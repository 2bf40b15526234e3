//! The client's exchange of `UPLOAD`: opens the source before it sends the command, sends its bytes, and checks the
//! receipt.

use super::super::client_exchange::{
    Exchange, NO_ANSWER, OnRefusal, Performed, Pipelining, Preparation, Turn, View, Violation,
};
use super::super::grammar::line_of;
use super::arguments::Upload;
use crate::body::BodyWriter;
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Handle, Open, Opened};
use crate::error::{ErrorCode, StoreError, StoreErrorKind};
use crate::message::body::{AbortLine, EndLine};
use crate::message::{Mode, Refusal, ServerLine, Summary};
use crate::name::FilePath;
use crate::request::{ClientEvent, Failure, Progress};
use crate::version::Version;

/// A body of at most this many bytes is sent without waiting for `READY`: a refusal wastes less time than waiting.
pub const EAGER: u64 = 1 << 20;

/// An upload, from the opening of its source to its receipt.
#[derive(Debug)]
pub(super) struct Sending {
    path: FilePath,
    mode: Mode,
    /// The version of the file that it must replace.
    if_match: Option<Version>,
    step: Step,
    opened: Opened,
    /// Whether the command says that the file is executable.
    says_executable: bool,
    writer: BodyWriter,
    open: Option<Open>,
    heard: Heard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    /// The source is open. The command is sent next and, if the upload is eager, the body follows without waiting for
    /// `READY`.
    Announce {
        is_eager: bool,
    },
    AwaitReady,
    Body,
    /// Everything is sent; the source may have changed meanwhile.
    Finish,
    /// `END` was sent, for this many bytes with this checksum.
    Ended(u64, Checksum),
    /// `ABORT` was sent, or the body was not started.
    GivenUp,
}

/// What the server has replied so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Ready,
    /// `ERR`, before the body was complete.
    Err,
}

impl Sending {
    pub(super) fn new(
        path: FilePath,
        mode: Mode,
        if_match: Option<Version>,
        handle: Handle,
    ) -> Self {
        Self {
            path,
            mode,
            if_match,
            step: Step::Open,
            opened: Opened::default(),
            says_executable: false,
            writer: BodyWriter::new(handle, None),
            open: None,
            heard: Heard::Nothing,
        }
    }

    fn opened(&mut self, view: &View<'_>, opened: Opened) {
        let handle = self.writer.handle();
        self.open = Some(Open::Existing(handle));
        self.opened = opened;
        let known = opened.checksum.filter(|_| opened.size.is_some() && view.pass_through);
        self.writer = BodyWriter::new(handle, known);
        self.says_executable = opened.executable && view.known.executable != Some(false);
        // An older server refuses the option. Until this server has accepted it, the body waits for the reply, so that
        // only the command has to be sent again.
        let is_certain = !self.says_executable || view.known.executable == Some(true);
        let is_eager = is_certain && opened.size.is_some_and(|size| size <= EAGER);
        self.step = Step::Announce { is_eager };
    }

    fn report(&self, view: &mut View<'_>) {
        let progress = Progress { bytes: self.writer.sent(), total: self.opened.size };
        view.events.push_back(ClientEvent::Progress { id: view.id, progress });
    }

    fn is_refused(&self) -> bool {
        self.heard == Heard::Err
    }

    fn has_body_under_way(&self) -> bool {
        matches!(self.step, Step::AwaitReady | Step::Body | Step::Finish)
    }
}

impl Exchange for Sending {
    fn pipelining(&self) -> Pipelining {
        Pipelining::Uploads
    }

    fn prepare(&mut self, view: &mut View<'_>) -> Preparation {
        if self.step == Step::Open {
            let (handle, path) = (self.writer.handle(), self.path.clone());
            return Preparation::Perform(Effect::Open { handle, id: view.id, path });
        }
        let Opened { size, modified, .. } = self.opened;
        let is_eager = self.step == Step::Announce { is_eager: true };
        self.step = if is_eager { Step::Body } else { Step::AwaitReady };
        Preparation::Send(line_of(&Upload {
            path: self.path.clone(),
            size,
            mode: self.mode,
            modified,
            executable: self.says_executable,
            if_match: self.if_match,
        }))
    }

    fn line(&mut self, view: &mut View<'_>, line: ServerLine) -> Result<(), Violation> {
        if line != ServerLine::Ready || self.heard != Heard::Nothing {
            return Err(NO_ANSWER);
        }
        self.heard = Heard::Ready;
        if self.step == Step::AwaitReady {
            self.step = Step::Body;
            if self.says_executable {
                view.known.executable = Some(true);
            }
        }
        Ok(())
    }

    fn ok(
        &mut self,
        _: &mut View<'_>,
        summary: Summary,
    ) -> Result<Option<Result<Summary, Failure>>, Violation> {
        let Step::Ended(size, checksum) = self.step else {
            return Err(Violation("an upload is acknowledged before its end"));
        };
        match (summary.size, summary.checksum) {
            (Some(said), Some(_)) if said != size => {
                Err(Violation("the receipt of an upload is for another size"))
            }
            (Some(_), Some(said)) if said != checksum => Ok(Some(Err(Failure::Corrupted))),
            (Some(_), Some(_)) => Ok(Some(Ok(summary))),
            _ => Err(Violation("the receipt of an upload lacks its size or checksum")),
        }
    }

    fn refused(&mut self, view: &mut View<'_>, refusal: &Refusal) -> OnRefusal {
        let is_bad_argument = refusal.code() == Some(ErrorCode::BadArgument);
        let may_be_option = is_bad_argument && !view.has_failed && view.unanswered == 1;
        match self.step {
            Step::AwaitReady if may_be_option && self.says_executable => {
                self.says_executable = false;
                view.known.executable = Some(false);
                self.step = Step::Announce { is_eager: false };
                OnRefusal::Resend
            }
            Step::Body | Step::Finish => {
                self.heard = Heard::Err;
                OnRefusal::EndBody
            }
            Step::AwaitReady if view.has_failed => {
                self.heard = Heard::Err;
                OnRefusal::EndBody
            }
            Step::Open
            | Step::Announce { .. }
            | Step::AwaitReady
            | Step::Ended(..)
            | Step::GivenUp => OnRefusal::End,
        }
    }

    fn send(&mut self, view: &mut View<'_>) -> Option<Turn> {
        let (handle, length, offset) =
            (self.writer.handle(), self.writer.prepared(), self.writer.sent());
        // Announced bytes must be sent, whatever has happened.
        if length > 0 {
            return Some(Turn::Send { handle, length });
        }
        if self.has_body_under_way() && (view.has_failed || self.is_refused()) {
            view.line(&AbortLine);
            self.step = Step::GivenUp;
        }
        if self.step == Step::Body {
            let left = self.opened.size.map_or(u64::MAX, |size| size - offset);
            if left > 0 {
                let View { limits, pass_through, max_data, .. } = *view;
                let ask = self.writer.ask(offset, left, max_data, limits, pass_through);
                return Some(Turn::Perform(ask));
            }
            self.step = Step::Finish;
        }
        if self.step == Step::Finish {
            let (length, checksum) = (offset, self.writer.checksum());
            let finish = Effect::FinishReading { handle, offset: 0, length, checksum };
            return Some(Turn::Perform(finish));
        }
        if self.step != Step::GivenUp {
            return None;
        }
        match self.release() {
            Some(effect) => Some(Turn::Release(effect)),
            // The reply arrived already, so nothing else is sent.
            None => self.is_refused().then_some(Turn::End(Err(Failure::Cancelled))),
        }
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Performed {
        match outcome {
            Ok(Done::Opened(opened)) => self.opened(view, opened),
            Ok(Done::Finished) => {
                self.open = None;
                if !view.has_failed && !self.is_refused() {
                    let (size, checksum) = (self.writer.sent(), self.writer.checksum());
                    view.line(&EndLine(Some(checksum)));
                    self.step = Step::Ended(size, checksum);
                }
            }
            // Nothing else of the body is sent.
            Ok(_) if view.has_failed || self.is_refused() => {}
            Ok(Done::Read(data)) if data.is_empty() && self.opened.size.is_none() => {
                self.step = Step::Finish;
            }
            Ok(Done::Read(data)) if data.is_empty() => {
                let detail = "the file became shorter while it was sent";
                let error = StoreError::new(StoreErrorKind::Changed, detail);
                return Performed::Fail(Failure::Local(error));
            }
            Ok(Done::Read(data)) => {
                self.writer.send(data, view.outbox);
                self.report(view);
            }
            Ok(Done::SendPrepared { length, checksum }) => {
                self.writer.send_prepared(length, checksum, view.outbox);
                self.report(view);
            }
            Ok(_) => {}
            Err(error) => {
                if self.step == Step::Finish {
                    // That closed the source.
                    self.open = None;
                }
                return Performed::Fail(Failure::Local(error));
            }
        }
        Performed::Continue
    }

    fn release(&mut self) -> Option<Effect> {
        self.open.take().map(Open::end)
    }

    fn sent(&mut self, count: usize) {
        self.writer.passed_out(count);
    }

    fn is_sending(&self) -> bool {
        self.has_body_under_way()
    }

    fn is_between_pieces(&self) -> bool {
        self.step == Step::Body && self.writer.prepared() == 0
    }

    fn is_abortable(&self) -> bool {
        false
    }

    fn is_settled(&self) -> bool {
        matches!(self.step, Step::Ended(..))
    }
}

//! The client's exchange of `DOWNLOAD`: receives payload, checks it, and only then publishes the file.

use alloc::vec;

use super::super::client_exchange::{
    Exchange, NO_ANSWER, Performed, Preparation, Turn, View, Violation,
};
use super::super::grammar::line_of;
use super::super::upload::EAGER;
use super::arguments::Download;
use crate::body::BodyReader;
use crate::effect::{Done, Effect, Handle, NewFile, Open};
use crate::error::{StoreError, StoreErrorKind};
use crate::message::{Mode, Sending, ServerLine, Summary};
use crate::request::{ClientEvent, Failure, Progress};

/// A download, from its command to its last effect.
#[derive(Debug)]
pub(super) struct Fetching {
    download: Download,
    /// Whether the user's file may be replaced.
    mode: Mode,
    sending: Option<Sending>,
    reader: BodyReader,
    step: Step,
    open: Option<Open>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    AwaitSending,
    Create,
    Body,
    /// The `OK` arrived and matches the payload.
    Ended(Summary),
    Sync(Summary),
    Publish(Summary),
    SyncDirectory(Summary),
}

impl Fetching {
    pub(super) fn new(download: Download, mode: Mode, handle: Handle) -> Self {
        let (reader, step) = (BodyReader::new(handle), Step::AwaitSending);
        Self { download, mode, sending: None, reader, step, open: None }
    }

    /// Whether the final reply arrived.
    fn is_answered(&self) -> bool {
        match self.step {
            Step::AwaitSending | Step::Create | Step::Body => false,
            Step::Ended(_) | Step::Sync(_) | Step::Publish(_) | Step::SyncDirectory(_) => true,
        }
    }

    fn begins(&mut self, view: &mut View<'_>, sending: Sending) -> Result<(), Violation> {
        let Download { offset, length, .. } = self.download;
        let rest = sending.size.checked_sub(offset);
        let expected = rest.map(|rest| length.map_or(rest, |length| length.min(rest)));
        let begun = self.sending.is_some();
        if begun || sending.offset != offset || expected != Some(sending.length) {
            return Err(Violation("it does not send the range that was asked for"));
        }
        self.sending = Some(sending);
        if !view.has_failed {
            self.step = Step::Create;
            view.events.push_back(ClientEvent::Sending { id: view.id, sending });
        }
        Ok(())
    }

    fn data(&mut self, length: u64) -> Result<(), Violation> {
        let sending = self.sending.ok_or(Violation("payload comes before SENDING"))?;
        self.reader.announce(length);
        if self.reader.announced() > sending.length {
            return Err(Violation("it sends more than it announced"));
        }
        Ok(())
    }

    fn create(&self, view: &View<'_>) -> Effect {
        let file = NewFile {
            path: self.download.path.clone(),
            mode: self.mode,
            if_match: None,
            size: self.sending.map(|sending| sending.length),
            modified: self.sending.map(|sending| sending.modified),
            executable: self.sending.is_some_and(|sending| sending.executable),
            durable: view.durable,
        };
        Effect::Create { handle: self.reader.handle(), id: view.id, file }
    }

    fn receive_body(&mut self, view: &mut View<'_>) -> Option<Turn> {
        if !self.reader.is_under_way() {
            return None;
        }
        let piece = self.reader.write_received().or_else(|| self.reader.take(view.inbox));
        if let Some(effect) = piece {
            return Some(Turn::Perform(effect));
        }
        let length = self.reader.bypass(view.limits).filter(|_| view.pass_through)?;
        if !view.outbox.is_empty() || view.inbox.ended {
            return None;
        }
        let handle = self.reader.handle();
        let receive = Turn::Receive { handle, length };
        Some(self.reader.flush().map_or(receive, Turn::Perform))
    }

    fn report(&self, view: &mut View<'_>) {
        let total = self.sending.map(|sending| sending.length);
        let progress = Progress { bytes: self.reader.received(), total };
        view.events.push_back(ClientEvent::Progress { id: view.id, progress });
    }

    fn failed(&mut self, error: StoreError) -> Performed {
        let failure = Failure::Local(error);
        match self.step {
            // The store has closed the file. After `SyncDirectories` it exists and is complete; only a power cut could
            // remove it.
            Step::Sync(_) | Step::Publish(_) | Step::SyncDirectory(_) => {
                self.open = None;
                Performed::End(Err(failure))
            }
            Step::Ended(_) => Performed::End(Err(failure)),
            Step::AwaitSending | Step::Create | Step::Body => Performed::Fail(failure),
        }
    }
}

impl Exchange for Fetching {
    fn prepare(&mut self, _: &mut View<'_>) -> Preparation {
        Preparation::Send(line_of(&self.download))
    }

    fn line(&mut self, view: &mut View<'_>, line: ServerLine) -> Result<(), Violation> {
        match line {
            ServerLine::Sending(sending) => self.begins(view, sending),
            ServerLine::Data(length) => self.data(length),
            _ => Err(NO_ANSWER),
        }
    }

    fn ok(
        &mut self,
        view: &mut View<'_>,
        summary: Summary,
    ) -> Result<Option<Result<Summary, Failure>>, Violation> {
        let received = self.reader.announced();
        let whole = self.sending.is_some_and(|sending| sending.length == received)
            && summary.length == Some(received);
        if !whole {
            return Err(Violation("it sends less than it announced"));
        }
        match summary.checksum {
            None => Err(Violation("the OK of a download lacks its checksum")),
            Some(_) if view.has_failed => Ok(Some(Ok(summary))),
            Some(checksum) if checksum != self.reader.checksum() => {
                Ok(Some(Err(Failure::Corrupted)))
            }
            Some(_) => {
                self.step = Step::Ended(summary);
                Ok(None)
            }
        }
    }

    fn receive(&mut self, view: &mut View<'_>) -> Option<Turn> {
        if view.has_failed {
            if let Some(effect) = self.release() {
                return Some(Turn::Release(effect));
            }
            if self.is_answered() {
                return Some(Turn::End(Err(Failure::Cancelled)));
            }
            self.reader.skip(view.inbox);
            return None;
        }
        let handle = self.reader.handle();
        if let Step::Ended(summary) = &mut self.step {
            if let Some(rest) = self.reader.flush() {
                return Some(Turn::Perform(rest));
            }
            let summary = core::mem::take(summary);
            self.step = if view.durable { Step::Sync(summary) } else { Step::Publish(summary) };
        }
        Some(Turn::Perform(match &self.step {
            Step::AwaitSending | Step::Ended(_) => return None,
            Step::Create => self.create(view),
            Step::Body => return self.receive_body(view),
            Step::Sync(_) => Effect::Sync { handles: vec![handle] },
            Step::Publish(_) => Effect::Publish { handle, checksum: self.reader.checksum() },
            Step::SyncDirectory(_) => Effect::SyncDirectories { handles: vec![handle] },
        }))
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Performed {
        let done = match outcome {
            // No other file is staged that could be committed first.
            Ok(Done::Full) => {
                return self
                    .failed(StoreError::new(StoreErrorKind::Io, "there is no room for one file"));
            }
            Ok(done) => done,
            Err(error) => return self.failed(error),
        };
        let handle = self.reader.handle();
        match (core::mem::take(&mut self.step), done) {
            (Step::Create, _) => {
                self.step = Step::Body;
                self.open = Some(Open::Staged(handle));
            }
            (Step::Sync(summary), _) => self.step = Step::Publish(summary),
            (Step::Publish(summary), _) if view.durable => {
                self.step = Step::SyncDirectory(summary);
                self.open = Some(Open::Existing(handle));
                return Performed::Settle(None);
            }
            (Step::Publish(summary), _) => {
                self.open = Some(Open::Existing(handle));
                return Performed::Settle(Some(summary));
            }
            (Step::SyncDirectory(summary), _) => {
                self.open = None;
                return Performed::Settle(Some(summary));
            }
            (step, Done::ReceivedWritten { checksum }) => {
                self.step = step;
                self.reader.received_written(checksum);
                self.report(view);
            }
            (step, Done::Written) => {
                self.step = step;
                self.report(view);
            }
            (step, _) => self.step = step,
        }
        Performed::Continue
    }

    fn release(&mut self) -> Option<Effect> {
        self.open.take().map(Open::end)
    }

    fn payload_left(&self) -> u64 {
        self.reader.left()
    }

    fn reader(&mut self) -> Option<(&mut BodyReader, u64)> {
        let length = self.sending?.length;
        Some((&mut self.reader, length))
    }

    fn is_soon_over(&self) -> bool {
        self.sending.is_some_and(|sending| sending.length <= EAGER)
    }

    fn is_settled(&self) -> bool {
        matches!(self.step, Step::SyncDirectory(_))
    }
}

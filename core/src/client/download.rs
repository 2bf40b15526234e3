//! A download: payload comes in, is checked, and only then takes its name.

use alloc::vec;

use super::requests::Reply;
use super::upload::EAGER;
use super::{Client, ClientEvent, Failure, Progress, Request};
use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{StoreError, StoreErrorKind};
use crate::machine::Ask;
use crate::message::{Sending, Summary};
use crate::payload::Intake;

/// A download, from its command to its last effect.
#[derive(Debug)]
pub(super) struct Download {
    sending: Option<Sending>,
    intake: Intake,
    step: Step,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    AwaitSending,
    Create,
    Body,
    /// The `OK` came and what it says is right.
    Ended(Summary),
    Sync(Summary),
    Publish(Summary),
    SyncDirectory(Summary),
}

impl Download {
    /// A download into the staged file that will be `handle`.
    pub(super) fn new(handle: Handle) -> Self {
        Self { sending: None, intake: Intake::new(handle), step: Step::AwaitSending }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether it comes, and is over soon.
    pub(super) fn is_small(&self) -> bool {
        self.sending.is_some_and(|sending| sending.length <= EAGER)
    }

    /// Whether the file has its name: it is too late to fail.
    pub(super) fn is_published(&self) -> bool {
        matches!(self.step, Step::SyncDirectory(_))
    }

    /// Whether the final reply came.
    fn is_answered(&self) -> bool {
        match self.step {
            Step::AwaitSending | Step::Create | Step::Body => false,
            Step::Ended(_) | Step::Sync(_) | Step::Publish(_) | Step::SyncDirectory(_) => true,
        }
    }
}

impl Client {
    fn front_download(&mut self) -> Option<(RequestId, &mut Download)> {
        match self.sent.front_mut() {
            Some(sent) => match &mut sent.reply {
                Reply::Download(download) => Some((sent.id, download)),
                Reply::List { .. } | Reply::Upload { .. } | Reply::Help { .. } | Reply::Exit => {
                    None
                }
            },
            None => None,
        }
    }

    /// Payload that is still to come before the next line.
    pub(super) fn payload_left(&self) -> u64 {
        match self.sent.front().map(|sent| &sent.reply) {
            Some(Reply::Download(download)) => download.intake.left(),
            _ => 0,
        }
    }

    /// Room for the line of a `DATA` whose payload may pass by the machine, if that is what comes next.
    pub(super) fn room_for_line(&self) -> Option<usize> {
        match self.sent.front().map(|sent| &sent.reply) {
            Some(Reply::Download(download)) => {
                download.intake.room_for_line(Some(download.sending?.length))
            }
            _ => None,
        }
    }

    /// After `None` the input is at a line, or used up.
    pub(super) fn advance_download(&mut self) -> Option<Ask<ClientEvent>> {
        let durable = self.config.durable;
        let sent = self.sent.front_mut()?;
        let Reply::Download(download) = &mut sent.reply else {
            return None;
        };
        if sent.failed.is_some() {
            if download.is_answered() {
                self.answer(Err(Failure::Cancelled));
            } else {
                download.intake.skip(&mut self.link.inbox);
            }
            return None;
        }
        let handle = download.intake.handle();
        match &mut download.step {
            Step::AwaitSending => None,
            Step::Create => {
                let Request::Download { path, mode, .. } = &sent.request else {
                    return None;
                };
                Some(Ask::Perform(Effect::Create {
                    handle,
                    id: sent.id,
                    path: path.clone(),
                    mode: *mode,
                    size: download.sending.map(|sending| sending.length),
                    modified: download.sending.map(|sending| sending.modified),
                    executable: download.sending.is_some_and(|sending| sending.executable),
                    durable,
                }))
            }
            Step::Body if !download.intake.is_under_way() => None,
            Step::Body => {
                let held = download.intake.write_held();
                if held.is_some() {
                    return held.map(Ask::Perform);
                }
                let piece = download.intake.take(&mut self.link.inbox);
                if piece.is_some() {
                    return piece.map(Ask::Perform);
                }
                let bypass = download.intake.bypass(&self.config.limits);
                let length = bypass.filter(|_| self.config.pass_through)?;
                let now = self.link.outbox.is_empty() && !self.link.inbox.ended;
                let receive = Ask::Receive { handle, length };
                now.then(|| download.intake.flush().map_or(receive, Ask::Perform))
            }
            Step::Ended(summary) => {
                let rest = download.intake.flush();
                if rest.is_none() {
                    let summary = core::mem::take(summary);
                    download.step =
                        if durable { Step::Sync(summary) } else { Step::Publish(summary) };
                    return self.advance_download();
                }
                rest.map(Ask::Perform)
            }
            Step::Sync(_) => Some(Ask::Perform(Effect::Sync { handles: vec![handle] })),
            Step::Publish(_) => {
                let checksum = download.intake.checksum();
                Some(Ask::Perform(Effect::Publish { handle, checksum }))
            }
            Step::SyncDirectory(_) => {
                Some(Ask::Perform(Effect::SyncDirectories { handles: vec![handle] }))
            }
        }
    }

    pub(super) fn download_begins(&mut self, sending: Sending) {
        let Some(sent) = self.sent.front_mut() else {
            return;
        };
        let failed = sent.failed.is_some();
        let id = sent.id;
        let (Reply::Download(download), Request::Download { offset, length, .. }) =
            (&mut sent.reply, &sent.request)
        else {
            return;
        };
        let rest = sending.size.checked_sub(*offset);
        let expected = rest.map(|rest| length.map_or(rest, |length| length.min(rest)));
        if download.has_begun() || sending.offset != *offset || expected != Some(sending.length) {
            self.violation("it does not send the range that was asked for");
            return;
        }
        download.sending = Some(sending);
        if !failed {
            download.step = Step::Create;
            self.events.push_back(ClientEvent::Sending { id, sending });
        }
    }

    pub(super) fn download_continues(&mut self, length: u64) {
        let Some((_, download)) = self.front_download() else {
            return;
        };
        let Some(sending) = download.sending else {
            self.violation("payload comes before SENDING");
            return;
        };
        download.intake.announce(length);
        if download.intake.announced() > sending.length {
            self.violation("it sends more than it announced");
        }
    }

    pub(super) fn download_ends(&mut self, summary: Summary) {
        let failed = self.sent.front().is_some_and(|sent| sent.failed.is_some());
        let Some((_, download)) = self.front_download() else {
            return;
        };
        let received = download.intake.announced();
        let whole = download.sending.is_some_and(|sending| sending.length == received)
            && summary.length == Some(received);
        if !whole {
            self.violation("it sends less than it announced");
            return;
        }
        match summary.checksum {
            None => self.violation("the OK of a download lacks its checksum"),
            Some(_) if failed => self.answer(Ok(summary)),
            Some(checksum) if checksum != download.intake.checksum() => {
                self.answer(Err(Failure::Corrupted));
            }
            Some(_) => download.step = Step::Ended(summary),
        }
    }

    pub(super) fn download_holds(&mut self, count: usize) {
        if let Some((_, download)) = self.front_download() {
            download.intake.hold(count);
        }
    }

    fn download_progress(&mut self) {
        if let Some((id, download)) = self.front_download() {
            let total = download.sending.map(|sending| sending.length);
            let progress = Progress { bytes: download.intake.received(), total };
            self.events.push_back(ClientEvent::Progress { id, progress });
        }
    }

    pub(super) fn download_outcome(&mut self, outcome: Result<Done, StoreError>) {
        let durable = self.config.durable;
        let Some((id, download)) = self.front_download() else {
            return;
        };
        let done = match outcome {
            // Nothing else is staged that could be committed first.
            Ok(Done::Full) => {
                let error = StoreError::new(StoreErrorKind::Io, "there is no room for one file");
                return self.download_outcome(Err(error));
            }
            Ok(done) => done,
            Err(error) if download.is_published() => {
                // The file is there and whole; only a power cut could take it.
                self.answer(Err(Failure::Local(error)));
                return;
            }
            Err(error) if download.is_answered() => {
                self.answer(Err(Failure::Local(error)));
                return;
            }
            Err(error) => {
                self.discard_file();
                if let Some(sent) = self.sent.front_mut() {
                    sent.fail(Failure::Local(error));
                }
                return;
            }
        };
        match (core::mem::take(&mut download.step), done) {
            (Step::Create, _) => {
                download.step = Step::Body;
                // It may have been given up while it was made.
                self.discard_download_of(id);
            }
            (Step::Sync(summary), _) => download.step = Step::Publish(summary),
            (Step::Publish(summary), _) if durable => {
                download.step = Step::SyncDirectory(summary);
                self.too_late_to_fail();
            }
            (Step::Publish(summary) | Step::SyncDirectory(summary), _) => {
                self.too_late_to_fail();
                self.answer(Ok(summary));
            }
            (step, Done::Written) => {
                download.step = step;
                self.download_progress();
            }
            (step, Done::HeldWritten { checksum }) => {
                download.step = step;
                download.intake.held_written(checksum);
                self.download_progress();
            }
            (step, _) => download.step = step,
        }
    }

    /// The file has its name: a cancel that came while it took it changes nothing.
    fn too_late_to_fail(&mut self) {
        if let Some(sent) = self.sent.front_mut() {
            sent.failed = None;
        }
    }

    /// A cancelled download writes no more.
    pub(super) fn discard_download_of(&mut self, id: RequestId) {
        let failed = self.sent.front().is_some_and(|sent| sent.id == id && sent.failed.is_some());
        if failed && self.front_download().is_some() {
            self.discard_file();
        }
    }
}

//! `DOWNLOAD`.

use core::ops::ControlFlow;

use super::{Server, ServerEvent, State};
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Opened};
use crate::error::{ErrorCode, StoreError, StoreErrorKind};
use crate::limits::Limits;
use crate::machine::Ask;
use crate::message::{Sending, ServerLine, Summary};
use crate::name::FilePath;
use crate::payload::Outflow;
use crate::time::Timestamp;
use crate::wire::outbox::Outbox;

/// A download under way.
#[derive(Debug)]
pub(super) struct Download {
    path: FilePath,
    offset: u64,
    length: Option<u64>,
    /// Known once the file is open.
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    size: u64,
    offset: u64,
    length: u64,
    outflow: Outflow,
}

impl Body {
    fn is_whole_file(&self) -> bool {
        self.offset == 0 && self.length == self.size
    }
}

impl Download {
    pub(super) fn new(path: FilePath, offset: u64, length: Option<u64>) -> Self {
        Self { path, offset, length, body: None }
    }

    /// Bytes that were announced and stay below until they go out.
    pub(super) fn held(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.outflow.held())
    }

    pub(super) fn sent_held(&mut self, count: usize) {
        if let Some(body) = &mut self.body {
            body.outflow.sent_held(count);
        }
    }
}

impl Server {
    pub(super) fn advance_download(&mut self) -> Option<Ask<ServerEvent>> {
        let State::Download(download) = &self.state else {
            return None;
        };
        let held = download.held();
        if held > 0 {
            return Some(self.link.send_held(held));
        }
        if let ControlFlow::Break(ask) = self.at_boundary() {
            return ask;
        }
        let id = self.id();
        let State::Download(download) = &self.state else {
            return None;
        };
        let Some(body) = &download.body else {
            return Some(Ask::Perform(Effect::Open { id, path: download.path.clone() }));
        };
        let left = usize::try_from(body.length - body.outflow.sent()).unwrap_or(usize::MAX);
        if left == 0 {
            let checksum = body.outflow.checksum().filter(|_| body.is_whole_file());
            return Some(Ask::Perform(Effect::FinishReading { checksum }));
        }
        let offset = body.offset + body.outflow.sent();
        Some(Ask::Perform(Effect::Read {
            offset,
            length: left.min(self.config.limits.outgoing_data(Limits::MAX_DATA)),
        }))
    }

    pub(super) fn download_outcome(&mut self, outcome: Result<Done, StoreError>) {
        match outcome {
            Ok(Done::Opened(opened)) => self.opened(opened),
            Ok(Done::Read(data)) if data.is_empty() => {
                let detail = "the file ended before its size";
                self.refuse_for(StoreError::new(StoreErrorKind::Changed, detail));
            }
            Ok(Done::Read(data)) => {
                if let Some((outflow, outbox)) = self.outflow() {
                    outflow.send(data, outbox);
                }
            }
            Ok(Done::Held { length, checksum }) => {
                if let Some((outflow, outbox)) = self.outflow() {
                    outflow.hold(length, checksum, outbox);
                }
            }
            Ok(Done::Finished { checksum }) => self.finished_reading(checksum),
            Ok(_) => {}
            Err(error) => self.refuse_for(error),
        }
    }

    fn opened(&mut self, opened: Opened) {
        self.open = true;
        let State::Download(download) = &mut self.state else {
            return;
        };
        let Some(size) = opened.size else {
            let error =
                StoreError::new(StoreErrorKind::NotAFile, "a served file needs a known size");
            self.refuse_for(error);
            return;
        };
        let offset = download.offset;
        let Some(rest) = size.checked_sub(offset) else {
            self.refuse(ErrorCode::BadRange, "the offset lies past the end of the file");
            return;
        };
        let length = download.length.unwrap_or(rest).min(rest);
        download.body = Some(Body { size, offset, length, outflow: Outflow::new() });
        let modified = opened.modified.unwrap_or(Timestamp::EPOCH);
        self.line(&ServerLine::Sending(Sending { size, offset, length, modified }));
    }

    fn outflow(&mut self) -> Option<(&mut Outflow, &mut Outbox)> {
        match &mut self.state {
            State::Download(Download { body: Some(body), .. }) => {
                Some((&mut body.outflow, &mut self.link.outbox))
            }
            _ => None,
        }
    }

    fn finished_reading(&mut self, known: Option<Checksum>) {
        self.open = false;
        let State::Download(Download { body: Some(body), .. }) = &self.state else {
            return;
        };
        let length = body.length;
        let Some(checksum) = body.outflow.checksum().or(known.filter(|_| body.is_whole_file()))
        else {
            let detail =
                "bytes were held without a checksum, and the store knows none of the whole file";
            self.refuse_for(StoreError::new(StoreErrorKind::Io, detail));
            return;
        };
        self.succeed(Summary {
            length: Some(length),
            checksum: Some(checksum),
            ..Summary::default()
        });
    }
}

//! `DOWNLOAD`.

use core::ops::ControlFlow;

use super::{Server, ServerEvent, State};
use crate::effect::{Done, Effect, Handle, Open, Opened};
use crate::error::{ErrorCode, StoreError, StoreErrorKind, Work};
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
    handle: Handle,
    path: FilePath,
    offset: u64,
    length: Option<u64>,
    /// Known once the file is open.
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    offset: u64,
    length: u64,
    outflow: Outflow,
}

impl Download {
    pub(super) fn new(handle: Handle, path: FilePath, offset: u64, length: Option<u64>) -> Self {
        Self { handle, path, offset, length, body: None }
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
            return Some(self.link.send_held(download.handle, held));
        }
        if let ControlFlow::Break(ask) = self.at_boundary() {
            return ask;
        }
        let id = self.id();
        let State::Download(download) = &self.state else {
            return None;
        };
        let handle = download.handle;
        let Some(body) = &download.body else {
            return Some(Ask::Perform(Effect::Open { handle, id, path: download.path.clone() }));
        };
        let left = body.length - body.outflow.sent();
        if left == 0 {
            let (offset, length, checksum) = (body.offset, body.length, body.outflow.checksum());
            return Some(Ask::Perform(Effect::FinishReading { handle, offset, length, checksum }));
        }
        let (offset, config) = (body.offset + body.outflow.sent(), &self.config);
        let pass_through = config.pass_through;
        let most = Limits::MAX_DATA;
        Some(Ask::Perform(body.outflow.ask(offset, left, most, &config.limits, pass_through)))
    }

    pub(super) fn download_outcome(&mut self, outcome: Result<Done, StoreError>) {
        match outcome {
            Ok(Done::Opened(opened)) => self.opened(opened),
            Ok(Done::Read(data)) if data.is_empty() => {
                let detail = "the file ended before its size";
                self.refuse_for(Work::Download, StoreError::new(StoreErrorKind::Changed, detail));
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
            Ok(Done::Finished) => self.finished_reading(),
            Ok(_) => {}
            Err(error) => self.refuse_for(Work::Download, error),
        }
    }

    fn opened(&mut self, opened: Opened) {
        let State::Download(download) = &mut self.state else {
            return;
        };
        self.open = Some(Open::Existing(download.handle));
        let Some(size) = opened.size else {
            let error =
                StoreError::new(StoreErrorKind::NotAFile, "a served file needs a known size");
            self.refuse_for(Work::Download, error);
            return;
        };
        let offset = download.offset;
        let Some(rest) = size.checked_sub(offset) else {
            self.refuse(ErrorCode::BadRange, "the offset lies past the end of the file");
            return;
        };
        let length = download.length.unwrap_or(rest).min(rest);
        // What passes through the machine is checked anew.
        let known = opened.checksum.filter(|_| length == size && self.config.pass_through);
        let outflow = Outflow::new(download.handle, known);
        download.body = Some(Body { offset, length, outflow });
        let modified = opened.modified.unwrap_or(Timestamp::EPOCH);
        let executable = opened.executable;
        let sending = Sending { size, offset, length, modified, executable };
        self.line(&ServerLine::Sending(sending));
    }

    fn outflow(&mut self) -> Option<(&mut Outflow, &mut Outbox)> {
        match &mut self.state {
            State::Download(Download { body: Some(body), .. }) => {
                Some((&mut body.outflow, &mut self.link.outbox))
            }
            _ => None,
        }
    }

    fn finished_reading(&mut self) {
        let State::Download(Download { body: Some(body), .. }) = &self.state else {
            return;
        };
        let (length, checksum) = (Some(body.length), Some(body.outflow.checksum()));
        self.succeed(Summary { length, checksum, ..Summary::default() });
    }
}

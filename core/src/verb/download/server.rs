//! The server's exchange of `DOWNLOAD`.

use alloc::vec::Vec;

use super::super::server_exchange::{End, Exchange, Reply, Turn, View, another_version};
use super::arguments::Download;
use crate::body::BodyWriter;
use crate::effect::{Done, Effect, Handle, Opened};
use crate::error::{ErrorCode, StoreError, StoreErrorKind, Work};
use crate::limits::Limits;
use crate::message::{Sending, Summary};
use crate::time::Timestamp;

/// The server's exchange of a download.
#[derive(Debug)]
pub(super) struct Serving {
    download: Download,
    handle: Handle,
    is_open: bool,
    /// Known once the file is open.
    range: Option<Range>,
}

/// The range that is sent.
#[derive(Debug)]
struct Range {
    offset: u64,
    length: u64,
    writer: BodyWriter,
}

impl Serving {
    pub(super) fn new(download: Download, handle: Handle) -> Self {
        Self { download, handle, is_open: false, range: None }
    }

    /// Announces what will be sent, once the file is open.
    fn opened(&mut self, view: &mut View<'_>, opened: Opened) -> Option<End> {
        self.is_open = true;
        let Some(size) = opened.size else {
            let error =
                StoreError::new(StoreErrorKind::NotAFile, "a served file needs a known size");
            return Some(Reply::failed(Work::Download, error).into());
        };
        if self.download.if_match.is_some() && self.download.if_match != opened.version {
            return Some(another_version().into());
        }
        let offset = self.download.offset;
        let Some(rest) = size.checked_sub(offset) else {
            let text = "the offset lies past the end of the file";
            return Some(Reply::err(ErrorCode::BadRange, text).into());
        };
        let length = self.download.length.unwrap_or(rest).min(rest);
        // The checksum of payload that passes through the machine is computed again.
        let known = opened.checksum.filter(|_| length == size && view.pass_through);
        let writer = BodyWriter::new(self.handle, known);
        self.range = Some(Range { offset, length, writer });
        let modified = opened.modified.unwrap_or(Timestamp::EPOCH);
        let Opened { executable, version, .. } = opened;
        view.line(&Sending { size, offset, length, modified, executable, version });
        None
    }
}

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        let handle = self.handle;
        let Some(Range { offset, length, writer }) = &self.range else {
            let path = self.download.path.clone();
            return Turn::Perform(Effect::Open { handle, id: view.id, path });
        };
        if writer.prepared() > 0 {
            return Turn::Send { handle, length: writer.prepared() };
        }
        let (offset, length) = (*offset, *length);
        let left = length - writer.sent();
        Turn::Perform(if left == 0 {
            let checksum = writer.checksum();
            Effect::FinishReading { handle, offset, length, checksum }
        } else {
            let offset = offset + writer.sent();
            writer.ask(offset, left, Limits::MAX_DATA, view.limits, view.pass_through)
        })
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        match (outcome, &mut self.range) {
            (Ok(Done::Opened(opened)), _) => self.opened(view, opened),
            (Ok(Done::Read(data)), _) if data.is_empty() => {
                let detail = "the file ended before its size";
                let error = StoreError::new(StoreErrorKind::Changed, detail);
                Some(Reply::failed(Work::Download, error).into())
            }
            (Ok(Done::Read(data)), Some(range)) => {
                range.writer.send(data, view.outbox);
                None
            }
            (Ok(Done::SendPrepared { length, checksum }), Some(range)) => {
                range.writer.send_prepared(length, checksum, view.outbox);
                None
            }
            (Ok(Done::Finished), Some(range)) => {
                self.is_open = false;
                let (length, checksum) = (Some(range.length), Some(range.writer.checksum()));
                Some(Reply::ok(Summary { length, checksum, ..Summary::default() }).into())
            }
            (Ok(_), _) => None,
            (Err(error), range) => {
                // If everything was sent, the failed effect was the last one, which closes the file.
                let is_sent = |range: &Range| range.writer.sent() == range.length;
                self.is_open &= !range.as_ref().is_some_and(is_sent);
                Some(Reply::failed(Work::Download, error).into())
            }
        }
    }

    fn release(&self) -> Vec<Effect> {
        self.is_open.then_some(Effect::Close { handle: self.handle }).into_iter().collect()
    }

    fn is_cancellable(&self) -> bool {
        true
    }

    fn is_sending(&self) -> bool {
        self.range.as_ref().is_some_and(|range| range.writer.prepared() > 0)
    }

    fn sent(&mut self, count: usize) {
        if let Some(range) = &mut self.range {
            range.writer.passed_out(count);
        }
    }
}

//! The server's exchange of `UPLOAD`.

use alloc::vec::Vec;

use super::super::server_exchange::{Body, Change, End, Exchange, Reply, Turn, View};
use super::arguments::{READY, Upload};
use crate::body::BodyReader;
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Handle, NewFile};
use crate::error::{ErrorCode, StoreError, StoreErrorKind, Work};
use crate::message::Summary;

/// The server's exchange of an upload.
#[derive(Debug)]
pub(super) struct Serving {
    upload: Upload,
    step: Step,
    reader: BodyReader,
}

/// The progress of an upload. Each step follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Body,
    /// `END` arrived, with this checksum.
    Ended(Option<Checksum>),
}

impl Serving {
    pub(super) fn new(upload: Upload, handle: Handle) -> Self {
        Self { upload, step: Step::Create, reader: BodyReader::new(handle) }
    }

    /// Checks that all bytes arrived and have the right checksum.
    fn check(&self, claimed: Option<Checksum>) -> End {
        let (size, checksum) = (self.reader.received(), self.reader.checksum());
        if self.upload.size.is_some_and(|announced| announced != size) {
            return Reply::err(ErrorCode::SizeMismatch, "fewer bytes than size= announced").into();
        }
        if claimed.is_some_and(|claimed| claimed != checksum) {
            let text = "the bytes that arrived have another checksum";
            return Reply::err(ErrorCode::ChecksumMismatch, text).into();
        }
        let summary = Summary { size: Some(size), checksum: Some(checksum), ..Summary::default() };
        End::Commit(Change {
            handle: self.reader.handle(),
            work: Work::Upload,
            publish: Some(checksum),
            summary,
        })
    }
}

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        match self.step {
            Step::Create => {
                let Upload { path, size, mode, modified, executable, if_match } =
                    self.upload.clone();
                if size.zip(view.limits.max_file_size).is_some_and(|(size, limit)| size > limit) {
                    return Turn::End(too_large().into());
                }
                let durable = view.durable;
                let file = NewFile { path, mode, if_match, size, modified, executable, durable };
                Turn::Perform(Effect::Create { handle: self.reader.handle(), id: view.id, file })
            }
            Step::Body => Turn::Body,
            Step::Ended(claimed) => match self.reader.flush() {
                Some(rest) => Turn::Perform(rest),
                None => Turn::End(self.check(claimed)),
            },
        }
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        match outcome {
            Ok(Done::Started) => {
                self.step = Step::Body;
                view.line_in_turn(&READY);
            }
            Ok(Done::ReceivedWritten { checksum }) => self.reader.received_written(checksum),
            Ok(_) => {}
            Err(error) => return Some(Reply::failed(Work::Upload, error).into()),
        }
        None
    }

    fn release(&self) -> Vec<Effect> {
        let handle = self.reader.handle();
        let is_begun = self.step != Step::Create;
        is_begun.then_some(Effect::Discard { handle }).into_iter().collect()
    }

    fn body(&mut self) -> Option<&mut dyn Body> {
        Some(self)
    }
}

impl Body for Serving {
    fn reader(&mut self) -> &mut BodyReader {
        &mut self.reader
    }

    fn size(&self) -> Option<u64> {
        self.upload.size
    }

    fn data(&mut self, view: &View<'_>, length: u64) -> Option<Reply> {
        self.reader.announce(length);
        let announced = self.reader.announced();
        if self.upload.size.is_some_and(|size| announced > size) {
            let text = "more bytes than size= announced";
            return Some(Reply::err(ErrorCode::SizeMismatch, text));
        }
        (view.limits.max_file_size.is_some_and(|limit| announced > limit)).then(too_large)
    }

    fn end(&mut self, claimed: Option<Checksum>) {
        self.step = Step::Ended(claimed);
    }
}

fn too_large() -> Reply {
    Reply::err(ErrorCode::TooLarge, StoreErrorKind::TooLarge.words(Work::Upload))
}

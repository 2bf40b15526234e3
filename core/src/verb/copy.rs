//! `COPY`: copies a file on the server.
//!
//! Rules: R-COPY-1, R-COPY-2.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::checksum::AskingForChecksum;
use super::client_exchange;
use super::grammar::{Changes, Names, Verb};
use super::server_exchange::{Change, End, Exchange, Handles, Reply, Turn, View, another_version};
use crate::checksum::Hasher;
use crate::effect::{Done, Effect, Handle, NewFile, Opened, RequestId};
use crate::error::{ErrorCode, StoreError, StoreErrorKind, Work};
use crate::message::{LineError, Mode, Summary};
use crate::name::FilePath;
use crate::version::Version;
use crate::wire::words::Words;

/// The number of bytes to copy between two checks of the client's input.
const PIECE: usize = 16 << 20;

/// The arguments of `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The file.
    pub from: FilePath,
    /// The name of the copy.
    pub to: FilePath,
    /// Whether a file of this name may be replaced.
    pub mode: Mode,
    /// The version that the file must have.
    pub if_match: Option<Version>,
}

impl Copy {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        AskingForChecksum::begin(self)
    }
}

impl Verb for Copy {
    const NAMES: &'static [&'static str] = &["COPY"];
    const HELP: &'static str = "COPY from to [mode=replace|create] [if-match=V] - copy a file";
    const CHANGES: Changes = Changes::AtCommit;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let Names { from, to, mode, if_match } = Names::parse(words, Self::NAMES[0])?;
        Ok(Self { from, to, mode, if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Names::write(f, [&self.from, &self.to], self.mode, self.if_match)
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.from), Some(&self.to)]
    }

    fn serve(&self, _: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving {
            copy: self.clone(),
            source: handles.next(),
            staged: handles.next(),
            step: Step::Open,
            opened: Opened::default(),
            copied: 0,
            hasher: Hasher::new(),
        })
    }
}

/// The server's exchange of a copy.
#[derive(Debug)]
struct Serving {
    copy: Copy,
    source: Handle,
    staged: Handle,
    step: Step,
    opened: Opened,
    copied: u64,
    hasher: Hasher,
}

/// The progress of a copy. Each step follows the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Open,
    /// The source is open.
    Create,
    /// The staged file is open too.
    Body,
    /// Everything is copied, and the source must not have changed.
    Finish,
    /// Only the staged file is open.
    Finished,
}

impl Serving {
    fn opened(&mut self, view: &View<'_>, opened: Opened) -> Option<End> {
        self.step = Step::Create;
        self.opened = opened;
        if self.copy.if_match.is_some() && self.copy.if_match != opened.version {
            return Some(another_version().into());
        }
        let limit = view.limits.max_file_size;
        if opened.size.zip(limit).is_some_and(|(size, limit)| size > limit) {
            let text = StoreErrorKind::TooLarge.words(Work::Copy);
            return Some(Reply::err(ErrorCode::TooLarge, text).into());
        }
        None
    }

    fn changed() -> End {
        let detail = "the file ended before its size";
        Reply::failed(Work::Copy, StoreError::new(StoreErrorKind::Changed, detail)).into()
    }
}

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        let (source, id) = (self.source, view.id);
        let left = self.opened.size.map_or(u64::MAX, |size| size - self.copied);
        if self.step == Step::Body && left == 0 {
            self.step = Step::Finish;
        }
        Turn::Perform(match self.step {
            Step::Open => Effect::Open { handle: source, id, path: self.copy.from.clone() },
            Step::Create => {
                let file = NewFile {
                    path: self.copy.to.clone(),
                    mode: self.copy.mode,
                    if_match: None,
                    size: self.opened.size,
                    modified: self.opened.modified,
                    executable: self.opened.executable,
                    durable: view.durable,
                };
                Effect::Create { handle: self.staged, id, file }
            }
            Step::Body => {
                let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                Effect::Copy { from: source, to: self.staged, offset: self.copied, length }
            }
            Step::Finish | Step::Finished => Effect::FinishReading {
                handle: source,
                offset: 0,
                length: self.copied,
                checksum: self.hasher.checksum(),
            },
        })
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        match outcome {
            Ok(Done::Opened(opened)) => return self.opened(view, opened),
            Ok(Done::Started) => self.step = Step::Body,
            Ok(Done::Copied { length: 0, .. }) if self.opened.size.is_some() => {
                return Some(Self::changed());
            }
            Ok(Done::Copied { length: 0, .. }) => self.step = Step::Finish,
            Ok(Done::Copied { length, checksum }) => {
                self.copied += length as u64;
                self.hasher.append(checksum, length as u64);
            }
            Ok(Done::Finished) => {
                self.step = Step::Finished;
                let checksum = self.hasher.checksum();
                let (size, crc) = (Some(self.copied), Some(checksum));
                let summary = Summary { size, checksum: crc, ..Summary::default() };
                let (handle, publish) = (self.staged, Some(checksum));
                return Some(End::Commit(Change { handle, work: Work::Copy, publish, summary }));
            }
            Ok(_) => {}
            Err(error) => {
                if self.step == Step::Finish {
                    // That closed the source.
                    self.step = Step::Finished;
                }
                return Some(Reply::failed(Work::Copy, error).into());
            }
        }
        None
    }

    fn release(&self) -> Vec<Effect> {
        let source = Effect::Close { handle: self.source };
        let staged = Effect::Discard { handle: self.staged };
        match self.step {
            Step::Open => Vec::new(),
            Step::Create => [source].into(),
            Step::Body | Step::Finish => [source, staged].into(),
            Step::Finished => [staged].into(),
        }
    }

    fn is_cancellable(&self) -> bool {
        true
    }
}

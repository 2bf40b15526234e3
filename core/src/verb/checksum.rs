//! `CHECKSUM`: the checksum of a file, or of a range of it, computed on the server.
//!
//! Rules: R-SUM-1, R-SUM-2.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::client_exchange::{self, Preparation, Violation};
use super::grammar::{Range, Verb, line_of};
use super::server_exchange::{End, Exchange, Handles, Reply, Turn, View, another_version};
use crate::checksum::{self, Hasher};
use crate::effect::{Done, Effect, Handle, Opened, RequestId};
use crate::error::{ErrorCode, StoreError, StoreErrorKind, Work};
use crate::message::{LineError, Summary};
use crate::name::FilePath;
use crate::request::Failure;
use crate::version::Version;
use crate::wire::words::Words;

/// The arguments of `CHECKSUM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The file.
    pub path: FilePath,
    /// The first byte, from the start of the file.
    pub offset: u64,
    /// The maximum number of bytes; `None` is all to the end.
    pub length: Option<u64>,
    /// The version that the file must have.
    pub if_match: Option<Version>,
}

impl Checksum {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        AskingForChecksum::begin(self)
    }
}

impl Verb for Checksum {
    const NAMES: &'static [&'static str] = &["CHECKSUM"];
    const HELP: &'static str =
        "CHECKSUM path [offset=N] [length=N] [if-match=V] - what the bytes of a file add up to";

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let Range { path, offset, length, if_match } = Range::parse(words, Self::NAMES[0])?;
        Ok(Self { path, offset, length, if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Range::write(f, &self.path, self.offset, self.length, self.if_match)
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.path), None]
    }

    fn serve(&self, _: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving { checksum: self.clone(), handle: handles.next(), reading: None })
    }
}

/// The server's exchange of a checksum.
#[derive(Debug)]
struct Serving {
    checksum: Checksum,
    handle: Handle,
    /// Set while the file is open.
    reading: Option<Reading>,
}

/// The range that is read.
#[derive(Debug)]
struct Reading {
    opened: Opened,
    size: u64,
    offset: u64,
    length: u64,
    /// The checksum of the whole range, if the store knows it.
    known: Option<checksum::Checksum>,
    read: u64,
    hasher: Hasher,
}

impl Reading {
    fn checksum(&self) -> checksum::Checksum {
        self.known.unwrap_or_else(|| self.hasher.checksum())
    }

    fn left(&self) -> u64 {
        if self.known.is_some() { 0 } else { self.length - self.read }
    }
}

impl Serving {
    fn opened(&mut self, opened: Opened) -> Option<End> {
        let Checksum { offset, length, if_match, .. } = self.checksum;
        let size = opened.size.unwrap_or(0);
        let rest = size.checked_sub(offset);
        let length = rest.map_or(0, |rest| length.unwrap_or(rest).min(rest));
        let known = opened.checksum.filter(|_| length == size);
        let (read, hasher) = (0, Hasher::new());
        self.reading = Some(Reading { opened, size, offset, length, known, read, hasher });
        if if_match.is_some() && if_match != opened.version {
            return Some(another_version().into());
        }
        if opened.size.is_none() {
            let error =
                StoreError::new(StoreErrorKind::NotAFile, "a served file needs a known size");
            return Some(Reply::failed(Work::Checksum, error).into());
        }
        if rest.is_none() {
            let text = "the offset lies past the end of the file";
            return Some(Reply::err(ErrorCode::BadRange, text).into());
        }
        None
    }
}

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        let handle = self.handle;
        let Some(reading) = &self.reading else {
            let path = self.checksum.path.clone();
            return Turn::Perform(Effect::Open { handle, id: view.id, path });
        };
        let left = usize::try_from(reading.left()).unwrap_or(usize::MAX);
        Turn::Perform(if left > 0 {
            let offset = reading.offset + reading.read;
            Effect::Read { handle, offset, length: left.min(view.limits.chunk.max(1)) }
        } else {
            let (offset, length, checksum) = (reading.offset, reading.length, reading.checksum());
            Effect::FinishReading { handle, offset, length, checksum }
        })
    }

    fn performed(&mut self, _: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        match (outcome, &mut self.reading) {
            (Ok(Done::Opened(opened)), _) => self.opened(opened),
            (Ok(Done::Read(data)), _) if data.is_empty() => {
                let detail = "the file ended before its size";
                let error = StoreError::new(StoreErrorKind::Changed, detail);
                Some(Reply::failed(Work::Checksum, error).into())
            }
            (Ok(Done::Read(data)), Some(reading)) => {
                reading.read += data.len() as u64;
                reading.hasher.update(&data);
                None
            }
            (Ok(Done::Finished), reading) => {
                let reading = reading.take()?;
                let summary = Summary {
                    size: Some(reading.size),
                    length: Some(reading.length),
                    checksum: Some(reading.checksum()),
                    version: reading.opened.version,
                    ..Summary::default()
                };
                Some(Reply::ok(summary).into())
            }
            (Ok(_), _) => None,
            (Err(error), reading) => {
                if reading.as_ref().is_some_and(|reading| reading.left() == 0) {
                    // Finishing closes the file, whatever the outcome.
                    *reading = None;
                }
                Some(Reply::failed(Work::Checksum, error).into())
            }
        }
    }

    fn release(&self) -> Vec<Effect> {
        let open = self.reading.as_ref().map(|_| Effect::Close { handle: self.handle });
        open.into_iter().collect()
    }

    fn is_cancellable(&self) -> bool {
        true
    }
}

/// The client's exchange of a command whose `OK` has a checksum: CHECKSUM and COPY.
#[derive(Debug)]
pub(super) struct AskingForChecksum<V>(V);

impl<V: Verb + fmt::Debug + Send + Sync + 'static> AskingForChecksum<V> {
    /// Starts the client's exchange.
    pub(super) fn begin(verb: V) -> Box<dyn client_exchange::Exchange> {
        Box::new(Self(verb))
    }
}

impl<V: Verb + fmt::Debug + Send + Sync> client_exchange::Exchange for AskingForChecksum<V> {
    fn prepare(&mut self, _: &mut client_exchange::View<'_>) -> Preparation {
        Preparation::Send(line_of(&self.0))
    }

    fn ok(
        &mut self,
        _: &mut client_exchange::View<'_>,
        summary: Summary,
    ) -> Result<Option<Result<Summary, Failure>>, Violation> {
        match (summary.size, summary.checksum) {
            (Some(_), Some(_)) => Ok(Some(Ok(summary))),
            _ => Err(Violation("an OK lacks the size or the checksum of a file")),
        }
    }

    fn reads_files(&self) -> bool {
        true
    }
}

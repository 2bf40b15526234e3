//! `UPLOAD`: stores a file whose bytes follow as a body.
//!
//! Rules: R-UP-1 to R-UP-10, R-BODY-1 to R-BODY-5, R-CRC-1.

mod arguments;
mod client;
mod server;

use alloc::boxed::Box;
use core::fmt;

use super::client_exchange;
use super::grammar::{
    Changes, FLAG, NUMBER, Verb, bad_argument, needs_path, set, set_if_match, set_mode, set_path,
    unknown_option, write_mode, write_path,
};
use super::server_exchange::{Exchange, Handles};
use crate::effect::RequestId;
use crate::message::encode::{flag, option};
use crate::message::{LineError, Mode};
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::version::Version;
use crate::wire::words::{self, Word, Words, parse_number};

pub(super) use arguments::READY;
pub use arguments::Upload;
pub use client::EAGER;

impl Verb for Upload {
    const NAMES: &'static [&'static str] = &["UPLOAD"];
    const HELP: &'static str = "UPLOAD path [size=N] [mode=replace|create] [modified=T] [executable=yes] [if-match=V] - store a file: DATA n and n bytes, any number of times, then END [crc64nvme=C], or ABORT";
    const HAS_BODY: bool = true;
    const CHANGES: Changes = Changes::AtCommit;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let (mut path, mut size, mut mode) = (None, None, None);
        let (mut modified, mut executable, mut if_match) = (None, None, None);
        for word in words {
            match word? {
                Word::Plain(text) => set_path(&mut path, &text)?,
                Word::Option { key: "size", value } => {
                    set(&mut size, "size", NUMBER, parse_number(&value))?;
                }
                Word::Option { key: "mode", value } => set_mode(&mut mode, &value)?,
                Word::Option { key: "modified", value } => {
                    let form = "a time such as 2026-11-22T08:31:25Z";
                    set(&mut modified, "modified", form, Timestamp::parse(&value))?;
                }
                Word::Option { key: "executable", value } => {
                    set(&mut executable, "executable", FLAG, words::flag(&value))?;
                }
                Word::Option { key: "if-match", value } => set_if_match(&mut if_match, &value)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let path = path.ok_or_else(|| needs_path(Self::NAMES[0]))?;
        let (mode, executable) = (mode.unwrap_or(Mode::Replace), executable.is_some());
        if mode == Mode::Create && if_match.is_some() {
            return Err(bad_argument(
                "if-match= is for a file that exists, and mode=create for one that does not",
            ));
        }
        Ok(Self { path, size, mode, modified, executable, if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.path)?;
        option(f, "size", self.size.as_ref())?;
        write_mode(f, self.mode)?;
        option(f, "modified", self.modified.as_ref())?;
        flag(f, "executable", self.executable)?;
        option(f, "if-match", self.if_match.as_ref())
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.path), None]
    }

    fn serve(&self, _: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        Box::new(server::Serving::new(self.clone(), handles.next()))
    }
}

/// Starts the client's exchange of an upload to `path`.
pub(super) fn ask(
    path: FilePath,
    mode: Mode,
    if_match: Option<Version>,
    handles: &mut Handles,
) -> Box<dyn client_exchange::Exchange> {
    Box::new(client::Sending::new(path, mode, if_match, handles.next()))
}

//! `DOWNLOAD`: downloads a file, or a range of it.
//!
//! Rules: R-DOWN-1 to R-DOWN-7, R-CRC-2.

mod arguments;
mod client;
mod server;

use alloc::boxed::Box;
use core::fmt;

use super::client_exchange;
use super::grammar::{
    NUMBER, Verb, bad_argument, set, set_if_match, set_path, unknown_option, write_path,
};
use super::server_exchange::{Exchange, Handles};
use crate::effect::RequestId;
use crate::message::arguments::{Arguments, required};
use crate::message::encode::{flag, option};
use crate::message::{Garbled, LineError, Mode, Sending};
use crate::name::FilePath;
use crate::wire::words::{Word, Words, parse_number};

pub use arguments::Download;

impl Download {
    /// Starts the client's exchange.
    pub(super) fn ask(
        self,
        mode: Mode,
        handles: &mut Handles,
    ) -> Box<dyn client_exchange::Exchange> {
        Box::new(client::Fetching::new(self, mode, handles.next()))
    }
}

impl Verb for Download {
    const NAMES: &'static [&'static str] = &["DOWNLOAD"];
    const HELP: &'static str = "DOWNLOAD path [offset=N] [length=N] [if-match=V] - fetch a file";

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let (mut path, mut offset, mut length, mut if_match) = (None, None, None, None);
        for word in words {
            match word? {
                Word::Plain(text) => set_path(&mut path, &text)?,
                Word::Option { key: "offset", value } => {
                    set(&mut offset, "offset", NUMBER, parse_number(&value))?;
                }
                Word::Option { key: "length", value } => {
                    set(&mut length, "length", NUMBER, parse_number(&value))?;
                }
                Word::Option { key: "if-match", value } => set_if_match(&mut if_match, &value)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let path = path.ok_or_else(|| bad_argument("DOWNLOAD needs a path"))?;
        Ok(Self { path, offset: offset.unwrap_or(0), length, if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.path)?;
        if self.offset != 0 {
            write!(f, " offset={}", self.offset)?;
        }
        option(f, "length", self.length.as_ref())?;
        option(f, "if-match", self.if_match.as_ref())
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.path), None]
    }

    fn serve(&self, _: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        Box::new(server::Serving::new(self.clone(), handles.next()))
    }
}

impl Sending {
    /// Parses what follows the word `SENDING`.
    pub(super) fn parse(arguments: &Arguments<'_>) -> Result<Self, Garbled> {
        Ok(Self {
            size: required(arguments.size)?,
            offset: required(arguments.offset)?,
            length: required(arguments.length)?,
            modified: required(arguments.modified)?,
            executable: arguments.executable.is_some(),
            version: arguments.version,
        })
    }
}

impl fmt::Display for Sending {
    /// Writes the whole line, including `SENDING`, without its ending.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, offset, length, modified, executable, version } = self;
        write!(f, "SENDING size={size} offset={offset} length={length} modified={modified}")?;
        flag(f, "executable", *executable)?;
        option(f, "version", version.as_ref())
    }
}

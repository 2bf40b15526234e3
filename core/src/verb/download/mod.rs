//! `DOWNLOAD`: downloads a file, or a range of it.
//!
//! Rules: R-DOWN-1 to R-DOWN-7, R-CRC-2.

mod arguments;
mod client;
mod server;

use alloc::boxed::Box;
use core::fmt;

use super::client_exchange;
use super::grammar::{Range, Verb};
use super::server_exchange::{Exchange, Handles};
use crate::effect::RequestId;
use crate::message::arguments::{Arguments, required};
use crate::message::encode::{flag, option};
use crate::message::{Garbled, LineError, Mode, Sending};
use crate::name::FilePath;
use crate::wire::words::Words;

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

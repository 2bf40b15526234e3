//! `MKDIR`: creates a directory and its missing parents.
//!
//! Rules: R-MKDIR-1.

use alloc::boxed::Box;
use core::fmt;

use super::change::{Asking, Changing};
use super::client_exchange;
use super::grammar::{Changes, Verb, needs_path, set_path, unknown_option, write_path};
use super::server_exchange::{Exchange, Handles};
use crate::effect::{Effect, RequestId};
use crate::error::Work;
use crate::message::LineError;
use crate::name::FilePath;
use crate::wire::words::{Word, Words};

/// The arguments of `MKDIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeDirectory {
    /// The directory.
    pub path: FilePath,
}

impl MakeDirectory {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        Asking::begin(self)
    }
}

impl Verb for MakeDirectory {
    const NAMES: &'static [&'static str] = &["MKDIR"];
    const HELP: &'static str = "MKDIR path - make a directory";
    const CHANGES: Changes = Changes::AtOnce;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let mut path = None;
        for word in words {
            match word? {
                Word::Plain(text) => set_path(&mut path, &text)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let path = path.ok_or_else(|| needs_path(Self::NAMES[0]))?;
        Ok(Self { path })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.path)
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.path), None]
    }

    fn serve(&self, id: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        let (path, handle) = (self.path.clone(), handles.next());
        let effect = Effect::MakeDirectory { handle, id, path };
        Changing::begin(handle, effect, Work::MakeDirectory)
    }
}

//! `DELETE`: deletes a file or an empty directory.
//!
//! Rules: R-DEL-1, R-DEL-2.

use alloc::boxed::Box;
use core::fmt;

use super::change::{Asking, Changing};
use super::client_exchange;
use super::grammar::{
    Changes, Verb, needs_path, set_if_match, set_path, unknown_option, write_path,
};
use super::server_exchange::{Exchange, Handles};
use crate::effect::{Effect, RequestId};
use crate::error::Work;
use crate::message::LineError;
use crate::message::encode::option;
use crate::name::FilePath;
use crate::version::Version;
use crate::wire::words::{Word, Words};

/// The arguments of `DELETE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The file or directory.
    pub path: FilePath,
    /// The version that the file must have.
    pub if_match: Option<Version>,
}

impl Delete {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        Asking::begin(self)
    }
}

impl Verb for Delete {
    const NAMES: &'static [&'static str] = &["DELETE"];
    const HELP: &'static str = "DELETE path [if-match=V] - remove a file or an empty directory";
    const CHANGES: Changes = Changes::AtOnce;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let (mut path, mut if_match) = (None, None);
        for word in words {
            match word? {
                Word::Plain(text) => set_path(&mut path, &text)?,
                Word::Option { key: "if-match", value } => set_if_match(&mut if_match, &value)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let path = path.ok_or_else(|| needs_path(Self::NAMES[0]))?;
        Ok(Self { path, if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.path)?;
        option(f, "if-match", self.if_match.as_ref())
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.path), None]
    }

    fn serve(&self, id: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        let Self { path, if_match } = self.clone();
        let handle = handles.next();
        Changing::begin(handle, Effect::Delete { handle, id, path, if_match }, Work::Delete)
    }
}

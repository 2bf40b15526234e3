//! `MOVE`: renames a file or a directory.
//!
//! Rules: R-MOVE-1 to R-MOVE-4.

use alloc::boxed::Box;
use core::fmt;

use super::change::{Asking, Changing};
use super::client_exchange;
use super::grammar::{
    Changes, Verb, bad_argument, set_if_match, set_mode, set_paths, unknown_option, write_mode,
    write_path,
};
use super::server_exchange::{Exchange, Handles};
use crate::effect::{Effect, RequestId};
use crate::error::Work;
use crate::message::encode::option;
use crate::message::{LineError, Mode};
use crate::name::FilePath;
use crate::version::Version;
use crate::wire::words::{Word, Words};

/// The arguments of `MOVE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The present name.
    pub from: FilePath,
    /// The new name.
    pub to: FilePath,
    /// Whether a file of the new name may be replaced.
    pub mode: Mode,
    /// The version that the file must have.
    pub if_match: Option<Version>,
}

impl Move {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        Asking::begin(self)
    }
}

impl Verb for Move {
    const NAMES: &'static [&'static str] = &["MOVE"];
    const HELP: &'static str =
        "MOVE from to [mode=replace|create] [if-match=V] - give a file or a directory another name";
    const CHANGES: Changes = Changes::AtOnce;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let (mut from, mut to, mut mode, mut if_match) = (None, None, None, None);
        for word in words {
            match word? {
                Word::Plain(text) => set_paths(&mut from, &mut to, &text)?,
                Word::Option { key: "mode", value } => set_mode(&mut mode, &value)?,
                Word::Option { key: "if-match", value } => set_if_match(&mut if_match, &value)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let (from, to) =
            from.zip(to).ok_or_else(|| bad_argument("MOVE needs two paths, from and to"))?;
        Ok(Self { from, to, mode: mode.unwrap_or(Mode::Replace), if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.from)?;
        write_path(f, &self.to)?;
        write_mode(f, self.mode)?;
        option(f, "if-match", self.if_match.as_ref())
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [Some(&self.from), Some(&self.to)]
    }

    fn serve(&self, id: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        let Self { from, to, mode, if_match } = self.clone();
        let handle = handles.next();
        let effect = Effect::Move { handle, id, from, to, mode, if_match };
        Changing::begin(handle, effect, Work::Move)
    }
}

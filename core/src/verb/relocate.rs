//! `MOVE`: renames a file or a directory.
//!
//! Rules: R-MOVE-1 to R-MOVE-3.

use alloc::boxed::Box;
use core::fmt;

use super::change::{Asking, Changing};
use super::client_exchange;
use super::grammar::{Changes, Names, Verb};
use super::server_exchange::{Exchange, Handles};
use crate::effect::{Effect, RequestId};
use crate::error::Work;
use crate::message::{LineError, Mode};
use crate::name::FilePath;
use crate::version::Version;
use crate::wire::words::Words;

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
        let Names { from, to, mode, if_match } = Names::parse(words, Self::NAMES[0])?;
        Ok(Self { from, to, mode, if_match })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Names::write(f, [&self.from, &self.to], self.mode, self.if_match)
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

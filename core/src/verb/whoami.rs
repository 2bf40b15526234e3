//! `WHOAMI`: lists what the user of the connection may do.
//!
//! Rules: R-WHO-1.

use alloc::boxed::Box;
use core::fmt;

use super::client_exchange::{self, NO_ANSWER, Preparation, Violation};
use super::grammar::{Verb, line_of, no_arguments, write_path};
use super::server_exchange::{End, Exchange, Handles, Reply, Turn, View};
use crate::account::{Access, Account, Grant};
use crate::effect::{Done, Effect, RequestId};
use crate::error::{StoreError, Work};
use crate::message::arguments::{Arguments, required};
use crate::message::{Garbled, LineError, ServerLine, Summary};
use crate::request::ClientEvent;
use crate::wire::words::Words;

/// The word that the line of a mount begins with.
pub(super) const GRANT: &str = "GRANT";

/// `WHOAMI`, which has no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhoAmI;

impl WhoAmI {
    /// Starts the client's exchange.
    pub(super) fn ask() -> Box<dyn client_exchange::Exchange> {
        Box::new(Asking { lines: 0 })
    }
}

impl Verb for WhoAmI {
    const NAMES: &'static [&'static str] = &["WHOAMI"];
    const HELP: &'static str = "WHOAMI - who you are, and what you may do";
    const NEEDS_IDENTITY: bool = false;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        no_arguments(words, Self::NAMES[0], Self)
    }

    fn serve(&self, _: RequestId, _: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving)
    }
}

/// Parses what follows the word `GRANT`.
pub(super) fn parse_grant(arguments: &Arguments<'_>) -> Result<Grant, Garbled> {
    let path = arguments.first.is_some().then(|| arguments.path()).transpose()?;
    Ok(Grant { path, rights: required(arguments.rights)? })
}

/// A mount as the protocol writes it, without the ending of the line.
pub(super) struct GrantLine<'a>(pub(super) &'a Grant);

impl fmt::Display for GrantLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Grant { path, rights } = self.0;
        f.write_str(GRANT)?;
        if let Some(path) = path {
            write_path(f, path)?;
        }
        write!(f, " rights=\"{rights}\"")
    }
}

/// The server's exchange.
#[derive(Debug)]
struct Serving;

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        Turn::Perform(Effect::WhoAmI { id: view.id })
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        let Account { user, grants, quota } = match outcome {
            Ok(Done::Account(account)) => account,
            Ok(_) => return None,
            Err(error) => return Some(Reply::failed(Work::Identify, error).into()),
        };
        for grant in &grants {
            view.line(&GrantLine(grant));
        }
        let summary = Summary { user, quota, ..Summary::default() };
        Some(Reply::ok(summary).into())
    }
}

/// The client's exchange.
#[derive(Debug)]
struct Asking {
    lines: usize,
}

impl client_exchange::Exchange for Asking {
    fn prepare(&mut self, _: &mut client_exchange::View<'_>) -> Preparation {
        Preparation::Send(line_of(&WhoAmI))
    }

    fn line(
        &mut self,
        view: &mut client_exchange::View<'_>,
        line: ServerLine,
    ) -> Result<(), Violation> {
        let ServerLine::Grant(grant) = line else { return Err(NO_ANSWER) };
        if self.lines >= Access::MAX_MOUNTS {
            return Err(Violation("its grants have no end"));
        }
        self.lines += 1;
        view.events.push_back(ClientEvent::Grant { id: view.id, grant });
        Ok(())
    }
}

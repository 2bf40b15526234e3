//! `HELP`: lists the commands.
//!
//! Rules: R-HELP-1.

use alloc::boxed::Box;
use core::fmt;

use super::client_exchange::{self, NO_ANSWER, Preparation, Violation};
use super::grammar::{Verb, line_of, no_arguments};
use super::server_exchange::{End, Exchange, Handles, Reply, Turn, View};
use crate::effect::{Done, RequestId};
use crate::error::StoreError;
use crate::limits::Limits;
use crate::message::{LineError, ServerLine, Summary};
use crate::request::ClientEvent;
use crate::wire::words::{Quoted, Words};

/// `HELP`, which has no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help;

impl Help {
    /// Starts the client's exchange.
    pub(super) fn ask() -> Box<dyn client_exchange::Exchange> {
        Box::new(Asking { lines: 0 })
    }
}

impl Verb for Help {
    const NAMES: &'static [&'static str] = &["HELP"];
    const HELP: &'static str = "HELP - these lines";
    const NEEDS_IDENTITY: bool = false;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        no_arguments(words, Self::NAMES[0], Self)
    }

    fn serve(&self, _: RequestId, _: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving)
    }
}

/// A line of help as the protocol writes it, without its ending.
pub(super) struct InfoLine<'a>(pub(super) &'a str);

impl fmt::Display for InfoLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INFO {}", Quoted(self.0))
    }
}

#[derive(Debug)]
struct Serving;

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        for text in view.help {
            view.line(&InfoLine(text));
        }
        Turn::End(Reply::ok(Summary::default()).into())
    }

    fn performed(&mut self, _: &mut View<'_>, _: Result<Done, StoreError>) -> Option<End> {
        None
    }
}

/// The client's exchange of `HELP`.
#[derive(Debug)]
struct Asking {
    lines: u64,
}

impl client_exchange::Exchange for Asking {
    fn prepare(&mut self, _: &mut client_exchange::View<'_>) -> Preparation {
        Preparation::Send(line_of(&Help))
    }

    fn line(
        &mut self,
        view: &mut client_exchange::View<'_>,
        line: ServerLine,
    ) -> Result<(), Violation> {
        let ServerLine::Info(text) = line else { return Err(NO_ANSWER) };
        if self.lines >= Limits::MAX_HELP {
            return Err(Violation("its help has no end"));
        }
        self.lines += 1;
        view.events.push_back(ClientEvent::Info { id: view.id, text });
        Ok(())
    }
}

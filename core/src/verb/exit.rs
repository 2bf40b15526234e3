//! `EXIT`: ends the session.
//!
//! Rules: R-EXIT-1.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::client_exchange::{self, Pipelining, Preparation};
use super::grammar::{Verb, line_of, no_arguments};
use super::server_exchange::{End, Exchange, Handles, Reply, Turn, View};
use crate::effect::{Done, RequestId};
use crate::error::StoreError;
use crate::message::{LineError, Summary};
use crate::wire::words::Words;

/// `EXIT`, which has no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit;

impl Exit {
    /// Starts the client's exchange.
    pub(super) fn ask() -> Box<dyn client_exchange::Exchange> {
        Box::new(Asking)
    }
}

impl Verb for Exit {
    const NAMES: &'static [&'static str] = &["EXIT", "QUIT", "BYE"];
    const HELP: &'static str = "EXIT - goodbye";
    const NEEDS_IDENTITY: bool = false;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        no_arguments(words, Self::NAMES[0], Self)
    }

    fn serve(&self, _: RequestId, _: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving)
    }
}

#[derive(Debug)]
struct Serving;

impl Exchange for Serving {
    fn next(&mut self, _: &mut View<'_>) -> Turn {
        let summary = Summary { text: Some(Cow::Borrowed("bye")), ..Summary::default() };
        Turn::End(End::Reply(Reply { closes: true, ..Reply::ok(summary) }))
    }

    fn performed(&mut self, _: &mut View<'_>, _: Result<Done, StoreError>) -> Option<End> {
        None
    }
}

/// The client's exchange of `EXIT`.
#[derive(Debug)]
struct Asking;

impl client_exchange::Exchange for Asking {
    fn pipelining(&self) -> Pipelining {
        Pipelining::Last
    }

    fn prepare(&mut self, _: &mut client_exchange::View<'_>) -> Preparation {
        Preparation::Send(line_of(&Exit))
    }
}

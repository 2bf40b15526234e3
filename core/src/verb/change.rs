//! What DELETE, MKDIR and MOVE have in common: they change names with one effect.

use alloc::boxed::Box;

use super::client_exchange::{self, Preparation};
use super::grammar::{Verb, line_of};
use super::server_exchange::{Change, End, Exchange, Reply, Turn, View};
use crate::effect::{Done, Effect, Handle};
use crate::error::{StoreError, Work};
use crate::message::Summary;

/// The server's exchange: the store makes the change at once, and it is committed with others.
#[derive(Debug)]
pub(super) struct Changing {
    handle: Handle,
    effect: Effect,
    work: Work,
}

impl Changing {
    /// The change that `effect` makes under `handle`.
    pub(super) fn begin(handle: Handle, effect: Effect, work: Work) -> Box<dyn Exchange> {
        Box::new(Self { handle, effect, work })
    }
}

impl Exchange for Changing {
    fn next(&mut self, _: &mut View<'_>) -> Turn {
        Turn::Perform(self.effect.clone())
    }

    fn performed(&mut self, _: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        let Self { handle, work, .. } = *self;
        Some(match outcome {
            Ok(_) => {
                End::Commit(Change { handle, work, publish: None, summary: Summary::default() })
            }
            Err(error) => Reply::failed(work, error).into(),
        })
    }
}

/// The client's exchange of a command with one line and one reply.
#[derive(Debug)]
pub(super) struct Asking<V>(V);

impl<V: Verb + core::fmt::Debug + Send + Sync + 'static> Asking<V> {
    /// Starts the client's exchange.
    pub(super) fn begin(verb: V) -> Box<dyn client_exchange::Exchange> {
        Box::new(Self(verb))
    }
}

impl<V: Verb + core::fmt::Debug + Send + Sync> client_exchange::Exchange for Asking<V> {
    fn prepare(&mut self, _: &mut client_exchange::View<'_>) -> Preparation {
        Preparation::Send(line_of(&self.0))
    }
}

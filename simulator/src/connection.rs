//! A client and a server, one of which may be hostile, and the pipes between them.

use std::time::Duration;

use haul_harness::Random;

use crate::client::ClientSide;
use crate::drive::{Turn, TurnContext};
use crate::fault::Tally;
use crate::hostile::Hostile;
use crate::oracle::Oracle;
use crate::pipe::Pipe;
use crate::planted::Planted;
use crate::server::{ServerSide, clock};

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

/// What acts at one end of a connection.
#[derive(Debug)]
pub(super) enum Actor {
    Client(Box<ClientSide>),
    Server(Box<ServerSide>),
    Hostile(Hostile),
    Gone,
}

impl Actor {
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// An actor, and when it can act.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) actor: Actor,
    pub(super) ready: bool,
    pub(super) frozen_until: Duration,
}

impl Endpoint {
    fn new(actor: Actor) -> Self {
        Self { actor, ready: true, frozen_until: Duration::ZERO }
    }

    fn can_act(&self, now: Duration) -> bool {
        self.ready && !self.actor.is_gone() && self.frozen_until <= now
    }

    /// When it acts though nothing else happens.
    fn wakes_at(&self, now: Duration, planted: Option<Planted>) -> Option<Duration> {
        if self.frozen_until > now && !self.actor.is_gone() {
            return Some(self.frozen_until);
        }
        match &self.actor {
            Actor::Client(client) => client.deadline(),
            Actor::Server(_) if planted == Some(Planted::ClockStopped) => None,
            Actor::Server(server) => server.deadline(),
            Actor::Hostile(_) | Actor::Gone => None,
        }
    }
}

/// What can happen on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Act(End),
    /// Bytes of this end arrive at the other.
    Deliver(End),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// A fault has hit it after which a request may fail though the machines are right.
    pub(super) touched: bool,
    /// A bit was flipped on it.
    pub(super) flipped: bool,
    /// Requests up to this one were answered.
    pub(super) answered: u64,
}

/// What a turn needs of the simulation.
pub(super) struct Context<'a> {
    pub(super) oracle: &'a mut Oracle,
    pub(super) random: &'a mut Random,
    pub(super) tally: &'a mut Tally,
    pub(super) planted: Option<Planted>,
    pub(super) now: Duration,
}

impl Connection {
    pub(super) fn new(client: Actor, server: Actor, room: usize) -> Self {
        Self {
            client: Endpoint::new(client),
            server: Endpoint::new(server),
            up: Pipe::new(room),
            down: Pipe::new(room),
            touched: false,
            flipped: false,
            answered: 0,
        }
    }

    pub(super) fn endpoint(&mut self, end: End) -> &mut Endpoint {
        match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        }
    }

    /// What can happen now.
    pub(super) fn moves(&self, now: Duration) -> impl Iterator<Item = Move> {
        [
            (self.client.can_act(now), Move::Act(End::Client)),
            (self.server.can_act(now), Move::Act(End::Server)),
            (self.up.can_deliver(now), Move::Deliver(End::Client)),
            (self.down.can_deliver(now), Move::Deliver(End::Server)),
        ]
        .into_iter()
        .filter_map(|(can, what)| can.then_some(what))
    }

    /// When something can happen next.
    pub(super) fn wakes_at(&self, now: Duration, planted: Option<Planted>) -> Option<Duration> {
        let seats = [&self.client, &self.server].map(|endpoint| endpoint.wakes_at(now, planted));
        let pipes = [&self.up, &self.down].map(|pipe| pipe.held_until(now));
        seats.into_iter().chain(pipes).flatten().min()
    }

    pub(super) fn wake(&mut self) {
        (self.client.ready, self.server.ready) = (true, true);
    }

    pub(super) fn act(&mut self, end: End, context: Context<'_>) -> Result<Turn, String> {
        let Context { oracle, random, tally, planted, now } = context;
        let (endpoint, incoming, outgoing) = match end {
            End::Client => (&mut self.client, &mut self.down, &mut self.up),
            End::Server => (&mut self.server, &mut self.up, &mut self.down),
        };
        let turn = match &mut endpoint.actor {
            Actor::Client(client) => {
                let bench = TurnContext { incoming, outgoing, random, tally, planted: None, now };
                client.turn(oracle, bench)?
            }
            Actor::Server(server) => {
                let now = clock(planted, now);
                server.turn(TurnContext { incoming, outgoing, random, tally, planted, now })?
            }
            Actor::Hostile(hostile) => hostile.turn(incoming, outgoing, random),
            Actor::Gone => Turn::Over,
        };
        match turn {
            Turn::Acted => self.wake(),
            Turn::Blocked => endpoint.ready = false,
            Turn::Over => {}
        }
        Ok(turn)
    }

    /// One end closes its socket, with or without an end of stream.
    pub(super) fn leave(&mut self, end: End) {
        self.endpoint(end).actor = Actor::Gone;
        match end {
            End::Client => {
                self.up.end();
                self.down.close_reader();
            }
            End::Server => {
                self.down.end();
                self.up.close_reader();
            }
        }
        self.wake();
    }

    /// Neither end can use the connection any more.
    pub(super) fn reset(&mut self, random: &mut Random) {
        self.up.reset(random);
        self.down.reset(random);
        self.touched = true;
        self.wake();
    }

    pub(super) fn is_over(&self) -> bool {
        self.client.actor.is_gone() && self.server.actor.is_gone()
    }
}

//! The client's side of a connection.
//!
//! [`Client`] is a [`Machine`](crate::Machine) that carries out [`Request`]s: it sends their commands, several at a
//! time where the protocol allows it, requests the work on the user's own files with [`Effect`]s, checks everything
//! that the server sends, and reports it as [`ClientEvent`]s. A transition table decides what it does with each input,
//! and which state follows. The [verb](crate::verb) of a request decides what it means; what all requests have in
//! common is here.

mod api;
mod pipeline;
mod session;
mod table;
#[cfg(test)]
mod walk;

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::effect::{Done, Effect, RequestId};
use crate::error::StoreError;
use crate::limits::Limits;
use crate::machine::{Ask, Direction, Expiry, Link, Side};
use crate::message::Greeting;
use crate::table::Current;
use crate::timer::{FixedWait, Timeout};
use crate::verb::client_exchange::Known;
use crate::verb::server_exchange::Handles;

pub use crate::request::{ClientEvent, Failure, Progress, Request};
pub use crate::verb::EAGER;
pub use api::ClientConfig;

use pipeline::{Pipeline, Role};
use table::State;

/// The number of bytes to read at once while lines are expected.
const LINES_AT_ONCE: usize = 64 << 10;

/// The client's side of one connection; see [`Machine`](crate::Machine) for how it is driven.
///
/// A client without requests reads, so it can be left alone until there is something to do. It reports if the server
/// disconnects.
///
/// ```
/// use std::time::Duration;
/// use haul_core::client::{Client, ClientConfig, Request};
/// use haul_core::{Depth, Machine, Output, Wait};
///
/// let mut client = Client::new(ClientConfig::default());
/// client.request(Request::List { path: None, depth: Depth::ONE, omitted: false });
/// // Nothing is said before the server's greeting.
/// assert!(matches!(client.poll(Duration::ZERO), Output::Read(Wait::UntilDeadline)));
/// ```
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    link: Link<ClientEvent>,
    current: Current<State>,
    greeting: Option<Greeting>,
    /// Why the connection cannot be used any more.
    failure: Option<Failure>,
    events: VecDeque<ClientEvent>,
    pipeline: Pipeline,
    /// The effects that close what ended requests still had open.
    releases: VecDeque<Effect>,
    /// The request whose effect is being carried out.
    role: Role,
    /// The number of bytes sent when the socket was last read.
    read_after: u64,
    requests: u64,
    handles: Handles,
    known: Known,
    /// The socket accepts no more bytes, but replies may still arrive.
    cannot_send: bool,
    /// The application knows that the connection is over.
    reported: bool,
}

impl Client {
    /// A client for a new connection.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            link: Link::new(),
            current: Current::new(State::Start),
            greeting: None,
            failure: None,
            events: VecDeque::new(),
            pipeline: Pipeline::default(),
            releases: VecDeque::new(),
            role: Role::Nobody,
            read_after: 0,
            requests: 0,
            handles: Handles::default(),
            known: Known::default(),
            cannot_send: false,
            reported: false,
        }
    }

    /// The server's greeting, once it has arrived.
    pub fn greeting(&self) -> Option<&Greeting> {
        match self.current.get() {
            State::Idle | State::Waiting => self.greeting.as_ref(),
            State::Start | State::Early | State::Leaving | State::Lingering | State::Over => None,
        }
    }

    /// The number of requests whose command was not sent yet. An application with many requests keeps a few here, so
    /// that their commands are sent together.
    pub fn waiting(&self) -> usize {
        self.pipeline.waiting.len()
    }

    /// Whether only [`Request::Exit`] is unanswered, and has been sent. All earlier requests are complete then. An
    /// application that does not need the server's goodbye may close the connection.
    pub fn has_left(&self) -> bool {
        match self.current.get() {
            State::Waiting => self.link.outbox.is_empty() && self.pipeline.has_left(),
            State::Leaving | State::Lingering | State::Over => true,
            State::Start | State::Early | State::Idle => false,
        }
    }

    /// Why the connection cannot be used any more, if it cannot.
    pub fn failure(&self) -> Option<&Failure> {
        match self.current.get() {
            State::Over => self.failure.as_ref(),
            State::Leaving | State::Lingering => Some(&Failure::Ended),
            State::Start | State::Early | State::Idle | State::Waiting => None,
        }
    }

    /// Adds a request; exactly one [`ClientEvent::Finished`] reports its result. Requests are carried out in order.
    ///
    /// Call it when no report is pending, or abandon the current read: the next poll may return another output.
    pub fn request(&mut self, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.pipeline.waiting.push_back((id, request));
        self.wake();
        id
    }

    /// Cancels a request. It still ends with one [`ClientEvent::Finished`], which reports [`Failure::Cancelled`] unless
    /// it was too late. An upload whose last byte was sent cannot be cancelled. The connection can still be used.
    ///
    /// A cancelled download or upload has stored nothing. A DELETE, MKDIR, MOVE or COPY whose command was sent may have been
    /// carried out all the same.
    ///
    /// Call it when no report is pending or while an effect is carried out, or abandon the current read, as for
    /// [`request`](Self::request).
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(at) = self.pipeline.waiting.iter().position(|(waiting, _)| *waiting == id) {
            self.pipeline.waiting.remove(at);
            self.finish(id, Err(Failure::Cancelled));
        } else if let Some(asked) = self.pipeline.asked().find(|asked| asked.id == id) {
            asked.fail(Failure::Cancelled);
        }
        self.wake();
    }

    /// Cancels every request, as [`cancel`](Self::cancel) does.
    pub fn cancel_all(&mut self) {
        while let Some((id, _)) = self.pipeline.waiting.pop_front() {
            self.finish(id, Err(Failure::Cancelled));
        }
        for asked in self.pipeline.asked() {
            asked.fail(Failure::Cancelled);
        }
        self.wake();
    }

    /// Drops the current output, because the next one may differ.
    fn wake(&mut self) {
        if matches!(self.link.ask, Ask::Read(_) | Ask::Receive { .. } | Ask::Closed) {
            self.link.ask = Ask::Nothing;
        }
    }
}

impl Side for Client {
    type Event = ClientEvent;

    fn link(&self) -> &Link<ClientEvent> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<ClientEvent> {
        &mut self.link
    }

    fn advance(&mut self) -> Ask<ClientEvent> {
        loop {
            if let Some(release) = self.releases.pop_front() {
                self.role = Role::Nobody;
                return Ask::Perform(release);
            }
            if let Some(event) = self.events.pop_front() {
                return Ask::Event(event);
            }
            if self.link.outbox.len() >= Limits::HIGH_WATER {
                return Ask::Write;
            }
            let ask = match self.current.get() {
                State::Start | State::Early | State::Idle | State::Waiting => {
                    self.advance_session()
                }
                State::Leaving => Some(Ask::CloseWrite),
                State::Lingering => self.advance_lingering(),
                State::Over => self.advance_over(),
            };
            if let Some(ask) = ask {
                return ask;
            }
        }
    }

    fn timeout(&self, ask: &Ask<ClientEvent>) -> Timeout {
        let timing = &self.config.timing;
        let in_payload = self.pipeline.payload_left() > 0;
        match (ask, self.current.get()) {
            (_, State::Idle | State::Waiting) if self.pipeline.only_leaves() => {
                let limit = timing.goodbye.min(timing.reply);
                Timeout::Fixed { what: FixedWait::Goodbye, limit }
            }
            (Ask::Read(_), State::Leaving | State::Lingering) => {
                Timeout::Fixed { what: FixedWait::Linger, limit: timing.linger }
            }
            (Ask::Read(_), State::Idle) if !self.cannot_send => Timeout::Never,
            (Ask::Read(_), State::Start | State::Early) => {
                Timeout::Fixed { what: FixedWait::Greeting, limit: timing.greeting }
            }
            (Ask::Read(_), _) if self.pipeline.reads_files() => {
                let limit = timing.reading.max(timing.reply);
                Timeout::Fixed { what: FixedWait::Reply, limit }
            }
            (Ask::Read(_), _) if !in_payload => {
                Timeout::Fixed { what: FixedWait::Reply, limit: timing.reply }
            }
            // A server with a busy storage may accept or send nothing for a while.
            _ => Timeout::Progress { limit: timing.reply },
        }
    }

    fn hard_deadline(&self) -> Option<Duration> {
        None
    }

    fn expired(&mut self, _: Expiry) {
        self.lose(&table::DEADLINE);
    }

    fn read_size(&mut self) -> usize {
        let line = match self.pipeline.reader() {
            Some((reader, length)) if self.config.pass_through => {
                reader.room_for_line(Some(length))
            }
            _ => None,
        };
        line.unwrap_or_else(|| {
            let payload = usize::try_from(self.pipeline.payload_left()).unwrap_or(usize::MAX);
            payload.min(self.config.limits.chunk).saturating_add(LINES_AT_ONCE)
        })
    }

    fn was_read(&mut self, _: bool) {
        self.read_after = self.link.outbox.written();
    }

    fn passed_out(&mut self, count: usize) {
        if let Some(asked) = self.pipeline.in_role(Role::Back) {
            asked.exchange.sent(count);
        }
    }

    fn passed_in(&mut self, count: usize) {
        if let Some((reader, _)) = self.pipeline.reader() {
            reader.passed_in(count);
        }
    }

    fn broken(&mut self, direction: Direction) {
        self.lose(match direction {
            Direction::Read => &table::READ_FAILED,
            Direction::Write => &table::WRITE_FAILED,
        });
    }

    fn outcome(&mut self, effect: Effect, outcome: Result<Done, StoreError>) {
        // No request waits for an effect that discards or closes a file.
        if !matches!(effect, Effect::Close { .. } | Effect::Discard { .. }) {
            self.exchange_performed(outcome);
        }
    }

    fn half_closed(&mut self) {
        self.flushed();
    }
}

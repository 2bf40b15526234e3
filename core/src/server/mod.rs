//! The server's side of a connection.
//!
//! [`Server`] is a [`Machine`](crate::Machine): it reads commands one after another, requests file work with
//! [`Effect`]s, and answers each command once, in order. A transition table decides what it does with each input, and
//! which state follows. The [verb](crate::verb) of a command decides what it means; what all commands have in common is
//! here.

mod api;
mod commit;
mod input;
mod look_ahead;
mod refused_body;
mod session;
mod table;
#[cfg(test)]
mod walk;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use crate::account::{Identification, UserName};
use crate::effect::{Done, Effect, RequestId};
use crate::error::StoreError;
use crate::limits::Limits;
use crate::machine::{Ask, Direction, Expiry, Link, Side};
use crate::message::{Greeting, Refusal, ServerLine};
use crate::table::Current;
use crate::timer::{FixedWait, Timeout};
use crate::verb::Command;
use crate::verb::server_exchange::{Exchange, Handles, Reply};

pub use api::{ServerConfig, ServerEvent};

use commit::Commit;
use look_ahead::LookAhead;
use refused_body::RefusedBody;
use table::State;

/// The server's side of one connection; see [`Machine`](crate::Machine) for how it is driven.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use haul_core::server::{Server, ServerConfig};
/// use haul_core::{Machine, Output};
///
/// let mut server = Server::new(Arc::new(ServerConfig::default()));
/// let Output::Write(greeting) = server.poll(Duration::ZERO) else { panic!("a server speaks first") };
/// assert_eq!(greeting.first(), b"HAUL/1 \"Welcome\" max-data=16777216 pipeline=256\r\n");
/// ```
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    link: Link<ServerEvent>,
    current: Current<State>,
    /// The current command. It is set in the states `Busy` and `Body`, and in `Ending` until the reply is sent.
    running: Option<Running>,
    /// How the command or the session ends; set in `Ending`.
    ending: Option<Ending>,
    commit: Commit,
    refused_body: RefusedBody,
    look_ahead: LookAhead,
    events: VecDeque<ServerEvent>,
    /// The number of commands so far, which is also the number of the last one.
    commands: u64,
    handles: Handles,
    identification: Identification,
    /// When a drain disconnects sessions that still run.
    drain: Option<Duration>,
    /// The number of bytes read and dropped since everything was sent.
    lingered: u64,
}

/// A running command.
#[derive(Debug)]
struct Running {
    command: Command,
    /// When its line was read.
    began: Duration,
    exchange: Box<dyn Exchange>,
}

/// How a command or the session ends.
#[derive(Debug)]
struct Ending {
    end: Outcome,
    /// When it was decided.
    at: Duration,
    /// The effects that close what the store still has open.
    release: VecDeque<Effect>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most outcomes are replies")]
enum Outcome {
    /// Answer the command.
    Reply(Reply),
    /// Send this and close. It answers the current command, if there is one.
    CutOff(Refusal),
    /// The peer sends no more: close once all replies are sent.
    HangUp,
    /// The peer has disconnected.
    Disconnect,
}

impl Server {
    /// A server for a new connection. It sends first.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self::with_accounts(config, None, false)
    }

    /// A server for a new connection where there are accounts. The connection may have a user from the start: the one
    /// whose key the client has shown, or the [anonymous](UserName::anonymous) one. If it has none and `auth_required`
    /// is set, the client must be identified before it is served.
    pub fn with_accounts(
        config: Arc<ServerConfig>,
        user: Option<UserName>,
        auth_required: bool,
    ) -> Self {
        let identification = Identification::new(auth_required, user.as_ref());
        let greeting = ServerLine::Greeting(Greeting {
            banner: config.banner.clone(),
            max_data: config.limits.max_data.clamp(1, Limits::MAX_DATA),
            pipeline: config.limits.pipeline.max(1),
            auth_required: identification.is_missing(),
            user,
        });
        Self::begin(config, State::Ready, &greeting, identification)
    }

    /// A server that sends `refusal` ([`Busy`](crate::ErrorCode::Busy) or
    /// [`ShuttingDown`](crate::ErrorCode::ShuttingDown)) instead of a greeting and closes.
    pub fn refusing(config: Arc<ServerConfig>, refusal: Refusal) -> Self {
        let nobody = Identification::new(true, None);
        Self::begin(config, State::Flushing, &ServerLine::Err(refusal), nobody)
    }

    fn begin(
        config: Arc<ServerConfig>,
        state: State,
        first: &ServerLine,
        identification: Identification,
    ) -> Self {
        let mut link = Link::new();
        link.outbox.line(|out| first.encode(out));
        Self {
            config,
            link,
            current: Current::new(state),
            running: None,
            ending: None,
            commit: Commit::default(),
            refused_body: RefusedBody::default(),
            look_ahead: LookAhead::default(),
            events: VecDeque::new(),
            commands: 0,
            handles: Handles::default(),
            identification,
            drain: None,
            lingered: 0,
        }
    }

    /// Sets whether this client keeps others waiting, which is the initial state. Only then the server disconnects it
    /// for being slow. Otherwise only silence for the [`idle`](crate::Timing::idle) time ends the session. A client
    /// that is slow when it starts to keep others waiting gets a whole window to catch up.
    ///
    /// It takes effect at the next poll. Call it when no report is pending, or before each poll.
    pub fn set_scarce(&mut self, scarce: bool) {
        self.link.timer.set_scarce(scarce);
    }

    /// Stops the server: the current command is completed, and then `ERR shutting-down` replaces the next reply, or is
    /// sent at once if there is no command. A session that still runs at `by`, on the clock of
    /// [`poll`](crate::Machine::poll), is disconnected. A later call can only set an earlier time.
    ///
    /// Call it when no report is pending, or abandon the current read: the next poll may return another output.
    pub fn shut_down(&mut self, by: Duration) {
        self.drain = Some(self.drain.map_or(by, |earlier| earlier.min(by)));
        if self.is_between_commands() && matches!(self.link.ask, Ask::Read(_)) {
            self.link.ask = Ask::Nothing;
        }
    }

    fn is_between_commands(&self) -> bool {
        matches!(self.current.get(), State::Ready | State::Discarding)
    }

    /// Whether a drain disconnects sessions that still run.
    fn is_drain_over(&self) -> bool {
        self.drain.is_some_and(|by| by <= self.link.timer.now())
    }

    fn id(&self) -> RequestId {
        RequestId(self.commands)
    }

    /// The payload of the current `DATA` that has not arrived yet.
    fn body_left(&mut self) -> Option<u64> {
        Some(self.running.as_mut()?.exchange.body()?.reader().left())
    }
}

impl Side for Server {
    type Event = ServerEvent;

    fn link(&self) -> &Link<ServerEvent> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<ServerEvent> {
        &mut self.link
    }

    fn advance(&mut self) -> Ask<ServerEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ask::Event(event.ended_at(self.link.timer.now()));
            }
            if let Some(effect) = self.commit.effect() {
                return Ask::Perform(effect);
            }
            // Closing files in the store does not wait for the client.
            let may_pause = !matches!(self.current.get(), State::Ending | State::Over);
            if self.link.outbox.len() >= Limits::HIGH_WATER && may_pause {
                return Ask::Write;
            }
            let ask = match self.current.get() {
                State::Ready | State::Discarding => self.advance_between_commands(),
                State::Busy | State::Body => self.advance_exchange(),
                State::Ending => self.advance_ending(),
                State::Flushing => Some(self.advance_flushing()),
                State::Lingering => self.advance_lingering(),
                State::Over => Some(Ask::Closed),
            };
            if let Some(ask) = ask {
                return ask;
            }
        }
    }

    fn timeout(&self, ask: &Ask<ServerEvent>) -> Timeout {
        let timing = &self.config.timing;
        let flow = Timeout::Flow {
            window: timing.window,
            min_bytes: timing.min_bytes_per_window,
            silence: timing.idle,
        };
        if !matches!(ask, Ask::Read(_)) {
            return flow;
        }
        match self.current.get() {
            State::Flushing | State::Lingering | State::Over => {
                Timeout::Fixed { what: FixedWait::Linger, limit: timing.linger }
            }
            State::Ready | State::Discarding if self.refused_body.left() > 0 => flow,
            State::Ready | State::Discarding if self.link.inbox.is_empty() => {
                Timeout::Fixed { what: FixedWait::Idle, limit: timing.idle }
            }
            State::Ready | State::Discarding => {
                Timeout::Line { limit: timing.line, silence: timing.idle }
            }
            State::Busy | State::Body | State::Ending => flow,
        }
    }

    fn hard_deadline(&self) -> Option<Duration> {
        match self.current.get() {
            // The announced bytes must be sent before anything else.
            State::Busy if self.is_sending() => None,
            State::Ready | State::Discarding | State::Busy | State::Body => self.drain,
            // While closing, the linger time and the flow limit what is left.
            State::Ending | State::Flushing | State::Lingering | State::Over => None,
        }
    }

    fn expired(&mut self, reason: Expiry) {
        match reason {
            // The output can never be sent, because the peer reads nothing.
            Expiry::Peer if !self.link.outbox.is_empty() => self.lose(&table::GONE),
            Expiry::Peer => self.lose(&table::DEADLINE),
            Expiry::HardDeadline => self.drained(&table::GRACE_OVER),
        }
    }

    fn read_size(&mut self) -> usize {
        // Some runtimes keep the buffer while they wait, so an idle session should use little.
        let idle = self.link.inbox.is_empty() && self.commit.is_empty();
        let ahead = if idle { Limits::MAX_LINE } else { Limits::MAX_PIPELINED_BYTES };
        let chunk = self.config.limits.chunk;
        if !self.commit.is_empty() {
            // A client that sends one small file after another fills a chunk with them.
            return chunk.saturating_add(ahead);
        }
        let payload = match self.current.get() {
            State::Body => {
                if self.config.pass_through
                    && let Some(line) = self.room_for_data_line()
                {
                    return line;
                }
                self.body_left().unwrap_or(0)
            }
            State::Ready | State::Discarding => self.refused_body.left(),
            State::Flushing | State::Lingering | State::Over => chunk as u64,
            State::Busy | State::Ending => 0,
        };
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        let size = payload.min(chunk).saturating_add(ahead);
        // Many small commands and bodies arrive in few reads.
        if self.link.inbox.filled_its_room() { size.max(chunk) } else { size }
    }

    fn was_read(&mut self, found: bool) {
        self.look_ahead.read();
        self.commit.read(found);
    }

    fn passed_out(&mut self, count: usize) {
        if let Some(running) = &mut self.running {
            running.exchange.sent(count);
        }
    }

    fn passed_in(&mut self, count: usize) {
        if let Some(body) = self.running.as_mut().and_then(|running| running.exchange.body()) {
            body.reader().passed_in(count);
        }
    }

    fn broken(&mut self, direction: Direction) {
        if direction == Direction::Read && !self.commit.is_empty() {
            // It was only a nonblocking read. Complete changes are committed and answered as usual; the next read or
            // write notices the broken connection.
            self.was_read(false);
            return;
        }
        self.link.outbox.clear();
        self.lose(&table::GONE);
    }

    fn outcome(&mut self, _: Effect, outcome: Result<Done, StoreError>) {
        if self.commit.is_under_way() {
            self.committed(outcome);
        } else if self.current.get() != State::Ending {
            self.exchange_performed(outcome);
        }
    }

    fn half_closed(&mut self) {
        self.flushed();
    }
}

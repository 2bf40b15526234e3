//! The server's side of a connection.
//!
//! [`Server`] is a [`Machine`](crate::Machine): it reads commands one after another, asks for file work by [`Effect`]s, and answers each command once, in order.
//! What it does with everything that can happen is decided in one table; the modules beside it carry the decisions out.

mod api;
mod closing;
mod commands;
mod commit;
mod download;
mod listing;
mod look_ahead;
mod table;
mod upload;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use crate::effect::{Done, Effect, Handle, Open, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::limits::Limits;
use crate::machine::{Ask, Direction, Expiry, Link, Side};
use crate::message::{Command, Greeting, Refusal, ServerLine, Summary};
use crate::timer::{Patience, What};

pub use api::{ServerConfig, ServerEvent};

use closing::Closing;
use commit::Batch;
use download::Download;
use listing::Listing;
use look_ahead::LookAhead;
use table::{Action, Input, Phase};
use upload::Upload;

/// Seconds after which a client may try again what the store lacks something for.
const RETRY_AFTER: u64 = 5;

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
    state: State,
    events: VecDeque<ServerEvent>,
    look: LookAhead,
    /// Commands begun so far; the last one's number.
    commands: u64,
    /// The command under way, for the event that tells of its end.
    current: Option<Command>,
    /// When the line of the last command was read, or what ends the session was met between commands.
    began: Duration,
    /// The last handle that was taken.
    handles: u64,
    /// What the store has open for the command under way, beside the uploads of the batch.
    open: Option<Open>,
    batch: Batch,
    /// Payload of a refused body that is still to come in.
    skip: u64,
    /// What was skipped since the last command.
    discarded: u64,
    /// When a drain cuts off what still runs.
    drain: Option<Duration>,
}

#[derive(Debug)]
enum State {
    /// Between commands.
    Ready {
        discarding: bool,
    },
    Listing(Listing),
    Download(Download),
    Upload(Upload),
    /// What was open is let go of, and what is whole is committed; then the verdict is carried out.
    Ending(Verdict),
    Closing(Closing),
}

/// How a command, or the session, ends.
#[derive(Debug)]
enum Verdict {
    /// Answer the command; after some errors the connection closes.
    Reply { reply: Result<Summary, Refusal>, cause: Option<StoreError> },
    /// Say this and close; it answers the command under way, if there is one.
    CutOff(Refusal),
    /// The peer sends no more: close when all that was said before is out.
    HangUp,
    /// The peer is gone.
    Vanish,
}

impl Server {
    /// A server for a new connection. It speaks first.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        let greeting = ServerLine::Greeting(Greeting {
            banner: config.banner.clone(),
            max_data: config.limits.max_data.clamp(1, Limits::MAX_DATA),
            pipeline: config.limits.pipeline.max(1),
        });
        Self::begin(config, State::Ready { discarding: false }, &greeting)
    }

    /// A server that says `refusal` ([`Busy`](ErrorCode::Busy) or [`ShuttingDown`](ErrorCode::ShuttingDown)) in place of a greeting and closes.
    pub fn refusing(config: Arc<ServerConfig>, refusal: Refusal) -> Self {
        Self::begin(config, State::Closing(Closing::Flushing), &ServerLine::Err(refusal))
    }

    fn begin(config: Arc<ServerConfig>, state: State, first: &ServerLine) -> Self {
        let mut link = Link::new();
        link.outbox.line(|out| first.encode(out));
        Self {
            config,
            link,
            state,
            events: VecDeque::new(),
            look: LookAhead::default(),
            commands: 0,
            current: None,
            began: Duration::ZERO,
            handles: 0,
            open: None,
            batch: Batch::default(),
            skip: 0,
            discarded: 0,
            drain: None,
        }
    }

    /// Says whether this client keeps others waiting, as it does at first: only then it is cut off for being slow. Otherwise nothing but its silence for the
    /// [`idle`](crate::Timing::idle) time ends the session. A client that is slow when it begins to keep others waiting has a whole window to make good.
    ///
    /// It counts from the next poll on. Call it when no answer is owed, or before each poll.
    pub fn set_scarce(&mut self, scarce: bool) {
        self.link.timer.set_scarce(scarce);
    }

    /// Stops: the command under way is finished, then comes `ERR shutting-down` in place of the next reply, at once if there is none. What still runs at `by`, on the clock of
    /// [`poll`](crate::Machine::poll), is cut off. A later call can only make it earlier.
    ///
    /// Call it when no answer is owed, or give up the read that stands: the next poll may ask for something else.
    pub fn shut_down(&mut self, by: Duration) {
        self.drain = Some(self.drain.map_or(by, |earlier| earlier.min(by)));
        let ready = matches!(self.state, State::Ready { .. });
        if ready && matches!(self.link.ask, Ask::Read(_)) {
            self.link.ask = Ask::Nothing;
        }
    }

    fn phase(&self) -> Option<Phase> {
        match &self.state {
            State::Ready { discarding: false } => Some(Phase::Ready),
            State::Ready { discarding: true } => Some(Phase::Discarding),
            State::Listing(_) | State::Download(_) => Some(Phase::Busy),
            State::Upload(_) => Some(Phase::Body),
            State::Ending(_) | State::Closing(_) => None,
        }
    }

    /// Whether a drain cuts off what still runs.
    fn drain_is_over(&self) -> bool {
        self.drain.is_some_and(|by| by <= self.link.timer.now())
    }

    fn id(&self) -> RequestId {
        RequestId(self.commands)
    }

    /// The handle of what a command opens.
    fn next_handle(&mut self) -> Handle {
        self.handles += 1;
        Handle(self.handles)
    }

    fn line(&mut self, line: &ServerLine) {
        self.link.outbox.line(|out| line.encode(out));
    }

    /// Carries out what the table says about an input that is not a line.
    fn happen(&mut self, input: Input) {
        let Some(phase) = self.phase() else {
            // Ending goes on whatever happens; closing is over.
            if let State::Closing(_) = self.state {
                self.state = State::Closing(Closing::Over);
            }
            return;
        };
        match table::decide(phase, input) {
            Action::TimeOut => {
                self.end(Verdict::CutOff(Refusal::new(ErrorCode::Timeout, "you were too slow")));
            }
            Action::Goodbye => self.goodbye(),
            Action::Close => self.end(Verdict::HangUp),
            Action::Vanish => self.end(Verdict::Vanish),
            Action::Fault
            | Action::Run
            | Action::Refuse
            | Action::Skip
            | Action::Drop
            | Action::Later
            | Action::Halt
            | Action::CancelAll
            | Action::Take
            | Action::Finish
            | Action::GiveUp => {}
        }
    }

    fn goodbye(&mut self) {
        let refusal =
            Refusal::new(ErrorCode::ShuttingDown, "the server is stopping; try again later");
        self.end(Verdict::CutOff(refusal));
    }

    fn fault(&mut self, text: &'static str) {
        self.end(Verdict::CutOff(Refusal::new(ErrorCode::Protocol, text)));
    }

    fn refuse(&mut self, code: ErrorCode, text: &'static str) {
        self.end(Verdict::Reply { reply: Err(Refusal::new(code, text)), cause: None });
    }

    fn refuse_for(&mut self, work: Work, error: StoreError) {
        let refusal = if error.passes {
            Refusal {
                retry_after: Some(RETRY_AFTER),
                ..Refusal::new(ErrorCode::Busy, "the server has its hands full; try again soon")
            }
        } else {
            Refusal::new(error.kind.code(), error.kind.words(work))
        };
        self.end(Verdict::Reply { reply: Err(refusal), cause: Some(error) });
    }

    /// Ends the command under way, or the session, once the store is done with it and with all that came before.
    fn end(&mut self, verdict: Verdict) {
        if self.current.is_none() && !matches!(verdict, Verdict::Reply { .. }) {
            self.began = self.link.timer.now();
        }
        if self.open.is_some() || !self.batch.is_empty() {
            self.state = State::Ending(verdict);
        } else {
            self.conclude(verdict);
        }
    }

    fn advance_ending(&mut self) -> Option<Ask<ServerEvent>> {
        if let Some(open) = self.open {
            return Some(Ask::Perform(open.end()));
        }
        if !self.batch.is_empty() {
            self.commit();
            return None;
        }
        let state = core::mem::replace(&mut self.state, State::Ready { discarding: true });
        if let State::Ending(verdict) = state {
            self.conclude(verdict);
        }
        None
    }

    fn conclude(&mut self, verdict: Verdict) {
        let command = self.current.take();
        // The end is noted when it is told.
        let (began, ended) = (self.began, self.began);
        self.look.done();
        match verdict {
            Verdict::Reply { reply, cause } => {
                self.say(&reply);
                let discarding = reply.is_err();
                let closes = match &reply {
                    Ok(_) => matches!(command, Some(Command::Exit)),
                    Err(refusal) => refusal.code().is_some_and(ErrorCode::closes),
                };
                self.events.push_back(ServerEvent::Answered {
                    id: self.id(),
                    command,
                    reply,
                    cause,
                    began,
                    ended,
                });
                self.state = if closes {
                    State::Closing(Closing::Flushing)
                } else {
                    State::Ready { discarding }
                };
                self.discarded = 0;
            }
            Verdict::CutOff(refusal) => {
                self.say(&Err(refusal.clone()));
                self.events.push_back(ServerEvent::CutOff { command, refusal, began, ended });
                self.state = State::Closing(Closing::Flushing);
            }
            Verdict::HangUp => {
                if command.is_some() {
                    self.events.push_back(ServerEvent::Vanished { command, began, ended });
                }
                self.state = State::Closing(Closing::Flushing);
            }
            Verdict::Vanish => {
                self.events.push_back(ServerEvent::Vanished { command, began, ended });
                self.state = State::Closing(Closing::Over);
            }
        }
    }

    /// Whether it may wait here until the peer takes what was said. What the store is to let go of waits for no peer.
    fn may_pause(&self) -> bool {
        !matches!(self.state, State::Ending(_) | State::Closing(Closing::Over))
    }

    fn say(&mut self, reply: &Result<Summary, Refusal>) {
        let line = match reply {
            Ok(summary) => ServerLine::Ok(summary.clone()),
            Err(refusal) => ServerLine::Err(refusal.clone()),
        };
        self.line(&line);
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
                return Ask::Event(event.told_at(self.link.timer.now()));
            }
            if let Some(effect) = self.advance_commit() {
                return Ask::Perform(effect);
            }
            if self.link.outbox.len() >= Limits::HIGH_WATER && self.may_pause() {
                return Ask::Write;
            }
            let ask = match &self.state {
                State::Ready { .. } => self.advance_ready(),
                State::Listing(_) => self.advance_listing(),
                State::Download(_) => self.advance_download(),
                State::Upload(_) => self.advance_upload(),
                State::Ending(_) => self.advance_ending(),
                State::Closing(_) => self.advance_closing(),
            };
            if let Some(ask) = ask {
                return ask;
            }
        }
    }

    fn patience(&self, ask: &Ask<ServerEvent>) -> Patience {
        let timing = &self.config.timing;
        let flow = Patience::Flow {
            window: timing.window,
            min_bytes: timing.min_bytes_per_window,
            silence: timing.idle,
        };
        if !matches!(ask, Ask::Read(_)) {
            return flow;
        }
        match &self.state {
            State::Closing(_) => Patience::Fixed { what: What::Linger, limit: timing.linger },
            State::Ready { .. } if self.skip > 0 => flow,
            State::Ready { .. } if self.link.inbox.is_empty() => {
                Patience::Fixed { what: What::Idle, limit: timing.idle }
            }
            State::Ready { .. } => Patience::Line { limit: timing.line, silence: timing.idle },
            State::Listing(_) | State::Download(_) | State::Upload(_) | State::Ending(_) => flow,
        }
    }

    fn appointment(&self) -> Option<Duration> {
        match &self.state {
            // What was announced goes out before anything else can be said.
            State::Download(download) if download.held() > 0 => None,
            // Once closing, the linger and the flow bound what is left.
            _ => self.phase().and(self.drain),
        }
    }

    fn expired(&mut self, reason: Expiry) {
        match reason {
            // Whatever could not be written will not be: the peer takes nothing.
            Expiry::Peer if !self.link.outbox.is_empty() => self.happen(Input::Broken),
            Expiry::Peer => self.happen(Input::Expired),
            Expiry::Appointment => self.happen(Input::GraceOver),
        }
    }

    fn read_size(&self) -> usize {
        // Some runtimes keep the buffer while they wait, so an idle session shall need little.
        let idle = self.link.inbox.is_empty() && self.batch.is_empty();
        let ahead = if idle { Limits::MAX_LINE } else { Limits::MAX_PIPELINED_BYTES };
        if !self.batch.is_empty() {
            // Whoever sends one small file after the other fills a chunk with them.
            return self.config.limits.chunk.saturating_add(ahead);
        }
        let payload = match &self.state {
            State::Upload(upload) => match upload.room_for_line() {
                Some(line) if self.config.pass_through => return line,
                _ => upload.left(),
            },
            State::Ready { .. } => self.skip,
            State::Closing(_) => self.config.limits.chunk as u64,
            State::Listing(_) | State::Download(_) | State::Ending(_) => 0,
        };
        let chunk = self.config.limits.chunk;
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        let size = payload.min(chunk).saturating_add(ahead);
        // Many small commands and bodies come in few reads.
        if self.link.inbox.is_brimful() { size.max(chunk) } else { size }
    }

    fn looked(&mut self, found: bool) {
        self.look.looked();
        self.batch.looked(found);
    }

    fn sent_held(&mut self, count: usize) {
        if let State::Download(download) = &mut self.state {
            download.sent_held(count);
        }
    }

    fn holds(&mut self, count: usize) {
        if let State::Upload(upload) = &mut self.state {
            upload.hold(count);
        }
    }

    fn broken(&mut self, direction: Direction) {
        if direction == Direction::Read && !self.batch.is_empty() {
            // It was only a look. What is whole is committed and answered as ever; the next read or write meets what is broken.
            self.batch.looked(false);
            return;
        }
        self.link.outbox.clear();
        self.happen(Input::Broken);
    }

    fn outcome(&mut self, effect: Effect, outcome: Result<Done, StoreError>) {
        if self.batch.is_committing() {
            self.commit_outcome(outcome);
            return;
        }
        match effect {
            Effect::Close { .. } | Effect::Discard { .. } => {
                self.open = None;
                return;
            }
            // Whatever came of it, the file is closed.
            Effect::FinishReading { .. } => self.open = None,
            _ => {}
        }
        match &self.state {
            State::Listing(_) => self.listing_outcome(outcome),
            State::Download(_) => self.download_outcome(outcome),
            State::Upload(_) => self.upload_outcome(outcome),
            State::Ready { .. } | State::Ending(_) | State::Closing(_) => {}
        }
    }

    fn half_closed(&mut self) {
        if let State::Closing(closing) = &mut self.state {
            closing.half_closed();
        }
    }
}

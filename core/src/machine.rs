//! The trait that transports drive, and what both machines have in common.

use core::time::Duration;

use crate::effect::{Done, Effect, Handle};
use crate::error::{Misuse, StoreError};
use crate::output::{Output, Wait};
use crate::timer::{Timeout, Timer};
use crate::wire::inbox::Inbox;
use crate::wire::outbox::Outbox;

/// One side of a connection: [`Server`](crate::server::Server) or [`Client`](crate::client::Client).
///
/// A transport polls, carries out the [`Output`], reports with the one call that it names, and polls again. Until it
/// reports, `poll` returns the same output: an abandoned attempt loses nothing. Only [`Output::Read`],
/// [`Output::Write`], [`Output::Receive`] and [`Output::Send`] wait for the peer; they end early when the
/// [`deadline`](Self::deadline) has come, and the next `poll` decides what follows.
///
/// A [`Misuse`] means that a report did not fit the output. The machine does not change then.
pub trait Machine {
    /// What this side reports to its application.
    type Event;

    /// Returns what to do next. `now` is the time since any fixed moment, and never goes back.
    fn poll(&mut self, now: Duration) -> Output<'_, Self::Event>;

    /// When to poll again even if nothing can be reported, on the clock of [`poll`](Self::poll).
    fn deadline(&self) -> Option<Duration>;

    /// The buffer to read into. It is never empty while the output is [`Output::Read`] or [`Output::Receive`], and then
    /// no larger than useful.
    fn read_space(&mut self) -> &mut [u8];

    /// Reports that `count` bytes were read into the front of [`read_space`](Self::read_space); 0 means that the peer
    /// will send no more.
    fn received(&mut self, count: usize) -> Result<(), Misuse>;

    /// Reports that there was nothing to read.
    fn would_block(&mut self) -> Result<(), Misuse>;

    /// Reports that the first `count` bytes of the segments, or of the prepared payload, were sent.
    fn sent(&mut self, count: usize) -> Result<(), Misuse>;

    /// Reports that `count` bytes (at least 1) passed from the socket to the store.
    fn passed_through(&mut self, count: usize) -> Result<(), Misuse>;

    /// Reports that the socket cannot be read any more.
    fn read_failed(&mut self) -> Result<(), Misuse>;

    /// Reports that the socket cannot be written any more.
    fn write_failed(&mut self) -> Result<(), Misuse>;

    /// Reports the outcome of the effect.
    fn performed(&mut self, outcome: Result<Done, StoreError>) -> Result<(), Misuse>;

    /// Reports that the application has seen the event.
    fn acknowledge(&mut self) -> Result<(), Misuse>;

    /// Reports that the sending half is closed.
    fn write_closed(&mut self) -> Result<(), Misuse>;
}

/// The output that is not reported yet.
#[derive(Debug)]
pub enum Ask<E> {
    Nothing,
    Read(Wait),
    Write,
    Receive { handle: Handle, length: usize },
    Send { handle: Handle, length: usize },
    Perform(Effect),
    Event(E),
    CloseWrite,
    Closed,
}

impl<E> Ask<E> {
    fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "poll",
            Self::Read(_) => "read",
            Self::Write => "write",
            Self::Receive { .. } => "receive",
            Self::Send { .. } => "send",
            Self::Perform(effect) => effect.name(),
            Self::Event(_) => "event",
            Self::CloseWrite => "close-write",
            Self::Closed => "nothing: it is closed",
        }
    }

    /// Whether the peer decides how long it takes.
    fn waits_for_peer(&self) -> bool {
        match self {
            Self::Read(Wait::UntilDeadline)
            | Self::Write
            | Self::Receive { .. }
            | Self::Send { .. } => true,
            Self::Nothing
            | Self::Read(Wait::Never)
            | Self::Perform(_)
            | Self::Event(_)
            | Self::CloseWrite
            | Self::Closed => false,
        }
    }
}

/// The socket as a machine sees it.
#[derive(Debug)]
pub struct Link<E> {
    pub(crate) ask: Ask<E>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) timer: Timer,
}

impl<E> Link<E> {
    pub(crate) fn new() -> Self {
        Self {
            ask: Ask::Nothing,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            timer: Timer::new(),
        }
    }

    /// Reads, but first writes the queued output: the peer may need it before it sends more.
    pub(crate) fn read(&self) -> Ask<E> {
        if self.outbox.is_empty() { Ask::Read(Wait::UntilDeadline) } else { Ask::Write }
    }

    /// Frees the buffers while they are empty.
    pub(crate) fn release_buffers(&mut self) {
        if self.inbox.is_empty() && self.outbox.is_empty() {
            self.inbox.release();
            self.outbox.release();
        }
    }

    /// Passes prepared payload to the socket, after the queued output, which announces it.
    pub(crate) fn send(&self, handle: Handle, length: usize) -> Ask<E> {
        if self.outbox.is_empty() { Ask::Send { handle, length } } else { Ask::Write }
    }

    fn misuse(&self, reported: &'static str) -> Misuse {
        Misuse { reported, waiting_for: self.ask.name() }
    }
}

/// The differences between a server and a client. It is public only for the blanket implementation of [`Machine`]; the
/// module is not.
pub trait Side {
    type Event;

    fn link(&self) -> &Link<Self::Event>;

    fn link_mut(&mut self) -> &mut Link<Self::Event>;

    /// Continues until something is needed; never returns [`Ask::Nothing`].
    fn advance(&mut self) -> Ask<Self::Event>;

    /// How long to wait for the peer with `ask`.
    fn timeout(&self, ask: &Ask<Self::Event>) -> Timeout;

    /// A moment that ends a wait, whatever the peer does.
    fn hard_deadline(&self) -> Option<Duration>;

    /// A wait ended because of the hard deadline or the peer's timeout.
    fn expired(&mut self, reason: Expiry);

    /// How large the read buffer should be now, in bytes.
    fn read_size(&mut self) -> usize;

    /// The socket was read, and `found` says whether there was something.
    fn was_read(&mut self, found: bool);

    /// The socket took `count` bytes of prepared payload.
    fn passed_out(&mut self, count: usize);

    /// `count` bytes of payload passed from the socket to the store.
    fn passed_in(&mut self, count: usize);

    /// The socket failed in one direction.
    fn broken(&mut self, direction: Direction);

    /// The outcome of the effect, which fits it.
    fn outcome(&mut self, effect: Effect, outcome: Result<Done, StoreError>);

    /// The sending half is closed.
    fn half_closed(&mut self);
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    Peer,
    HardDeadline,
}

/// A direction of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

/// Ends a wait for the peer whose time is over.
fn expire(side: &mut impl Side, now: Duration) {
    if !side.link().ask.waits_for_peer() {
        return;
    }
    if side.link_mut().timer.expired() {
        side.link_mut().ask = Ask::Nothing;
        side.expired(Expiry::Peer);
    } else if side.hard_deadline().is_some_and(|at| at <= now) {
        side.link_mut().ask = Ask::Nothing;
        side.expired(Expiry::HardDeadline);
    }
}

impl<S: Side> Machine for S {
    type Event = S::Event;

    fn poll(&mut self, now: Duration) -> Output<'_, S::Event> {
        self.link_mut().timer.tick(now);
        expire(self, now);
        while matches!(self.link().ask, Ask::Nothing) {
            let ask = self.advance();
            let (waiting, timeout) = (ask.waits_for_peer(), self.timeout(&ask));
            let link = self.link_mut();
            link.timer.wait(waiting, timeout);
            link.ask = ask;
            // The new wait may be over already, and this poll must notice it.
            expire(self, now);
        }
        let link = self.link();
        match &link.ask {
            // `advance` never returns `Nothing`; writing the queued output would be harmless.
            Ask::Nothing | Ask::Write => Output::Write(link.outbox.segments()),
            Ask::Read(wait) => Output::Read(*wait),
            Ask::Receive { handle, length } => Output::Receive { handle: *handle, length: *length },
            Ask::Send { handle, length } => Output::Send { handle: *handle, length: *length },
            Ask::Perform(effect) => Output::Perform(effect),
            Ask::Event(event) => Output::Event(event),
            Ask::CloseWrite => Output::CloseWrite,
            Ask::Closed => Output::Closed,
        }
    }

    fn deadline(&self) -> Option<Duration> {
        if !self.link().ask.waits_for_peer() {
            return None;
        }
        let timer = self.link().timer.deadline();
        let hard_deadline = self.hard_deadline();
        timer.into_iter().chain(hard_deadline).min()
    }

    fn read_space(&mut self) -> &mut [u8] {
        let size = self.read_size();
        self.link_mut().inbox.space(size)
    }

    fn received(&mut self, count: usize) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Read(_) | Ask::Receive { .. } if link.inbox.has_room(count) => {}
            _ => return Err(link.misuse("received")),
        }
        link.ask = Ask::Nothing;
        if count == 0 {
            link.inbox.ended = true;
        } else {
            link.inbox.add(count);
            link.timer.flowed(count as u64);
        }
        self.was_read(true);
        Ok(())
    }

    fn would_block(&mut self) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Read(Wait::Never) => link.ask = Ask::Nothing,
            _ => return Err(link.misuse("would_block")),
        }
        self.was_read(false);
        Ok(())
    }

    fn sent(&mut self, count: usize) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Write if count <= link.outbox.len() => {
                link.outbox.sent(count);
                link.ask = Ask::Nothing;
                link.timer.flowed(count as u64);
            }
            Ask::Send { length, .. } if count <= length => {
                link.ask = Ask::Nothing;
                link.timer.flowed(count as u64);
                self.passed_out(count);
            }
            _ => return Err(link.misuse("sent")),
        }
        Ok(())
    }

    fn passed_through(&mut self, count: usize) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Receive { length, .. } if (1..=length).contains(&count) => {
                link.ask = Ask::Nothing;
                link.timer.flowed(count as u64);
                self.passed_in(count);
                Ok(())
            }
            _ => Err(link.misuse("passed_through")),
        }
    }

    fn read_failed(&mut self) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Read(_) | Ask::Receive { .. } => link.ask = Ask::Nothing,
            _ => return Err(link.misuse("read_failed")),
        }
        self.broken(Direction::Read);
        Ok(())
    }

    fn write_failed(&mut self) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Write | Ask::Send { .. } => link.ask = Ask::Nothing,
            _ => return Err(link.misuse("write_failed")),
        }
        self.broken(Direction::Write);
        Ok(())
    }

    fn performed(&mut self, outcome: Result<Done, StoreError>) -> Result<(), Misuse> {
        let link = self.link_mut();
        match (&link.ask, outcome) {
            (Ask::Perform(effect), Ok(done)) if !effect.is_answered_by(&done) => {
                Err(link.misuse(done.name()))
            }
            (Ask::Perform(_), outcome) => {
                if let Ask::Perform(effect) = core::mem::replace(&mut link.ask, Ask::Nothing) {
                    self.outcome(effect, outcome);
                }
                Ok(())
            }
            _ => Err(link.misuse("performed")),
        }
    }

    fn acknowledge(&mut self) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::Event(_) => link.ask = Ask::Nothing,
            _ => return Err(link.misuse("acknowledge")),
        }
        Ok(())
    }

    fn write_closed(&mut self) -> Result<(), Misuse> {
        let link = self.link_mut();
        match link.ask {
            Ask::CloseWrite => link.ask = Ask::Nothing,
            _ => return Err(link.misuse("write_closed")),
        }
        self.half_closed();
        Ok(())
    }
}

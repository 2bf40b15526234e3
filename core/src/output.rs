//! What a machine asks of its transport.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::{Buf, Bytes};

use crate::checksum::Checksum;
use crate::effect::{Done, Effect};
use crate::error::{Misuse, StoreError};

/// What to do next. Each variant names the one call that answers it.
///
/// Exhaustive on purpose: a new kind of work must fail to compile in every transport.
#[derive(Debug)]
#[must_use = "a machine stands still until its output is carried out"]
pub enum Output<'a, E> {
    /// Read from the socket into [`Machine::read_space`]. Answer: [`Machine::received`] with the count, 0 at the end of the stream;
    /// [`Machine::would_block`] if the wait is [`Wait::Never`] and nothing is there; [`Machine::read_failed`].
    Read(Wait),
    /// Write a first part of these bytes to the socket. Answer: [`Machine::sent`] with the count; [`Machine::write_failed`].
    Write(Segments<'a>),
    /// Move up to `length` bytes straight from the socket to the staged file at `offset`; only if pass-through was switched on. Answer:
    /// [`Machine::passed`]; [`Machine::received`] with 0 at the end of the stream; [`Machine::read_failed`]; [`Machine::performed`] with the file's error.
    Receive {
        /// Where the bytes belong in the staged file.
        offset: u64,
        /// The most bytes to move.
        length: u64,
    },
    /// Move the next `length` of the bytes that [`Done::Held`] told of straight to the socket. Answer: [`Machine::sent`] with the count;
    /// [`Machine::write_failed`]; [`Machine::performed`] with the file's error, after which the connection cannot go on.
    SendHeld {
        /// Bytes still held.
        length: usize,
    },
    /// Do this file work. Answer: [`Machine::performed`].
    Perform(&'a Effect),
    /// Something that the application may want to know. Answer: [`Machine::acknowledge`].
    Event(&'a E),
    /// Close the sending half of the socket. Answer: [`Machine::write_closed`], whatever came of it.
    CloseWrite,
    /// All is over: close the socket. There is no answer.
    Closed,
}

/// Whether a read waits for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Wait until bytes are there or until [`Machine::deadline`], then poll again.
    UntilDeadline,
    /// Take what is there: the machine has other work to do.
    Never,
}

/// Bytes for the socket, in pieces, in order; at least one byte.
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a> {
    pub(crate) queue: &'a VecDeque<Bytes>,
    pub(crate) tail: &'a [u8],
}

impl<'a> Segments<'a> {
    /// The pieces, none of them empty.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.queue.iter().map(Bytes::chunk).chain((!self.tail.is_empty()).then_some(self.tail))
    }

    /// The first piece.
    pub fn first(&self) -> &'a [u8] {
        self.queue.front().map_or(self.tail, Bytes::chunk)
    }
}

/// One side of a connection: [`Server`](crate::Server) or [`Client`](crate::Client).
///
/// A transport polls, carries out the [`Output`], reports by the one call that it names, and polls again. Until it reports, `poll` gives the same output:
/// an abandoned attempt loses nothing. Only [`Output::Read`], [`Output::Write`], [`Output::Receive`] and [`Output::SendHeld`] wait for the peer; they end early
/// when the [`deadline`](Self::deadline) has come, and the next `poll` decides what follows.
///
/// A [`Misuse`] means that a report did not fit what was asked for. The machine is unchanged by it.
pub trait Machine {
    /// What this side tells its application.
    type Event;

    /// What to do next. `now` is the time since any fixed moment, and never goes back.
    fn poll(&mut self, now: Duration) -> Output<'_, Self::Event>;

    /// When to poll again though nothing could be reported, on the clock of [`poll`](Self::poll).
    fn deadline(&self) -> Option<Duration>;

    /// Where to read into; never empty while [`Output::Read`] stands, and then with no more than is useful.
    fn read_space(&mut self) -> &mut [u8];

    /// `count` bytes were read into the front of [`read_space`](Self::read_space); 0 says that the peer will send no more.
    fn received(&mut self, count: usize) -> Result<(), Misuse>;

    /// There was nothing to read.
    fn would_block(&mut self) -> Result<(), Misuse>;

    /// The first `count` bytes of the segments, or of what was held, were written.
    fn sent(&mut self, count: usize) -> Result<(), Misuse>;

    /// `count` bytes (at least 1) with this checksum went from the socket to the staged file.
    fn passed(&mut self, count: u64, checksum: Checksum) -> Result<(), Misuse>;

    /// The socket cannot be read any more.
    fn read_failed(&mut self) -> Result<(), Misuse>;

    /// The socket cannot be written any more.
    fn write_failed(&mut self) -> Result<(), Misuse>;

    /// What came of the effect.
    fn performed(&mut self, outcome: Result<Done, StoreError>) -> Result<(), Misuse>;

    /// The event was seen.
    fn acknowledge(&mut self) -> Result<(), Misuse>;

    /// The sending half is closed.
    fn write_closed(&mut self) -> Result<(), Misuse>;
}

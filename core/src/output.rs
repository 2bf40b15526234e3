//! What a machine requests from its transport.

use crate::effect::{Effect, Handle};

pub use crate::wire::outbox::Segments;

/// What to do next. Each variant names the call that reports its result.
///
/// The enum is exhaustive on purpose: a new kind of work must break the build of every transport.
#[derive(Debug)]
#[must_use = "a machine stands still until its output is carried out"]
pub enum Output<'a, E> {
    /// Read from the socket into [`Machine::read_space`](crate::Machine::read_space). Answer:
    /// [`Machine::received`](crate::Machine::received) with the count, 0 at the end of the stream;
    /// [`Machine::would_block`](crate::Machine::would_block) if the wait is [`Wait::Never`] and there is nothing to
    /// read; [`Machine::read_failed`](crate::Machine::read_failed).
    Read(Wait),
    /// Write some of these bytes, from the first on, to the socket. Answer: [`Machine::sent`](crate::Machine::sent)
    /// with the count; [`Machine::write_failed`](crate::Machine::write_failed).
    ///
    /// Until the answer, later polls append bytes to these, or stop writing for good: a write in progress need not be
    /// restarted.
    Write(Segments<'a>),
    /// Move up to `length` bytes from the socket to the store, for
    /// [`Effect::WriteReceived`](crate::Effect::WriteReceived). It comes only if pass-through is on. Answer:
    /// [`Machine::passed_through`](crate::Machine::passed_through) with the count; or as for [`Read`](Self::Read) with
    /// [`Wait::UntilDeadline`], where pass-through is impossible or not worth it.
    Receive {
        /// The staged file that the bytes are for.
        handle: Handle,
        /// The maximum number of bytes to move, at least 1.
        length: usize,
    },
    /// Move the next `length` bytes that [`Done::SendPrepared`](crate::Done::SendPrepared) announced from the store to
    /// the socket. Answer: [`Machine::sent`](crate::Machine::sent) with the count;
    /// [`Machine::write_failed`](crate::Machine::write_failed).
    Send {
        /// The source of the bytes.
        handle: Handle,
        /// The number of prepared bytes that are still to be sent.
        length: usize,
    },
    /// Carry out this file work. Answer: [`Machine::performed`](crate::Machine::performed).
    Perform(&'a Effect),
    /// Report this to the application. Answer: [`Machine::acknowledge`](crate::Machine::acknowledge).
    Event(&'a E),
    /// Close the sending half of the socket. Answer: [`Machine::write_closed`](crate::Machine::write_closed), even if
    /// it failed.
    CloseWrite,
    /// The session is over: close the socket. There is no answer.
    Closed,
}

/// Whether a read waits for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Wait until there are bytes or until [`Machine::deadline`](crate::Machine::deadline), then poll again.
    UntilDeadline,
    /// Read what is there without waiting: the machine has other work to do.
    Never,
}

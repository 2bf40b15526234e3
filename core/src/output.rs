//! What a machine asks of its transport.

use crate::effect::{Effect, Handle};

pub use crate::wire::outbox::Segments;

/// What to do next. Each variant names the one call that answers it.
///
/// Exhaustive on purpose: a new kind of work must fail to compile in every transport.
#[derive(Debug)]
#[must_use = "a machine stands still until its output is carried out"]
pub enum Output<'a, E> {
    /// Read from the socket into [`Machine::read_space`](crate::Machine::read_space). Answer:
    /// [`Machine::received`](crate::Machine::received) with the count, 0 at the end of the stream;
    /// [`Machine::would_block`](crate::Machine::would_block) if the wait is [`Wait::Never`] and nothing is there;
    /// [`Machine::read_failed`](crate::Machine::read_failed).
    Read(Wait),
    /// Write a first part of these bytes to the socket. Answer: [`Machine::sent`](crate::Machine::sent) with the count;
    /// [`Machine::write_failed`](crate::Machine::write_failed).
    ///
    /// Until it comes, later polls add bytes behind these, or give up writing for good: a write that is under way need
    /// not be begun anew.
    Write(Segments<'a>),
    /// Move up to `length` bytes from the socket to the store, for
    /// [`Effect::WriteReceived`](crate::Effect::WriteReceived); only if pass-through was switched on. Answer:
    /// [`Machine::passed_through`](crate::Machine::passed_through) with the count; or as for [`Read`](Self::Read) with
    /// [`Wait::UntilDeadline`], where that is not possible or not worth it.
    Receive {
        /// The staged file that the bytes are for.
        handle: Handle,
        /// The most bytes to move, at least 1.
        length: usize,
    },
    /// Move the next `length` of the bytes that [`Done::SendPrepared`](crate::Done::SendPrepared) told of straight to
    /// the socket. Answer: [`Machine::sent`](crate::Machine::sent) with the count;
    /// [`Machine::write_failed`](crate::Machine::write_failed).
    Send {
        /// The source that holds the bytes.
        handle: Handle,
        /// The number of prepared bytes that are still to be sent.
        length: usize,
    },
    /// Do this file work. Answer: [`Machine::performed`](crate::Machine::performed).
    Perform(&'a Effect),
    /// Something that the application may want to know. Answer: [`Machine::acknowledge`](crate::Machine::acknowledge).
    Event(&'a E),
    /// Close the sending half of the socket. Answer: [`Machine::write_closed`](crate::Machine::write_closed), whatever
    /// came of it.
    CloseWrite,
    /// All is over: close the socket. There is no answer.
    Closed,
}

/// Whether a read waits for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Wait until bytes are there or until [`Machine::deadline`](crate::Machine::deadline), then poll again.
    UntilDeadline,
    /// Take what is there: the machine has other work to do.
    Never,
}

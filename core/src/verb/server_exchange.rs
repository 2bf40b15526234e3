//! What follows a command on the server: the exchange of its verb.
//!
//! An exchange sees a narrow view of its session. It asks the store, writes its own reply lines and ends; framing,
//! pipelining, `ABORT`, draining, group commit and closing are the session's.

use alloc::vec::Vec;
use core::fmt;

use bytes::BytesMut;

use crate::body::BodyReader;
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::limits::Limits;
use crate::message::encode::append;
use crate::message::{Refusal, Summary};
use crate::wire::outbox::Outbox;

/// Seconds after which a client may try again what the store cannot do for now.
const RETRY_AFTER: u64 = 5;

/// Hands out the handles of a session, each once.
#[derive(Debug, Default)]
pub(crate) struct Handles(u64);

impl Handles {
    /// The next handle.
    pub(crate) fn next(&mut self) -> Handle {
        self.0 += 1;
        Handle(self.0)
    }
}

/// What an exchange may know and use of its session.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// The number of the command.
    pub(crate) id: RequestId,
    pub(crate) limits: &'a Limits,
    /// Whether a change is on stable storage before its `OK`.
    pub(crate) durable: bool,
    /// Whether payload may pass by the machine.
    pub(crate) pass_through: bool,
    /// The lines of HELP.
    pub(crate) help: &'static [&'static str],
    pub(crate) outbox: &'a mut Outbox,
    /// The lines that wait for the replies of earlier commands, if those are not out yet.
    pub(crate) waiting: Option<&'a mut BytesMut>,
}

impl View<'_> {
    /// Writes a line of the reply.
    pub(crate) fn line(&mut self, line: &dyn fmt::Display) {
        self.outbox.line(|out| append(out, line));
    }

    /// Writes a line of the reply that goes out after the replies of all commands before this one.
    pub(crate) fn line_in_turn(&mut self, line: &dyn fmt::Display) {
        match &mut self.waiting {
            Some(waiting) => append(waiting, line),
            None => self.line(line),
        }
    }
}

/// What an exchange does next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It asks the store.
    Perform(Effect),
    /// It passes payload that was announced from the store to the socket.
    Send { handle: Handle, length: usize },
    /// It needs more of the client's body.
    Body,
    /// It is over.
    End(End),
}

/// How an exchange ends.
#[derive(Debug)]
pub(crate) enum End {
    /// With this reply.
    Reply(Reply),
    /// With a reply that waits for a commit, which several commands may share.
    Commit(Change),
}

/// The final reply to a command.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) result: Result<Summary, Refusal>,
    /// The store's own words for a failure.
    pub(crate) cause: Option<StoreError>,
    /// Whether the session ends with it.
    pub(crate) closes: bool,
}

/// A change of the store that needs only its commit.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) handle: Handle,
    pub(crate) work: Work,
    /// The checksum of a staged file, which is still to be published. Other changes are made already.
    pub(crate) publish: Option<Checksum>,
    /// What the `OK` says once all is committed.
    pub(crate) summary: Summary,
}

impl From<Reply> for End {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl Reply {
    pub(crate) fn ok(summary: Summary) -> Self {
        Self { result: Ok(summary), cause: None, closes: false }
    }

    /// An `ERR`; some codes end the session.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let closes = refusal.code().is_some_and(ErrorCode::closes);
        Self { result: Err(refusal), cause: None, closes }
    }

    pub(crate) fn err(code: ErrorCode, text: &'static str) -> Self {
        Self::refused(Refusal::new(code, text))
    }

    /// The `ERR` for a failure of the store during this `work`.
    pub(crate) fn failed(work: Work, error: StoreError) -> Self {
        let refusal = if error.passes {
            Refusal {
                retry_after: Some(RETRY_AFTER),
                ..Refusal::new(ErrorCode::Busy, "the server has its hands full; try again soon")
            }
        } else {
            Refusal::new(error.kind.code(), error.kind.words(work))
        };
        Self { cause: Some(error), ..Self::refused(refusal) }
    }
}

/// The file is not the one that `if-match=` asked for.
pub(crate) fn another_version() -> Reply {
    Reply::err(ErrorCode::Changed, "the file is another one now")
}

/// The server's part of a command, after its line.
pub(crate) trait Exchange: fmt::Debug + Send + Sync {
    /// What to do next. It is asked again only when that is done.
    fn next(&mut self, view: &mut View<'_>) -> Turn;

    /// Takes what came of the effect that was asked for.
    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End>;

    /// What has the store let go of everything that is open.
    fn release(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether it takes so long that an `ABORT` is looked for meanwhile.
    fn is_cancellable(&self) -> bool {
        false
    }

    /// Whether bytes were announced that the store still has: they go out before anything else is sent.
    fn is_sending(&self) -> bool {
        false
    }

    /// The socket took `count` bytes of prepared payload.
    fn sent(&mut self, count: usize) {
        let _ = count;
    }

    /// The client's body, if the verb has one.
    fn body(&mut self) -> Option<&mut dyn Body> {
        None
    }
}

/// The server's part of a command with a body.
pub(crate) trait Body {
    /// What takes the payload.
    fn reader(&mut self) -> &mut BodyReader;

    /// All payload that the command announced, if it did.
    fn size(&self) -> Option<u64>;

    /// A `DATA` of `length` bytes begins; the reply if the upload cannot go on.
    fn data(&mut self, view: &View<'_>, length: u64) -> Option<Reply>;

    /// `END` came, with this checksum.
    fn end(&mut self, claimed: Option<Checksum>);
}

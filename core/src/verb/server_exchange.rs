//! The exchange of a verb on the server, which follows its command.
//!
//! An exchange sees a part of its session. It requests effects, writes its own reply lines and ends; the session does
//! framing, pipelining, `ABORT`, draining, group commit and closing.

use alloc::vec::Vec;
use core::fmt;

use bytes::BytesMut;

use crate::account::Identification;
use crate::body::BodyReader;
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::limits::Limits;
use crate::message::encode::append;
use crate::message::{Refusal, Summary};
use crate::wire::outbox::Outbox;

/// Seconds after which a client may retry something that the store cannot do at the moment.
const RETRY_AFTER: u64 = 5;

/// Allocates the handles of a session, each once.
#[derive(Debug, Default)]
pub(crate) struct Handles(u64);

impl Handles {
    /// The next handle.
    pub(crate) fn next(&mut self) -> Handle {
        self.0 += 1;
        Handle(self.0)
    }
}

/// The part of its session that an exchange may know and use.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// The number of the command.
    pub(crate) id: RequestId,
    pub(crate) limits: &'a Limits,
    /// Whether a change is fsynced before its `OK`.
    pub(crate) durable: bool,
    /// Whether payload may pass by the machine.
    pub(crate) pass_through: bool,
    /// The lines of HELP.
    pub(crate) help: &'static [&'static str],
    pub(crate) identification: &'a mut Identification,
    pub(crate) outbox: &'a mut Outbox,
    /// Lines that must follow the replies to earlier commands, if those were not sent yet.
    pub(crate) waiting: Option<&'a mut BytesMut>,
}

impl View<'_> {
    /// Writes a line of the reply.
    pub(crate) fn line(&mut self, line: &dyn fmt::Display) {
        self.outbox.line(|out| append(out, line));
    }

    /// Writes a line of the reply that must follow the replies to all earlier commands.
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
    /// Request an effect.
    Perform(Effect),
    /// Pass announced payload from the store to the socket.
    Send { handle: Handle, length: usize },
    /// Get more of the client's body.
    Body,
    /// The exchange is over.
    End(End),
}

/// How an exchange ends.
#[derive(Debug)]
pub(crate) enum End {
    /// Send this reply.
    Reply(Reply),
    /// Reply after a commit, which several commands may share.
    Commit(Change),
}

/// The final reply to a command.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) result: Result<Summary, Refusal>,
    /// The store's error, if it failed.
    pub(crate) cause: Option<StoreError>,
    /// Whether the reply ends the session.
    pub(crate) closes: bool,
}

/// A change of the store that needs only its commit.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) handle: Handle,
    pub(crate) work: Work,
    /// The checksum of a staged file that is not published yet. Other changes are made already.
    pub(crate) publish: Option<Checksum>,
    /// The `OK` to send once everything is committed.
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

    /// An `ERR`. Some codes end the session.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let closes = refusal.code().is_some_and(ErrorCode::closes);
        Self { result: Err(refusal), cause: None, closes }
    }

    pub(crate) fn err(code: ErrorCode, text: &'static str) -> Self {
        Self::refused(Refusal::new(code, text))
    }

    /// The `ERR` for a failure of the store during this `work`.
    pub(crate) fn failed(work: Work, error: StoreError) -> Self {
        let closes = error.kind.ends_session();
        let refusal = if error.passes {
            Refusal {
                retry_after: Some(RETRY_AFTER),
                ..Refusal::new(ErrorCode::Busy, "the server has its hands full; try again soon")
            }
        } else {
            Refusal::new(error.kind.code(), error.kind.words(work))
        };
        let reply = Self::refused(refusal);
        Self { cause: Some(error), closes: closes || reply.closes, ..reply }
    }
}

/// The `ERR` for a file without the version of `if-match=`.
pub(crate) fn another_version() -> Reply {
    Reply::err(ErrorCode::Changed, "the file is another one now")
}

/// The server's exchange of a command, after its line.
pub(crate) trait Exchange: fmt::Debug + Send + Sync {
    /// What to do next. The session asks again only when that is done.
    fn next(&mut self, view: &mut View<'_>) -> Turn;

    /// Takes the outcome of the requested effect.
    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End>;

    /// The effects that close everything that is open.
    fn release(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether it may take so long that the session checks for an `ABORT`.
    fn is_cancellable(&self) -> bool {
        false
    }

    /// Whether the store still has announced bytes. They must be sent before anything else.
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

/// The server's exchange of a command with a body.
pub(crate) trait Body {
    /// The reader of the payload.
    fn reader(&mut self) -> &mut BodyReader;

    /// The announced size of the payload, if the command has one.
    fn size(&self) -> Option<u64>;

    /// A `DATA` of `length` bytes starts. Returns a reply if the upload cannot continue.
    fn data(&mut self, view: &View<'_>, length: u64) -> Option<Reply>;

    /// `END` arrived, with this checksum.
    fn end(&mut self, claimed: Option<Checksum>);
}

//! The exchange of a verb on the client.
//!
//! An exchange prepares its command, checks the lines of its reply, and requests the work on the user's own files. The
//! session decides when something is sent, sends `ABORT`, and ends.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::BytesMut;

use crate::body::BodyReader;
use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::StoreError;
use crate::limits::Limits;
use crate::message::encode::append;
use crate::message::{Refusal, ServerLine, Summary};
use crate::request::{ClientEvent, Failure};
use crate::wire::inbox::Inbox;
use crate::wire::outbox::Outbox;

/// Which options the server knows that older servers do not know (R-GROW-2); `None` until a reply has shown it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// `omitted=yes`.
    pub(crate) omitted: Option<bool>,
    /// `executable=yes`.
    pub(crate) executable: Option<bool>,
}

/// The part of its session that an exchange may know and use.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) id: RequestId,
    pub(crate) limits: &'a Limits,
    /// Whether a downloaded file is fsynced before its request is finished.
    pub(crate) durable: bool,
    /// Whether payload may pass by the machine.
    pub(crate) pass_through: bool,
    /// The largest `DATA` that the server takes.
    pub(crate) max_data: u64,
    /// Whether the request has failed already although its reply has not arrived.
    pub(crate) has_failed: bool,
    /// The number of unanswered commands.
    pub(crate) unanswered: usize,
    pub(crate) known: &'a mut Known,
    pub(crate) inbox: &'a mut Inbox,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) events: &'a mut VecDeque<ClientEvent>,
}

impl View<'_> {
    /// Sends a line.
    pub(crate) fn line(&mut self, line: &dyn fmt::Display) {
        self.outbox.line(|out| append(out, line));
    }
}

/// The server broke the protocol, as this text says.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) &'static str);

/// A line that the reply must not have.
pub(crate) const NO_ANSWER: Violation = Violation("a line is not an answer to what was asked");

/// What an exchange does before its command is sent.
#[derive(Debug)]
pub(crate) enum Preparation {
    /// Work on the user's file.
    Perform(Effect),
    /// Send the command: its line with the ending.
    Send(BytesMut),
}

/// What an exchange does next on its own.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Work on the user's file.
    Perform(Effect),
    /// Close or discard what is open, whatever the outcome.
    Release(Effect),
    /// Pass payload from the socket to the store.
    Receive { handle: Handle, length: usize },
    /// Pass announced payload from the store to the socket.
    Send { handle: Handle, length: usize },
    /// The exchange is over, with this result unless it had failed before.
    End(Result<Summary, Failure>),
}

/// The result of an effect.
#[derive(Debug)]
pub(crate) enum Performed {
    /// The exchange continues.
    Continue,
    /// The request fails; its reply has not arrived yet.
    Fail(Failure),
    /// The file has its name, so that the request cannot fail any more. With a summary the exchange is over, too.
    Settle(Option<Summary>),
    /// The exchange is over, with this result unless it had failed before.
    End(Result<Summary, Failure>),
}

/// The result of a refusal.
#[derive(Debug)]
pub(crate) enum OnRefusal {
    /// The request is finished.
    End,
    /// Send the announced part of the body, and then `ABORT`.
    EndBody,
    /// Make the request again, without the option that the server does not know.
    Restart,
    /// Send only the command again, without that option.
    Resend,
}

/// Which commands may be unanswered when this one is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipelining {
    /// Any.
    Any,
    /// Only others of this kind (R-PIPE-3).
    Uploads,
    /// None: an `ABORT` for an earlier command could stop it halfway, and its events cannot be undone.
    Alone,
    /// Any, but none may follow.
    Last,
}

/// The client's exchange of a request.
pub(crate) trait Exchange: fmt::Debug + Send + Sync {
    /// Which other commands may be unanswered.
    fn pipelining(&self) -> Pipelining {
        Pipelining::Any
    }

    /// What to do before the command is sent. The session asks again when that is done.
    fn prepare(&mut self, view: &mut View<'_>) -> Preparation;

    /// Takes a line of the reply before its end.
    fn line(&mut self, view: &mut View<'_>, line: ServerLine) -> Result<(), Violation> {
        let _ = (view, line);
        Err(NO_ANSWER)
    }

    /// Takes the `OK`; `None` if work on the user's file follows.
    fn ok(
        &mut self,
        view: &mut View<'_>,
        summary: Summary,
    ) -> Result<Option<Result<Summary, Failure>>, Violation> {
        let _ = view;
        Ok(Some(Ok(summary)))
    }

    /// Takes an `ERR` after which the session continues.
    fn refused(&mut self, view: &mut View<'_>, refusal: &Refusal) -> OnRefusal {
        let _ = (view, refusal);
        OnRefusal::End
    }

    /// What to do for the reply, when it is this request's turn; `None` to wait for the next line.
    fn receive(&mut self, view: &mut View<'_>) -> Option<Turn> {
        let _ = view;
        None
    }

    /// What to send after the command.
    fn send(&mut self, view: &mut View<'_>) -> Option<Turn> {
        let _ = view;
        None
    }

    /// Takes the outcome of the requested effect.
    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Performed {
        let _ = (view, outcome);
        Performed::Continue
    }

    /// The effect that closes or discards what is open, if anything is.
    fn release(&mut self) -> Option<Effect> {
        None
    }

    /// The payload of the reply before the next line that has not arrived yet.
    fn payload_left(&self) -> u64 {
        0
    }

    /// The reader of the reply's payload, and how much payload it will get.
    fn reader(&mut self) -> Option<(&mut BodyReader, u64)> {
        None
    }

    /// The socket took `count` bytes of prepared payload.
    fn sent(&mut self, count: usize) {
        let _ = count;
    }

    /// Whether a body is being sent. No other command is sent meanwhile.
    fn is_sending(&self) -> bool {
        false
    }

    /// Whether it is between two pieces of a body, where it can notice an early refusal.
    fn is_between_pieces(&self) -> bool {
        false
    }

    /// Whether an `ABORT` by the session may end it. An upload sends its own.
    fn is_abortable(&self) -> bool {
        true
    }

    /// Whether its payload arrives already and ends soon.
    fn is_soon_over(&self) -> bool {
        false
    }

    /// Whether the server reads a whole file before it can answer.
    fn reads_files(&self) -> bool {
        false
    }

    /// Whether it is too late to fail.
    fn is_settled(&self) -> bool {
        false
    }
}

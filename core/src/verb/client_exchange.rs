//! What a client does for a request: the exchange of its verb.
//!
//! An exchange prepares its command, checks the lines of its reply, and asks for the work on the user's own files. What
//! goes out when, what an `ABORT` is for, and the end of the session are the session's.

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

/// Which options the server knows that older ones do not (R-GROW-2); `None` until an answer has shown it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// `omitted=yes`.
    pub(crate) omitted: Option<bool>,
    /// `executable=yes`.
    pub(crate) executable: Option<bool>,
}

/// What an exchange may know and use of its session.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) id: RequestId,
    pub(crate) limits: &'a Limits,
    /// Whether a downloaded file is durable before its request is finished.
    pub(crate) durable: bool,
    /// Whether payload may pass by the machine.
    pub(crate) pass_through: bool,
    /// The largest `DATA` that the server takes.
    pub(crate) max_data: u64,
    /// Whether the request has failed already, though its reply is still to come.
    pub(crate) has_failed: bool,
    /// How many commands are unanswered.
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

/// The server broke the protocol, in these words.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) &'static str);

/// A line that the reply cannot have there.
pub(crate) const NO_ANSWER: Violation = Violation("a line is not an answer to what was asked");

/// What an exchange does before its command is sent.
#[derive(Debug)]
pub(crate) enum Preparation {
    /// It works on the user's file.
    Perform(Effect),
    /// It is ready: this is its command's line, with its ending.
    Send(BytesMut),
}

/// What an exchange does next of its own.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It works on the user's file.
    Perform(Effect),
    /// It has what is open closed or given up, whatever comes of that.
    Release(Effect),
    /// It passes payload from the socket to the store.
    Receive { handle: Handle, length: usize },
    /// It passes payload that was announced from the store to the socket.
    Send { handle: Handle, length: usize },
    /// It is over, with this result unless it had failed before.
    End(Result<Summary, Failure>),
}

/// What comes of an effect.
#[derive(Debug)]
pub(crate) enum Performed {
    /// It goes on.
    Continue,
    /// The request fails; its reply is still to come.
    Fail(Failure),
    /// The file has its name: it is too late to fail. Perhaps it is over, too.
    Settle(Option<Summary>),
    /// It is over, with this result unless it had failed before.
    End(Result<Summary, Failure>),
}

/// What a refusal comes to.
#[derive(Debug)]
pub(crate) enum OnRefusal {
    /// The request is over.
    End,
    /// What was announced of the body goes out first, and `ABORT` behind it.
    EndBody,
    /// The request is made anew, without the option that the server does not know.
    Anew,
    /// Its command alone is sent again, without that option.
    Resend,
}

/// Which commands may be unanswered when this one is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipelining {
    /// Any.
    Any,
    /// Only others of this kind (R-PIPE-3).
    Uploads,
    /// None: an `ABORT` meant for a command before it could hit it halfway, and what was reported of it cannot be taken
    /// back.
    Alone,
    /// Any, and none may follow.
    Last,
}

/// The client's part of a request.
pub(crate) trait Exchange: fmt::Debug + Send + Sync {
    /// What may be unanswered beside it.
    fn pipelining(&self) -> Pipelining {
        Pipelining::Any
    }

    /// What to do before the command is sent. It is asked again when that is done.
    fn prepare(&mut self, view: &mut View<'_>) -> Preparation;

    /// Takes a line of the reply that is not its end.
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

    /// Takes an `ERR` that goes on.
    fn refused(&mut self, view: &mut View<'_>, refusal: &Refusal) -> OnRefusal {
        let _ = (view, refusal);
        OnRefusal::End
    }

    /// What to do for the reply, while it is this request's turn to be answered; `None` if that is to wait for the next
    /// line.
    fn receive(&mut self, view: &mut View<'_>) -> Option<Turn> {
        let _ = view;
        None
    }

    /// What to do for the body, behind the command.
    fn send(&mut self, view: &mut View<'_>) -> Option<Turn> {
        let _ = view;
        None
    }

    /// Takes what came of the effect that was asked for.
    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Performed {
        let _ = (view, outcome);
        Performed::Continue
    }

    /// Has what is open closed or given up, if anything is.
    fn release(&mut self) -> Option<Effect> {
        None
    }

    /// Payload of the reply that is still to come before the next line.
    fn payload_left(&self) -> u64 {
        0
    }

    /// What takes the payload of the reply, and how much of it there will be.
    fn reader(&mut self) -> Option<(&mut BodyReader, u64)> {
        None
    }

    /// The socket took `count` bytes of prepared payload.
    fn sent(&mut self, count: usize) {
        let _ = count;
    }

    /// Whether a body is being sent; no other command goes out meanwhile.
    fn is_sending(&self) -> bool {
        false
    }

    /// Whether it is between two pieces of a body, where an early refusal can be noticed.
    fn is_between_pieces(&self) -> bool {
        false
    }

    /// Whether an `ABORT` of the session may end it. An upload sends its own.
    fn is_abortable(&self) -> bool {
        true
    }

    /// Whether its payload comes already and is over soon.
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

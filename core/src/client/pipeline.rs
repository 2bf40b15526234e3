//! Unfinished requests: those whose command is not sent yet, and those whose reply has not arrived yet (R-PIPE-1 to
//! R-PIPE-4).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::body::BodyReader;
use crate::effect::RequestId;
use crate::limits::Limits;
use crate::request::{Failure, Request};
use crate::verb::client_exchange::{Exchange, Pipelining};

/// All unfinished requests.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// Requests that have not started, with their numbers.
    pub(super) waiting: VecDeque<(RequestId, Request)>,
    /// The request whose command is sent next.
    pub(super) preparing: Option<Asked>,
    /// Commands without a final reply, in the order in which they were sent.
    pub(super) sent: VecDeque<Asked>,
    /// The maximum number of commands was sent. The next ones are sent together, when half of them are answered.
    is_full: bool,
}

/// A request that has started.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) exchange: Box<dyn Exchange>,
    /// The length of the command's line in bytes.
    pub(super) line: usize,
    /// Why the request has failed already, although its reply has not arrived.
    pub(super) failed: Option<Failure>,
    /// `ABORT` was sent for it.
    pub(super) is_aborted: bool,
    /// `ABORT` was sent for an earlier request, and may cancel this one too.
    pub(super) is_collateral: bool,
}

/// Selects one of the requests that have started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Nobody,
    /// The one whose command is sent next.
    Preparing,
    /// The one whose reply comes next.
    Front,
    /// The one whose command was sent last.
    Back,
}

impl Asked {
    pub(super) fn new(id: RequestId, request: Request, exchange: Box<dyn Exchange>) -> Self {
        Self {
            id,
            request,
            exchange,
            line: 0,
            failed: None,
            is_aborted: false,
            is_collateral: false,
        }
    }

    /// Records why the request fails, unless it is too late for that; the first reason counts.
    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.exchange.is_settled() {
            self.failed.get_or_insert(failure);
        }
    }

    fn is_upload(&self) -> bool {
        self.exchange.pipelining() == Pipelining::Uploads
    }

    pub(super) fn is_last(&self) -> bool {
        self.exchange.pipelining() == Pipelining::Last
    }
}

impl Pipeline {
    /// All requests that have started.
    pub(super) fn asked(&mut self) -> impl Iterator<Item = &mut Asked> {
        self.preparing.iter_mut().chain(&mut self.sent)
    }

    pub(super) fn in_role(&mut self, role: Role) -> Option<&mut Asked> {
        match role {
            Role::Nobody => None,
            Role::Preparing => self.preparing.as_mut(),
            Role::Front => self.sent.front_mut(),
            Role::Back => self.sent.back_mut(),
        }
    }

    pub(super) fn take(&mut self, role: Role) -> Option<Asked> {
        match role {
            Role::Nobody => None,
            Role::Preparing => self.preparing.take(),
            Role::Front => self.sent.pop_front(),
            Role::Back => self.sent.pop_back(),
        }
    }

    /// The payload before the next line that has not arrived yet.
    pub(super) fn payload_left(&self) -> u64 {
        self.sent.front().map_or(0, |front| front.exchange.payload_left())
    }

    /// Whether the server reads a whole file before it can answer.
    pub(super) fn reads_files(&self) -> bool {
        self.sent.front().is_some_and(|front| front.exchange.reads_files())
    }

    /// The reader of the next payload, and how much payload it will get.
    pub(super) fn reader(&mut self) -> Option<(&mut BodyReader, u64)> {
        self.sent.front_mut()?.exchange.reader()
    }

    /// Takes the next request, if its command may be sent now to a server that accepts `most` unanswered ones.
    pub(super) fn next(&mut self, most: u64) -> Option<(RequestId, Request)> {
        let (_, request) = self.waiting.front()?;
        let may_begin = match request {
            Request::Upload { .. } => self.sent.iter().all(Asked::is_upload),
            Request::List { .. } => self.sent.is_empty(),
            Request::Download { .. }
            | Request::Delete { .. }
            | Request::MakeDirectory { .. }
            | Request::Move { .. }
            | Request::Copy { .. }
            | Request::Checksum { .. }
            | Request::Authenticate { .. }
            | Request::WhoAmI
            | Request::Help
            | Request::Exit => true,
        };
        // A command that an `ABORT` stops by accident is sent again. It would come after any command sent now.
        let is_held_up = self.preparing.is_some()
            || self.sent.iter().any(|sent| {
                sent.failed.is_some()
                    || sent.is_collateral
                    || sent.is_last()
                    || sent.exchange.is_sending()
            });
        if !may_begin || self.is_full(most) || is_held_up {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Takes the next request, if its command may be sent before the greeting: it is the first one, and has
    /// neither a body nor a secret.
    pub(super) fn next_before_greeting(&mut self) -> Option<(RequestId, Request)> {
        let (_, request) = self.waiting.front()?;
        let waits = matches!(request, Request::Upload { .. } | Request::Authenticate { .. });
        if waits { None } else { self.next(1) }
    }

    /// Whether no further command may be sent, or half of them must be answered first: otherwise each reply would be
    /// followed by a single command.
    fn is_full(&mut self, most: u64) -> bool {
        let lines = self.sent.iter().map(|sent| sent.line).sum::<usize>();
        let beyond = |commands: u64, bytes: usize| {
            self.sent.len() as u64 >= commands || lines + Limits::MAX_LINE > bytes
        };
        self.is_full = beyond(most, Limits::MAX_PIPELINED_BYTES)
            || (self.is_full && beyond(most.div_ceil(2), Limits::MAX_PIPELINED_BYTES / 2));
        self.is_full
    }

    /// Whether nothing is needed from the server except its goodbye.
    pub(super) fn only_leaves(&self) -> bool {
        let is_asked = self.sent.back().is_some_and(Asked::is_last)
            || self.preparing.as_ref().is_some_and(Asked::is_last)
            || matches!(self.waiting.front(), Some((_, Request::Exit)));
        let prepares = self.preparing.as_ref().is_some_and(|preparing| !preparing.is_last());
        is_asked
            && !prepares
            && self.sent.iter().all(|sent| {
                (sent.failed.is_some() && !sent.exchange.is_sending()) || sent.is_last()
            })
    }

    /// Whether only the goodbye has not arrived.
    pub(super) fn has_left(&self) -> bool {
        self.preparing.is_none() && self.sent.front().is_some_and(Asked::is_last)
    }

    /// Marks the oldest command as aborted, and those behind it as commands that the `ABORT` may hit, if it has failed
    /// on this side and an `ABORT` can end it. The other commands would have to be sent again, so a small file that is
    /// arriving already is rather received completely.
    pub(super) fn abort_front(&mut self) -> bool {
        let others = self.sent.iter().skip(1).any(|behind| behind.failed.is_none());
        let Some(front) = self.sent.front_mut() else {
            return false;
        };
        let is_abortable = front.exchange.is_abortable() && !front.is_aborted;
        let is_soon_over = front.exchange.is_soon_over() && others;
        if front.failed.is_none() || !is_abortable || is_soon_over {
            return false;
        }
        front.is_aborted = true;
        for behind in self.sent.iter_mut().skip(1) {
            behind.is_collateral = true;
        }
        true
    }

    /// Puts a request back, to send it again in its turn.
    pub(super) fn put_back(&mut self, id: RequestId, request: Request) {
        let at = self.waiting.partition_point(|(waiting, _)| *waiting < id);
        self.waiting.insert(at, (id, request));
    }
}

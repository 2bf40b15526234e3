//! An `ABORT` is noticed before its turn: while a reply is under way, what has come in is looked through.

use core::ops::ControlFlow;

use super::table::{self, Action, Input, Phase};
use super::{Server, ServerEvent};
use crate::error::ErrorCode;
use crate::limits::Limits;
use crate::machine::Ask;
use crate::message::{ClientLine, LineError};
use crate::output::Wait;

/// How far the input was looked through, in bytes from its front.
#[derive(Debug, Default)]
pub(super) struct LookAhead {
    /// Lines before this were looked at.
    seen: usize,
    /// Commands that begin before this are cancelled.
    cancelled: usize,
    /// Whether the socket was looked at since the last chunk.
    fresh: bool,
}

impl LookAhead {
    /// The first `count` bytes of the input are used up.
    pub(super) fn consumed(&mut self, count: usize) {
        self.seen = self.seen.saturating_sub(count);
        self.cancelled = self.cancelled.saturating_sub(count);
    }

    /// Whether the command at the front of the input, or the one under way, is cancelled.
    pub(super) fn cancels(&self) -> bool {
        self.cancelled > 0
    }

    /// The socket was looked at.
    pub(super) fn looked(&mut self) {
        self.fresh = true;
    }

    /// The reply is over.
    pub(super) fn done(&mut self) {
        self.fresh = false;
    }
}

/// What kind of input a line is.
pub(super) fn classify(parsed: &Result<ClientLine, LineError>) -> Input {
    match parsed {
        Ok(ClientLine::Command(_)) => Input::Command,
        Ok(ClientLine::Data(_)) => Input::Data,
        Ok(ClientLine::End { .. }) => Input::End,
        Ok(ClientLine::Abort) => Input::Abort,
        Err(LineError { code: ErrorCode::Protocol, .. }) => Input::Malformed,
        Err(_) => Input::BadCommand,
    }
}

impl Server {
    /// Between two chunks of a reply: notices what has arrived, and a drain. After a break the reply goes no further for now.
    pub(super) fn at_boundary(&mut self) -> ControlFlow<Option<Ask<ServerEvent>>> {
        let room = self.link.inbox.len() < Limits::MAX_PIPELINED_BYTES;
        if !self.look.fresh && room && !self.link.inbox.ended {
            return ControlFlow::Break(Some(Ask::Read(Wait::Never)));
        }
        self.look_at_lines();
        if self.look.cancels() {
            self.refuse(ErrorCode::Aborted, "cancelled");
            return ControlFlow::Break(None);
        }
        if self.drain_is_over() {
            self.goodbye();
            return ControlFlow::Break(None);
        }
        self.look.fresh = false;
        ControlFlow::Continue(())
    }

    fn look_at_lines(&mut self) {
        while let Ok(Some(line)) = self.link.inbox.line_at(self.look.seen) {
            let input = classify(&ClientLine::parse(line.text));
            let end = self.look.seen + line.end;
            match table::decide(Phase::Busy, input) {
                Action::CancelAll => self.look.cancelled = end,
                Action::Later => {}
                _ => break,
            }
            self.look.seen = end;
        }
    }
}

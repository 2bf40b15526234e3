//! Runs a session: carries out commands one after another, answers them, and closes.

use bytes::BytesMut;

use super::api::ServerEvent;
use super::commit::{Answer, Pending};
use super::refused_body::RefusedBody;
use super::table::{self, OnClosed, OnEnded, OnSettled, Row};
use super::{Ending, Outcome, Running, Server};
use crate::effect::Done;
use crate::error::{StoreError, StoreErrorKind};
use crate::limits::Limits;
use crate::machine::Ask;
use crate::message::common::ErrLine;
use crate::message::encode::append;
use crate::message::{LineError, Refusal, Summary};
use crate::output::Wait;
use crate::verb::server_exchange::{Body, End, Exchange, Turn, View};
use crate::verb::{Changes, ClientLine, HELP};

/// Whether the command may join the waiting changes: it sends nothing before their replies and does not see the files.
fn joins_commit(line: &Result<ClientLine, LineError>) -> bool {
    matches!(line, Ok(ClientLine::Command(command)) if command.changes() != Changes::Nothing)
}

impl Server {
    /// Goes to the next state of the cell, and returns the action of the cell.
    pub(super) fn enter<A: Copy>(&mut self, row: &'static Row<A>) -> Option<A> {
        self.current.enter(row)
    }

    /// Ends the command, or the session, once the store has finished it and everything before.
    pub(super) fn end_with(&mut self, end: Outcome) {
        if let Outcome::Reply(_) = end {
            // The rest of the current `DATA` of a body is not a command. The count of skipped bytes restarts.
            self.refused_body = RefusedBody::begin(self.body_left().unwrap_or(0));
        }
        let release = self.running.as_ref().map(|running| running.exchange.release());
        let release = release.unwrap_or_default().into();
        self.ending = Some(Ending { end, at: self.link.timer.now(), release });
    }

    /// Runs `work` with the current exchange.
    pub(super) fn with_view<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Exchange, &mut View<'_>) -> T,
    ) -> Option<T> {
        let id = self.id();
        let Running { exchange, .. } = self.running.as_mut()?;
        let mut view = View {
            id,
            limits: &self.config.limits,
            durable: self.config.durable,
            pass_through: self.config.pass_through,
            help: HELP,
            identification: &mut self.identification,
            outbox: &mut self.link.outbox,
            waiting: self.commit.waiting(),
        };
        Some(work(exchange.as_mut(), &mut view))
    }

    pub(super) fn body(&mut self) -> Option<&mut dyn Body> {
        self.running.as_mut()?.exchange.body()
    }

    /// Whether the store still has announced bytes that it prepared.
    pub(super) fn is_sending(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.exchange.is_sending())
    }

    pub(super) fn advance_between_commands(&mut self) -> Option<Ask<ServerEvent>> {
        if self.drain.is_some() {
            self.drained(&table::DRAIN);
            return None;
        }
        if self.refused_body.left() > 0 {
            return self.advance_discarding();
        }
        let cancelled = self.look_ahead.cancels();
        if let Some((line, end)) = self.peek_line() {
            if !self.commit.is_empty() && !joins_commit(&line) {
                self.begin_commit();
                return None;
            }
            // AUTH has a secret, and so has a mistyped AUTH.
            self.link.inbox.wipe(end);
            self.consume(end);
            self.link.timer.restart();
            self.take_line(line, cancelled);
            return None;
        }
        if self.link.inbox.ended {
            self.input_ended();
            return None;
        }
        if self.commit.is_empty() {
            self.link.release_buffers();
        }
        self.read_or_commit()
    }

    fn advance_discarding(&mut self) -> Option<Ask<ServerEvent>> {
        let here = self.refused_body.left().min(self.link.inbox.len() as u64);
        if here > 0 {
            self.refused_body.skip(here);
            self.consume(usize::try_from(here).unwrap_or(usize::MAX));
        } else if self.link.inbox.ended {
            self.input_ended();
        } else {
            return Some(self.link.read());
        }
        None
    }

    pub(super) fn advance_exchange(&mut self) -> Option<Ask<ServerEvent>> {
        let is_cancellable = self.running.as_ref().is_some_and(|running| {
            running.exchange.is_cancellable() && !running.exchange.is_sending()
        });
        if is_cancellable {
            let room = self.link.inbox.len() < Limits::MAX_PIPELINED_BYTES;
            if !self.look_ahead.is_fresh() && room && !self.link.inbox.ended {
                return Some(Ask::Read(Wait::Never));
            }
            self.scan_ahead();
            if self.look_ahead.cancels() {
                self.cancelled(None);
                return None;
            }
            if self.is_drain_over() {
                self.drained(&table::GRACE_OVER);
                return None;
            }
            self.look_ahead.spent();
        }
        match self.with_view(|exchange, view| exchange.next(view))? {
            Turn::Perform(effect) => Some(Ask::Perform(effect)),
            Turn::Send { handle, length } => Some(self.link.send(handle, length)),
            Turn::Body => self.advance_body(),
            Turn::End(end) => {
                self.finish(end);
                None
            }
        }
    }

    fn advance_body(&mut self) -> Option<Ask<ServerEvent>> {
        if self.is_drain_over() {
            self.drained(&table::GRACE_OVER);
            return None;
        }
        if self.body()?.reader().is_under_way() {
            return self.advance_payload();
        }
        match self.peek_line() {
            Some((line, end)) => {
                self.consume(end);
                self.take_line(line, false);
            }
            None if self.link.inbox.ended => self.input_ended(),
            None => return self.read_or_commit(),
        }
        None
    }

    fn advance_payload(&mut self) -> Option<Ask<ServerEvent>> {
        let reader = self.running.as_mut()?.exchange.body()?.reader();
        if let Some(effect) = reader.write_received() {
            return Some(Ask::Perform(effect));
        }
        if !self.link.inbox.is_empty() {
            return reader.take(&mut self.link.inbox).map(Ask::Perform);
        }
        if self.link.inbox.ended {
            self.input_ended();
            return None;
        }
        // The reply to a small file must not wait for a large one.
        if reader.announced() > self.config.limits.chunk as u64 && !self.commit.is_empty() {
            self.begin_commit();
            return None;
        }
        let bypass = reader.bypass(&self.config.limits).filter(|_| self.config.pass_through);
        match bypass {
            Some(length) if self.commit.is_empty() && self.link.outbox.is_empty() => {
                let handle = reader.handle();
                let receive = Ask::Receive { handle, length };
                Some(reader.flush().map_or(receive, Ask::Perform))
            }
            _ => self.read_or_commit(),
        }
    }

    /// The room for the line of a `DATA` whose payload may pass by the machine, if such a line comes next.
    pub(super) fn room_for_data_line(&mut self) -> Option<usize> {
        let body = self.body()?;
        let size = body.size();
        body.reader().room_for_line(size)
    }

    /// Writes the queued output, then reads what is there. If there is nothing, the waiting changes are committed
    /// before the server waits for the client.
    fn read_or_commit(&mut self) -> Option<Ask<ServerEvent>> {
        if self.commit.is_empty() || !self.link.outbox.is_empty() {
            return Some(self.link.read());
        }
        if !self.commit.is_starved() {
            return Some(Ask::Read(Wait::Never));
        }
        self.begin_commit();
        None
    }

    /// Passes the outcome of an effect to its exchange.
    pub(super) fn exchange_performed(&mut self, outcome: Result<Done, StoreError>) {
        let outcome = match outcome {
            Ok(Done::Full) if !self.commit.is_empty() => {
                // There is room once the others are committed. Then the machine asks again.
                self.begin_commit();
                return;
            }
            Ok(Done::Full) => {
                let detail = "the store has no room for a single file";
                Err(StoreError::new(StoreErrorKind::Io, detail))
            }
            outcome => outcome,
        };
        let end = self.with_view(|exchange, view| exchange.performed(view, outcome));
        if let Some(end) = end.flatten() {
            self.finish(end);
        }
    }

    /// Ends the exchange.
    pub(super) fn finish(&mut self, end: End) {
        match end {
            End::Reply(reply) => {
                if let Some(OnEnded::Settle) = self.enter(&table::REPLY) {
                    self.end_with(Outcome::Reply(reply));
                }
            }
            End::Commit(change) => {
                if let (Some(OnEnded::Join), Some(running)) =
                    (self.enter(&table::WHOLE), self.running.take())
                {
                    let Running { command, began, .. } = running;
                    let lines = self.commit.take_waiting();
                    let pending = Pending::new(self.id(), command, began, change, lines);
                    self.commit.join(pending);
                    let limits = &self.config.limits;
                    let most = if self.config.durable { limits.commit_batch } else { 1 };
                    if self.commit.len() >= most {
                        self.begin_commit();
                    }
                }
            }
        }
    }

    pub(super) fn begin_commit(&mut self) {
        self.commit.begin(self.config.durable);
    }

    /// Passes the outcome of an effect to the commit.
    pub(super) fn committed(&mut self, outcome: Result<Done, StoreError>) {
        let Some(answers) = self.commit.performed(self.config.durable, outcome) else {
            return;
        };
        for Answer { lines, id, command, began, reply } in answers {
            let row = if reply.result.is_ok() { &table::COMMITTED } else { &table::COMMIT_FAILED };
            if let Some(OnSettled::Reply) = self.enter(row) {
                self.send_lines(&lines);
                self.send_reply(&reply.result);
                let (command, reply, cause) = (Some(command), reply.result, reply.cause);
                let ended = began;
                self.events.push_back(ServerEvent::Answered {
                    id,
                    command,
                    reply,
                    cause,
                    began,
                    ended,
                });
            }
        }
        self.look_ahead.spent();
        self.refused_body.answered();
        let lines = self.commit.take_waiting();
        self.send_lines(&lines);
    }

    pub(super) fn advance_ending(&mut self) -> Option<Ask<ServerEvent>> {
        if let Some(release) = self.ending.as_mut().and_then(|ending| ending.release.pop_front()) {
            return Some(Ask::Perform(release));
        }
        if self.commit.is_empty() {
            self.settle();
        } else {
            self.begin_commit();
        }
        None
    }

    /// Sends the decided reply.
    fn settle(&mut self) {
        let Some(Ending { end, at, .. }) = self.ending.take() else { return };
        let (command, began) = match self.running.take() {
            Some(Running { command, began, .. }) => (Some(command), began),
            None => (None, at),
        };
        // The end is recorded when the event is reported.
        let ended = began;
        self.look_ahead.spent();
        match end {
            Outcome::Reply(reply) => {
                let row = match &reply.result {
                    _ if reply.closes => &table::SETTLED_END,
                    Ok(_) => &table::SETTLED_OK,
                    Err(_) => &table::SETTLED_ERR,
                };
                if let Some(OnSettled::Reply) = self.enter(row) {
                    self.send_reply(&reply.result);
                }
                let (id, cause) = (self.id(), reply.cause);
                let reply = reply.result;
                self.events.push_back(ServerEvent::Answered {
                    id,
                    command,
                    reply,
                    cause,
                    began,
                    ended,
                });
            }
            Outcome::CutOff(refusal) => {
                if let Some(OnSettled::Reply) = self.enter(&table::SETTLED_END) {
                    self.send_reply(&Err(refusal.clone()));
                }
                self.events.push_back(ServerEvent::CutOff { command, refusal, began, ended });
            }
            Outcome::HangUp => {
                let _said: Option<OnSettled> = self.enter(&table::SETTLED_END);
                if command.is_some() {
                    self.events.push_back(ServerEvent::Disconnected { command, began, ended });
                }
            }
            Outcome::Disconnect => {
                let _said: Option<OnSettled> = self.enter(&table::SETTLED_GONE);
                self.events.push_back(ServerEvent::Disconnected { command, began, ended });
            }
        }
    }

    fn send_reply(&mut self, reply: &Result<Summary, Refusal>) {
        self.link.outbox.line(|out| match reply {
            Ok(summary) => append(out, summary),
            Err(refusal) => append(out, &ErrLine(refusal)),
        });
    }

    fn send_lines(&mut self, lines: &BytesMut) {
        self.link.outbox.line(|out| out.extend_from_slice(lines));
    }

    pub(super) fn advance_flushing(&mut self) -> Ask<ServerEvent> {
        if self.link.outbox.is_empty() { Ask::CloseWrite } else { Ask::Write }
    }

    /// The sending half is closed.
    pub(super) fn flushed(&mut self) {
        let _: Option<OnClosed> = self.enter(&table::FLUSHED);
    }

    pub(super) fn advance_lingering(&mut self) -> Option<Ask<ServerEvent>> {
        let fresh = self.link.inbox.len();
        self.link.inbox.consume(fresh);
        self.lingered = self.lingered.saturating_add(fresh as u64);
        if self.link.inbox.ended || self.lingered > self.config.limits.max_linger {
            let _: Option<OnClosed> = self.enter(&table::CLIENT_CLOSED);
            return None;
        }
        Some(Ask::Read(Wait::UntilDeadline))
    }
}

//! Runs a session: starts requests, checks the server's lines one after another, and finishes each request once.

use zeroize::Zeroize as _;

use super::Client;
use super::pipeline::{Asked, Role};
use super::table::{self, OnLine, OnLoss, OnStep, Row};
use crate::effect::{Done, RequestId};
use crate::error::{ErrorCode, StoreError};
use crate::limits::Limits;
use crate::machine::Ask;
use crate::message::body::AbortLine;
use crate::message::encode::append;
use crate::message::{Garbled, Greeting, Refusal, ServerLine, Summary};
use crate::output::Wait;
use crate::request::{ClientEvent, Failure, Request};
use crate::verb;
use crate::verb::client_exchange::{
    Exchange, OnRefusal, Performed, Preparation, Turn, View, Violation,
};
use crate::wire::inbox::LineFault;

impl Client {
    /// Goes to the next state of the cell, and returns the action of the cell.
    fn enter<A: Copy>(&mut self, row: &'static Row<A>) -> Option<A> {
        self.current.enter(row)
    }

    /// Runs `work` with the exchange of one request.
    fn with<T>(
        &mut self,
        role: Role,
        work: impl FnOnce(&mut dyn Exchange, &mut View<'_>) -> T,
    ) -> Option<T> {
        let unanswered = self.pipeline.sent.len();
        let max_data =
            self.greeting.as_ref().map_or(Limits::MAX_DATA, |greeting| greeting.max_data);
        let asked = self.pipeline.in_role(role)?;
        let mut view = View {
            id: asked.id,
            limits: &self.config.limits,
            durable: self.config.durable,
            pass_through: self.config.pass_through,
            max_data,
            has_failed: asked.failed.is_some(),
            unanswered,
            known: &mut self.known,
            inbox: &mut self.link.inbox,
            outbox: &mut self.link.outbox,
            events: &mut self.events,
        };
        Some(work(asked.exchange.as_mut(), &mut view))
    }

    pub(super) fn finish(&mut self, id: RequestId, result: Result<Summary, Failure>) {
        self.events.push_back(ClientEvent::Finished { id, result });
    }

    /// Ends a request; `result` counts unless it had failed before.
    fn end(&mut self, role: Role, result: Result<Summary, Failure>) {
        let Some(mut asked) = self.pipeline.take(role) else { return };
        self.releases.extend(asked.exchange.release());
        if role != Role::Preparing {
            self.answered();
        }
        let result = match asked.failed {
            Some(failure) => Err(failure),
            None => result,
        };
        self.finish(asked.id, result);
    }

    /// A command has its final reply.
    fn answered(&mut self) {
        let is_last = self.pipeline.sent.is_empty();
        let row = if is_last { &table::ALL_ANSWERED } else { &table::ANSWERED };
        let _: Option<OnStep> = self.enter(row);
    }

    pub(super) fn advance_session(&mut self) -> Option<Ask<ClientEvent>> {
        if let Some(turn) = self.with(Role::Front, |front, view| front.receive(view)).flatten() {
            return self.carry_out(Role::Front, turn);
        }
        if let Some(ask) = self.check_for_refusal() {
            return Some(ask);
        }
        // A request that was cancelled after its `OK` has just ended; the next one may wait for ever.
        if !self.releases.is_empty() || !self.events.is_empty() || self.take_line() {
            return None;
        }
        if !self.cannot_send {
            if let Some(turn) = self.with(Role::Back, |back, view| back.send(view)).flatten() {
                return self.carry_out(Role::Back, turn);
            }
            if self.pipeline.preparing.is_some() {
                return self.advance_preparing();
            }
            if self.begin_next() {
                return None;
            }
        }
        if self.link.inbox.ended {
            self.lose(&table::END_OF_INPUT);
            return None;
        }
        if self.pipeline.sent.is_empty() {
            self.link.release_buffers();
        }
        Some(self.link.read())
    }

    fn carry_out(&mut self, role: Role, turn: Turn) -> Option<Ask<ClientEvent>> {
        self.role = role;
        match turn {
            Turn::Perform(effect) | Turn::Release(effect) => Some(Ask::Perform(effect)),
            Turn::Receive { handle, length } => Some(Ask::Receive { handle, length }),
            Turn::Send { handle, length } => Some(self.link.send(handle, length)),
            Turn::End(result) => {
                self.end(role, result);
                None
            }
        }
    }

    /// Between two pieces of a body, after something was sent, the server may have refused the body already: reads
    /// without waiting.
    fn check_for_refusal(&self) -> Option<Ask<ClientEvent>> {
        let back = self.pipeline.sent.back()?;
        let has_news = self.link.outbox.written() != self.read_after;
        let is_due = back.failed.is_none() && back.exchange.is_between_pieces() && has_news;
        (is_due && !self.link.inbox.ended && !self.cannot_send).then_some(Ask::Read(Wait::Never))
    }

    /// Prepares the next command, and sends it.
    fn advance_preparing(&mut self) -> Option<Ask<ClientEvent>> {
        let failed = self.pipeline.preparing.as_ref().and_then(|asked| asked.failed.clone());
        if let Some(failure) = failed {
            self.end(Role::Preparing, Err(failure));
            return None;
        }
        match self.with(Role::Preparing, |exchange, view| exchange.prepare(view))? {
            Preparation::Perform(effect) => {
                self.role = Role::Preparing;
                return Some(Ask::Perform(effect));
            }
            Preparation::Send(mut line) => {
                let mut asked = self.pipeline.preparing.take()?;
                let _: Option<OnStep> = self.enter(&table::COMMAND);
                self.link.outbox.line(|out| out.extend_from_slice(&line));
                if matches!(asked.request, Request::Authenticate { .. }) {
                    self.link.outbox.has_secret();
                    line.zeroize();
                }
                asked.line = line.len();
                self.pipeline.sent.push_back(asked);
            }
        }
        None
    }

    /// Aborts the oldest command, or starts the next request, if that is allowed now.
    fn begin_next(&mut self) -> bool {
        let next = match &self.greeting {
            Some(greeting) => {
                if self.pipeline.abort_front() {
                    self.link.outbox.line(|out| append(out, &AbortLine));
                    return true;
                }
                self.pipeline.next(greeting.pipeline.min(self.config.limits.pipeline).max(1))
            }
            None if self.config.early => self.pipeline.next_before_greeting(),
            None => None,
        };
        let Some((id, request)) = next else { return false };
        let exchange = verb::ask(&request, &mut self.handles);
        self.pipeline.preparing = Some(Asked::new(id, request, exchange));
        true
    }

    /// Passes the outcome of an effect to its exchange.
    pub(super) fn exchange_performed(&mut self, outcome: Result<Done, StoreError>) {
        let role = self.role;
        match self.with(role, |exchange, view| exchange.performed(view, outcome)) {
            None | Some(Performed::Continue) => {}
            Some(Performed::Fail(failure)) if role == Role::Preparing => {
                self.end(role, Err(failure));
            }
            Some(Performed::Fail(failure)) => {
                if let Some(asked) = self.pipeline.in_role(role) {
                    asked.fail(failure);
                }
            }
            Some(Performed::Settle(summary)) => {
                // A cancel while the file takes its name has no effect.
                if let Some(asked) = self.pipeline.in_role(role) {
                    asked.failed = None;
                }
                if let Some(summary) = summary {
                    self.end(role, Ok(summary));
                }
            }
            Some(Performed::End(result)) => self.end(role, result),
        }
    }

    /// Takes the next line; `false` if it is incomplete.
    fn take_line(&mut self) -> bool {
        let (parsed, end) = match self.link.inbox.line() {
            Ok(None) => return false,
            Ok(Some(line)) => (ServerLine::parse(line.text), line.end),
            Err(fault) => {
                self.violation(match fault {
                    LineFault::TooLong => "a line is longer than 4096 bytes",
                    LineFault::Control => "a line has control characters",
                    LineFault::NotUtf8 => "a line is not UTF-8",
                });
                return true;
            }
        };
        self.link.inbox.consume(end);
        self.link.timer.restart();
        match parsed {
            Ok(ServerLine::Greeting(greeting)) => self.greeted(greeting),
            Ok(ServerLine::Ok(summary)) => self.take_ok(summary),
            Ok(ServerLine::Err(refusal)) => self.take_err(refusal),
            Ok(line) => {
                if self.is_for_front(&table::REPLY_LINE)
                    && let Some(Err(Violation(text))) =
                        self.with(Role::Front, |front, view| front.line(view, line))
                {
                    self.violation(text);
                }
            }
            Err(Garbled(text)) => self.violation(text),
        }
        true
    }

    fn greeted(&mut self, greeting: Greeting) {
        match self.enter(&table::GREETING) {
            Some(OnLine::Greet) => {
                self.events.push_back(ClientEvent::Greeted(greeting.clone()));
                self.greeting = Some(greeting);
            }
            Some(action) => self.out_of_place(action),
            None => {}
        }
    }

    /// Whether a line is for the oldest command, and allowed there.
    fn is_for_front(&mut self, row: &'static Row<OnLine>) -> bool {
        match self.enter(row) {
            Some(OnLine::Take) => true,
            Some(action) => {
                self.out_of_place(action);
                false
            }
            None => false,
        }
    }

    fn out_of_place(&mut self, action: OnLine) {
        let text = match action {
            OnLine::NoGreeting => "it does not begin with a greeting",
            OnLine::Unasked => "it speaks without being asked",
            OnLine::NoAnswer => "a line is not an answer to what was asked",
            OnLine::Greet | OnLine::Take | OnLine::Refuse | OnLine::Violate => return,
        };
        self.over(Failure::Violation(text));
    }

    fn violation(&mut self, text: &'static str) {
        if let Some(OnLine::Violate) = self.enter(&table::VIOLATION) {
            self.over(Failure::Violation(text));
        }
    }

    fn take_ok(&mut self, summary: Summary) {
        if !self.is_for_front(&table::OK) {
            return;
        }
        match self.with(Role::Front, |front, view| front.ok(view, summary)) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(result))) => {
                let leaves = self.pipeline.sent.front().is_some_and(Asked::is_last);
                self.end(Role::Front, result);
                if leaves {
                    self.leave();
                }
            }
            Some(Err(Violation(text))) => self.violation(text),
        }
    }

    /// Leaves after the goodbye, because the server reads no more commands.
    fn leave(&mut self) {
        let _: Option<OnStep> = self.enter(&table::GOODBYE);
        self.link.outbox.clear();
        while let Some((id, _)) = self.pipeline.waiting.pop_front() {
            self.finish(id, Err(Failure::Ended));
        }
    }

    fn take_err(&mut self, refusal: Refusal) {
        let closes = refusal.code().is_some_and(ErrorCode::closes);
        match self.enter(if closes { &table::ERR_CLOSES } else { &table::ERR }) {
            Some(OnLine::Take) => self.refused(refusal),
            Some(OnLine::Refuse) => self.over(Failure::Refused(refusal)),
            Some(action) => self.out_of_place(action),
            None => {}
        }
    }

    /// Passes the refusal to the oldest command.
    fn refused(&mut self, refusal: Refusal) {
        let Some(front) = self.pipeline.sent.front() else { return };
        let was_hit = front.is_collateral && front.failed.is_none();
        let is_aborted = refusal.code() == Some(ErrorCode::Aborted);
        let outcome = self.with(Role::Front, |front, view| front.refused(view, &refusal));
        match outcome {
            Some(OnRefusal::Restart) => self.retry_front(),
            // An `ABORT` for an earlier command has hit this one. If a download has started, it starts again.
            _ if was_hit && is_aborted => self.retry_front(),
            Some(OnRefusal::Resend) => {
                self.pipeline.preparing = self.pipeline.sent.pop_front();
                self.answered();
            }
            Some(OnRefusal::EndBody) if !self.cannot_send => {
                if let Some(front) = self.pipeline.sent.front_mut() {
                    front.failed.get_or_insert(Failure::Refused(refusal));
                }
            }
            Some(OnRefusal::End | OnRefusal::EndBody) | None => {
                self.end(Role::Front, Err(Failure::Refused(refusal)));
            }
        }
    }

    /// Puts the oldest request back.
    fn retry_front(&mut self) {
        if let Some(mut asked) = self.pipeline.sent.pop_front() {
            self.releases.extend(asked.exchange.release());
            self.answered();
            self.pipeline.put_back(asked.id, asked.request);
        }
    }

    /// The connection ended, or a deadline expired.
    pub(super) fn lose(&mut self, row: &'static Row<OnLoss>) {
        match self.enter(row) {
            Some(OnLoss::Disconnect) => self.over(Failure::Disconnected),
            Some(OnLoss::NoGreeting) => self.over(Failure::NoGreeting),
            Some(OnLoss::TimeOut) => self.over(Failure::TimedOut),
            Some(OnLoss::Leave) => {
                self.over(Failure::Ended);
                self.reported = true;
            }
            Some(OnLoss::StopSending) => {
                self.cannot_send = true;
                self.link.outbox.clear();
            }
            None => {}
        }
    }

    /// The connection cannot be used any more.
    fn over(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.link.outbox.clear();
        let releases = self.pipeline.asked().filter_map(|asked| asked.exchange.release());
        self.releases.extend(releases);
    }

    /// Reports the end of the connection: first to each unfinished request, then to the application.
    pub(super) fn advance_over(&mut self) -> Option<Ask<ClientEvent>> {
        let failure = self.failure.clone().unwrap_or(Failure::Ended);
        if let Some(asked) = self.pipeline.preparing.take() {
            match asked.failed {
                Some(failure) => self.finish(asked.id, Err(failure)),
                None => self.pipeline.put_back(asked.id, asked.request),
            }
        }
        if let Some(Asked { id, failed, .. }) = self.pipeline.sent.pop_front() {
            self.finish(id, Err(failed.unwrap_or(failure)));
        } else if let Some((id, _)) = self.pipeline.waiting.pop_front() {
            self.finish(id, Err(failure));
        } else if !self.reported {
            self.reported = true;
            self.events.push_back(ClientEvent::Lost(failure));
        } else if self.events.is_empty() {
            return Some(Ask::Closed);
        }
        None
    }

    /// The sending half is closed.
    pub(super) fn flushed(&mut self) {
        let _: Option<OnStep> = self.enter(&table::FLUSHED);
    }

    pub(super) fn advance_lingering(&mut self) -> Option<Ask<ClientEvent>> {
        self.link.inbox.consume(self.link.inbox.len());
        if self.link.inbox.ended {
            self.lose(&table::END_OF_INPUT);
            return None;
        }
        Some(Ask::Read(Wait::UntilDeadline))
    }
}

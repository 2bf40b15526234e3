//! Looks up each line, and each event of the connection, in the [table](super::table).

use alloc::string::ToString;

use super::table::{
    self, OnAbort, OnCancelled, OnCommand, OnData, OnDrain, OnEnd, OnEndOfInput, OnLoss,
    OnMalformed, OnRefused, Row, State,
};
use super::{Outcome, Running, Server};
use crate::effect::RequestId;
use crate::error::ErrorCode;
use crate::message::{LineError, Refusal};
use crate::verb::server_exchange::{End, Reply};
use crate::verb::{ClientLine, Command};

const NOT_IN_A_BODY: &str = "the body of an upload is DATA, END or ABORT";
const ONLY_IN_A_BODY: &str = "DATA and END belong to an UPLOAD";

fn row_of(command: &Command) -> &'static Row<OnCommand> {
    if command.has_body() { &table::COMMAND_WITH_BODY } else { &table::COMMAND }
}

impl Server {
    /// The next line, and its length.
    pub(super) fn peek_line(&mut self) -> Option<(Result<ClientLine, LineError>, usize)> {
        match self.link.inbox.line() {
            Ok(line) => line.map(|line| (ClientLine::parse(line.text), line.end)),
            Err(fault) => Some((Err(LineError::new(ErrorCode::Protocol, fault.to_string())), 0)),
        }
    }

    /// Drops the first `count` bytes of the input.
    pub(super) fn consume(&mut self, count: usize) {
        self.link.inbox.consume(count);
        self.look_ahead.consumed(count);
    }

    /// Does what the table says about a line. `cancelled` means that an `ABORT` follows it.
    pub(super) fn take_line(&mut self, line: Result<ClientLine, LineError>, cancelled: bool) {
        match line {
            Ok(ClientLine::Command(command)) if cancelled => self.cancelled(Some(&command)),
            Ok(ClientLine::Command(command))
                if command.needs_identity() && self.identification.is_missing() =>
            {
                let reply = Reply::err(ErrorCode::Unauthenticated, "say who you are first: AUTH");
                self.refuse(Some(&command), reply);
            }
            Ok(ClientLine::Command(command)) => self.command(&command),
            Ok(ClientLine::Data(length)) => self.data(length),
            Ok(ClientLine::End { checksum }) => match self.enter(&table::END) {
                Some(OnEnd::Finish) => {
                    if let Some(body) = self.body() {
                        body.end(checksum);
                    }
                }
                Some(OnEnd::Fault) => self.fault(ONLY_IN_A_BODY),
                Some(OnEnd::Drop | OnEnd::Stop) | None => {}
            },
            Ok(ClientLine::Abort) => match self.enter(&table::ABORT) {
                Some(OnAbort::Fail) => {
                    let reply = Reply::err(ErrorCode::Aborted, "the upload was given up");
                    self.end_with(Outcome::Reply(reply));
                }
                Some(OnAbort::Drop | OnAbort::Cancel) | None => {}
            },
            Err(error) if error.code == ErrorCode::Protocol => {
                if let Some(OnMalformed::Fault) = self.enter(&table::MALFORMED) {
                    self.end_with(Outcome::CutOff(Refusal::new(error.code, error.text)));
                }
            }
            Err(_) if cancelled => self.cancelled(None),
            Err(error) => {
                self.refuse(None, Reply::refused(Refusal::new(error.code, error.text)));
            }
        }
    }

    /// Refuses a command, if its line is one, without carrying it out.
    fn refuse(&mut self, command: Option<&Command>, reply: Reply) {
        match self.enter(&table::FAULTY_COMMAND) {
            Some(OnRefused::Refuse) => {
                match command {
                    Some(command) => self.begin_command(command),
                    None => self.commands += 1,
                }
                self.end_with(Outcome::Reply(reply));
            }
            Some(OnRefused::Fault) => self.fault(NOT_IN_A_BODY),
            Some(OnRefused::Keep) | None => {}
        }
    }

    fn command(&mut self, command: &Command) {
        match self.enter(row_of(command)) {
            Some(OnCommand::Begin) => {
                if self.commit.precedes(command) {
                    self.begin_commit();
                }
                self.begin_command(command);
            }
            Some(OnCommand::Fault) => self.fault(NOT_IN_A_BODY),
            Some(OnCommand::Keep) | None => {}
        }
    }

    fn begin_command(&mut self, command: &Command) {
        self.commands += 1;
        let began = self.link.timer.now();
        let exchange = command.serve(RequestId(self.commands), &mut self.handles);
        let command = command.without_secret();
        self.running = Some(Running { command, began, exchange });
    }

    /// An `ABORT` follows the next command, or the current one.
    pub(super) fn cancelled(&mut self, next: Option<&Command>) {
        let is_next = self.is_between_commands();
        if let Some(OnCancelled::Abort) = self.enter(&table::CANCELLED) {
            match next {
                Some(command) => self.begin_command(command),
                None if is_next => self.commands += 1,
                None => {}
            }
            self.end_with(Outcome::Reply(Reply::err(ErrorCode::Aborted, "cancelled")));
        }
    }

    fn data(&mut self, length: u64) {
        let limits = &self.config.limits;
        let row = if length > limits.max_data {
            &table::OVERSIZED_DATA
        } else if self.current.get() == State::Discarding
            && !self.refused_body.takes(length, limits.max_discard)
        {
            &table::EXCESSIVE_DATA
        } else {
            &table::DATA
        };
        match self.enter(row) {
            Some(OnData::Take) => self.begin_data(length),
            Some(OnData::Skip) => self.refused_body.data(length),
            Some(OnData::TooLarge) => self.fault("a DATA is larger than max-data"),
            Some(OnData::TooMuch) => self.fault("too much was sent after a refusal"),
            Some(OnData::Fault) => self.fault(ONLY_IN_A_BODY),
            Some(OnData::Stop) | None => {}
        }
    }

    /// A `DATA` of the current body starts.
    fn begin_data(&mut self, length: u64) {
        let refused = self.with_view(|exchange, view| exchange.body()?.data(view, length));
        if let Some(reply) = refused.flatten() {
            self.finish(End::Reply(reply));
        }
    }

    /// The client sends no more.
    pub(super) fn input_ended(&mut self) {
        // The rest of a refused body's payload is not a line, and nobody needs it.
        let within_line = self.refused_body.left() == 0 && !self.link.inbox.is_empty();
        let row = if within_line { &table::END_WITHIN_LINE } else { &table::END_OF_INPUT };
        match self.enter(row) {
            Some(OnEndOfInput::Fault) => self.fault("the connection ended inside a line"),
            Some(OnEndOfInput::Close) => self.end_with(Outcome::HangUp),
            None => {}
        }
    }

    /// The server stops, gracefully or at once.
    pub(super) fn drained(&mut self, row: &'static Row<OnDrain>) {
        if let Some(OnDrain::Goodbye) = self.enter(row) {
            let text = "the server is stopping; try again later";
            self.end_with(Outcome::CutOff(Refusal::new(ErrorCode::ShuttingDown, text)));
        }
    }

    /// The client was too slow, or is gone.
    pub(super) fn lose(&mut self, row: &'static Row<OnLoss>) {
        match self.enter(row) {
            Some(OnLoss::TimeOut) => {
                let refusal = Refusal::new(ErrorCode::Timeout, "you were too slow");
                self.end_with(Outcome::CutOff(refusal));
            }
            Some(OnLoss::Disconnect) => self.end_with(Outcome::Disconnect),
            Some(OnLoss::Drop) | None => {}
        }
    }

    /// Scans the lines that have arrived, ahead of their turn.
    pub(super) fn scan_ahead(&mut self) {
        loop {
            let (line, end) = match self.link.inbox.line_at(self.look_ahead.seen()) {
                Ok(None) => return,
                Ok(Some(line)) => (ClientLine::parse(line.text), self.look_ahead.seen() + line.end),
                Err(fault) => (Err(LineError::new(ErrorCode::Protocol, fault.to_string())), 0),
            };
            let goes_on = match line {
                Ok(ClientLine::Command(command)) => {
                    self.enter(row_of(&command)) == Some(OnCommand::Keep)
                }
                Ok(ClientLine::Data(_)) => self.enter(&table::DATA) != Some(OnData::Stop),
                Ok(ClientLine::End { .. }) => self.enter(&table::END) != Some(OnEnd::Stop),
                Ok(ClientLine::Abort) => {
                    let cancels = self.enter(&table::ABORT) == Some(OnAbort::Cancel);
                    if cancels {
                        self.look_ahead.cancel(end);
                    }
                    cancels
                }
                Err(error) if error.code == ErrorCode::Protocol => {
                    self.enter(&table::MALFORMED) != Some(OnMalformed::Stop)
                }
                Err(_) => self.enter(&table::FAULTY_COMMAND) == Some(OnRefused::Keep),
            };
            if !goes_on {
                return;
            }
            self.look_ahead.saw(end);
        }
    }

    fn fault(&mut self, text: &'static str) {
        self.end_with(Outcome::CutOff(Refusal::new(ErrorCode::Protocol, text)));
    }
}

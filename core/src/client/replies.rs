//! What the server says, checked line by line.

use super::requests::{Reply, Sent};
use super::{Client, ClientEvent, Failure, Request, Session};
use crate::error::ErrorCode;
use crate::limits::Limits;
use crate::message::{Entry, Garbled, Greeting, Refusal, ServerLine, Summary};
use crate::wire::inbox::LineFault;

fn closes(refusal: &Refusal) -> bool {
    refusal.code().is_some_and(ErrorCode::closes)
}

impl Client {
    /// Takes the next line; `false` if it is not whole yet.
    pub(super) fn take_line(&mut self) -> bool {
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
            Ok(line) => self.take(line),
            Err(Garbled(text)) => self.violation(text),
        }
        true
    }

    fn take(&mut self, line: ServerLine) {
        if let Session::New = self.session {
            match line {
                ServerLine::Greeting(greeting) => self.greeted(greeting),
                ServerLine::Err(refusal) => self.lose(Failure::Refused(refusal)),
                _ => self.violation("it does not begin with a greeting"),
            }
            return;
        }
        let Some(front) = self.sent.front_mut() else {
            match line {
                ServerLine::Err(refusal) if closes(&refusal) => {
                    self.lose(Failure::Refused(refusal));
                }
                _ => self.violation("it speaks without being asked"),
            }
            return;
        };
        match (line, &mut front.reply) {
            (ServerLine::Entry(entry), Reply::List { entries, omitted }) => {
                match (&entry, omitted) {
                    (Entry::File { .. } | Entry::Directory { .. }, _) => *entries += 1,
                    (Entry::Omitted { .. }, Some(omitted)) => *omitted += 1,
                    (Entry::Omitted { .. }, None) => {
                        self.violation("it tells what a listing leaves out without being asked");
                        return;
                    }
                }
                if front.failed.is_none() {
                    self.events.push_back(ClientEvent::Entry { id: front.id, entry });
                }
            }
            (ServerLine::Info(_), Reply::Help { lines: Limits::MAX_HELP.. }) => {
                self.violation("its help has no end");
            }
            (ServerLine::Info(text), Reply::Help { lines }) => {
                *lines += 1;
                self.events.push_back(ClientEvent::Info { id: front.id, text });
            }
            (ServerLine::Sending(sending), Reply::Download(_)) => self.download_begins(sending),
            (ServerLine::Data(length), Reply::Download(_)) => self.download_continues(length),
            (ServerLine::Ready, Reply::Upload { ready: ready @ false, ended }) => {
                *ready = true;
                let whole = ended.is_some();
                if !whole {
                    self.upload_is_welcome();
                }
            }
            (ServerLine::Ok(summary), _) => self.take_ok(summary),
            (ServerLine::Err(refusal), _) => self.take_err(refusal),
            (
                ServerLine::Greeting(_)
                | ServerLine::Entry(_)
                | ServerLine::Sending(_)
                | ServerLine::Data(_)
                | ServerLine::Ready
                | ServerLine::Info(_),
                _,
            ) => self.violation("a line is not an answer to what was asked"),
        }
    }

    fn greeted(&mut self, greeting: Greeting) {
        self.events.push_back(ClientEvent::Greeted(greeting.clone()));
        self.session = Session::Open(greeting);
    }

    fn take_ok(&mut self, summary: Summary) {
        let Some(front) = self.sent.front() else {
            return;
        };
        match &front.reply {
            Reply::Download(_) => self.download_ends(summary),
            Reply::List { entries, omitted } => {
                // An `omitted=` that was not asked for is ignored, as a server may ignore what it does not know.
                let complete = summary.entries == Some(*entries)
                    && omitted.is_none_or(|told| summary.omitted.unwrap_or(0) == told);
                if complete {
                    self.answer(Ok(summary));
                } else {
                    self.violation("a listing has not as many lines as its OK says");
                }
            }
            Reply::Upload { ended: None, .. } => {
                self.violation("an upload is acknowledged before its end");
            }
            Reply::Upload { ended: Some((size, checksum)), .. } => {
                match (summary.size, summary.checksum) {
                    (Some(said), Some(_)) if said != *size => {
                        self.violation("the receipt of an upload is for another size");
                    }
                    (Some(_), Some(said)) if said != *checksum => {
                        self.answer(Err(Failure::Corrupted));
                    }
                    (Some(_), Some(_)) => self.answer(Ok(summary)),
                    _ => self.violation("the receipt of an upload lacks its size or checksum"),
                }
            }
            Reply::Help { .. } => self.answer(Ok(summary)),
            Reply::Exit => {
                self.answer(Ok(summary));
                self.session = Session::Leaving { half_closed: false };
                self.end_waiting();
            }
        }
    }

    /// What comes after the goodbye has no server any more.
    fn end_waiting(&mut self) {
        while let Some((id, _)) = self.waiting.pop_front() {
            self.finish(id, Err(Failure::Ended));
        }
    }

    fn take_err(&mut self, refusal: Refusal) {
        if closes(&refusal) {
            self.lose(Failure::Refused(refusal));
            return;
        }
        let Some(front) = self.sent.front() else {
            return;
        };
        let fails = front.failed.is_none();
        let collateral = fails && front.collateral;
        let bad_argument = refusal.code() == Some(ErrorCode::BadArgument);
        if fails && bad_argument && self.is_asked_without_option() {
            return;
        }
        if collateral && refusal.code() == Some(ErrorCode::Aborted) {
            // A download may have begun: it begins anew.
            self.discard_file();
            if let Some(Sent { id, request, .. }) = self.sent.pop_front() {
                self.put_back(id, request);
            }
            return;
        }
        let begun = self.sent.front().map(|front| &front.reply);
        if let Some(Reply::Upload { ended: None, .. }) = begun {
            self.upload_is_refused();
        }
        self.answer(Err(Failure::Refused(refusal)));
    }

    /// Asks again for what the oldest command asks for, without the option that an older server does not know. `false` if the command has none.
    fn is_asked_without_option(&mut self) -> bool {
        match self.sent.front().map(|front| &front.reply) {
            Some(Reply::List { entries: 0, omitted: Some(0) }) => {
                self.knows_omitted = Some(false);
                if let Some(Sent { id, request, .. }) = self.sent.pop_front() {
                    self.put_back(id, request);
                }
                true
            }
            Some(Reply::Upload { .. }) => self.upload_is_announced_without_option(),
            _ => false,
        }
    }

    /// The oldest command has its final reply; `result` counts unless the request had failed before.
    pub(super) fn answer(&mut self, result: Result<Summary, Failure>) {
        let Some(sent) = self.sent.pop_front() else {
            return;
        };
        if let Request::Download { .. } = sent.request {
            self.discard_file();
        }
        let result = match sent.failed {
            Some(failure) => Err(failure),
            None => result,
        };
        self.finish(sent.id, result);
    }
}

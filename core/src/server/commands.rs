//! Between commands: lines are read, and commands are begun or refused.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

use super::download::Download;
use super::listing::Listing;
use super::look_ahead::classify;
use super::table::{self, Action, Input};
use super::upload::Upload;
use super::{Server, ServerEvent, State, Verdict};
use crate::error::{ErrorCode, StoreErrorKind, Work};
use crate::machine::Ask;
use crate::message::{ClientLine, Command, LineError, Refusal, ServerLine, Summary};

const HELP: &[&str] = &[
    "LIST [path] [depth=N|all] [omitted=yes] - what is there, and what is left out",
    "DOWNLOAD path [offset=N] [length=N] - fetch a file",
    "UPLOAD path [size=N] [mode=replace|create] [modified=T] [executable=yes] - store a file: DATA n and n bytes, any number of times, then END [crc64nvme=C], or ABORT",
    "HELP - these lines",
    "EXIT - goodbye",
    "Put a path that has spaces or = in double quotes",
];

impl Server {
    pub(super) fn advance_ready(&mut self) -> Option<Ask<ServerEvent>> {
        if self.drain.is_some() {
            self.happen(Input::Drain);
            return None;
        }
        if self.skip > 0 {
            return self.advance_skipping();
        }
        let cancelled = self.look.cancels();
        if let Some((parsed, end)) = self.peek_line() {
            let uploads = matches!(parsed, Ok(ClientLine::Command(Command::Upload { .. })));
            if !uploads && !self.batch.is_empty() {
                self.commit();
                return None;
            }
            self.consume(end);
            self.link.timer.restart();
            self.decide_line(parsed, cancelled);
            return None;
        }
        if self.link.inbox.ended {
            if self.link.inbox.is_empty() {
                self.happen(Input::HangUp);
            } else {
                self.fault("the connection ended inside a line");
            }
            return None;
        }
        if self.batch.is_empty() {
            self.link.rest();
        }
        self.read_or_commit()
    }

    /// The next line, used up; `None` if it is not whole yet.
    pub(super) fn next_line(&mut self) -> Option<Result<ClientLine, LineError>> {
        let (parsed, end) = self.peek_line()?;
        self.consume(end);
        Some(parsed)
    }

    /// The next line, and its length.
    fn peek_line(&mut self) -> Option<(Result<ClientLine, LineError>, usize)> {
        match self.link.inbox.line() {
            Ok(line) => line.map(|line| (ClientLine::parse(line.text), line.end)),
            Err(fault) => Some((Err(LineError::new(ErrorCode::Protocol, fault.to_string())), 0)),
        }
    }

    fn decide_line(&mut self, parsed: Result<ClientLine, LineError>, cancelled: bool) {
        let Some(phase) = self.phase() else { return };
        let action = table::decide(phase, classify(&parsed));
        if matches!(action, Action::Run | Action::Refuse) {
            self.commands += 1;
            self.began = self.link.timer.now();
        }
        match (action, parsed) {
            (Action::Run, Ok(ClientLine::Command(command))) => {
                self.current = Some(command.clone());
                if cancelled {
                    self.refuse(ErrorCode::Aborted, "cancelled");
                } else {
                    self.run(command);
                }
            }
            (Action::Refuse, Err(_)) if cancelled => self.refuse(ErrorCode::Aborted, "cancelled"),
            (Action::Refuse, Err(error)) => {
                let reply = Err(Refusal::new(error.code, error.text));
                self.end(Verdict::Reply { reply, cause: None });
            }
            (Action::Skip, Ok(ClientLine::Data(length))) => {
                if length > self.config.limits.max_data {
                    self.fault(super::upload::OVERSIZED_DATA);
                    return;
                }
                self.discarded = self.discarded.saturating_add(length);
                if self.discarded > self.config.limits.max_discard {
                    self.fault("too much was sent after a refusal");
                } else {
                    self.skip = length;
                }
            }
            (Action::Fault, Err(error)) => {
                self.end(Verdict::CutOff(Refusal::new(error.code, error.text)));
            }
            (Action::Fault, Ok(_)) => self.fault("DATA and END belong to an UPLOAD"),
            _ => {}
        }
    }

    fn consume(&mut self, count: usize) {
        self.link.inbox.consume(count);
        self.look.consumed(count);
    }

    fn advance_skipping(&mut self) -> Option<Ask<ServerEvent>> {
        let here = self.skip.min(self.link.inbox.len() as u64);
        if here == 0 {
            if self.link.inbox.ended {
                // What is missing is a refused body's: nobody waits for an answer.
                self.skip = 0;
                self.happen(Input::HangUp);
                return None;
            }
            return Some(self.link.read());
        }
        self.skip -= here;
        self.consume(usize::try_from(here).unwrap_or(usize::MAX));
        None
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::List { path, depth, omitted } => {
                self.state = State::Listing(Listing::new(self.next_handle(), path, depth, omitted));
            }
            Command::Download { path, offset, length } => {
                self.state =
                    State::Download(Download::new(self.next_handle(), path, offset, length));
            }
            Command::Upload { path, size, mode, modified, executable } => {
                let limit = self.config.limits.max_file_size;
                if size.zip(limit).is_some_and(|(size, limit)| size > limit) {
                    self.refuse(ErrorCode::TooLarge, StoreErrorKind::TooLarge.words(Work::Upload));
                } else {
                    let handle = self.next_handle();
                    self.state =
                        State::Upload(Upload::new(handle, path, size, mode, modified, executable));
                }
            }
            Command::Help => {
                for text in HELP {
                    self.line(&ServerLine::Info(String::from(*text)));
                }
                self.succeed(Summary::default());
            }
            Command::Exit => {
                self.succeed(Summary { text: Some(Cow::Borrowed("bye")), ..Summary::default() });
            }
        }
    }

    pub(super) fn succeed(&mut self, summary: Summary) {
        self.end(Verdict::Reply { reply: Ok(summary), cause: None });
    }
}

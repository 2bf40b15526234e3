//! Requests that transfer no files. Many run at the same time, over one connection.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::ops::ControlFlow;

use haul_core::client::{ClientEvent, Failure, Request};
use haul_core::message::Summary;
use haul_core::{ErrorCode, FilePath};
use haul_store::ClientFiles;
use haul_transport::Call;

use super::tally::Tally;
use super::transfer::Retries;
use crate::app::App;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::transport::{Transport, Watch};

/// A request to the server.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// The subject of an error.
    pub(crate) path: FilePath,
    /// A connection was lost while it ran, so it may have been carried out.
    pub(crate) again: bool,
}

/// The requests of a command, and its handling of the replies, which arrive in order unless a connection is lost.
pub(crate) trait Requests<T> {
    /// The next request.
    fn next(&mut self) -> Option<Result<Asked, Error>>;

    /// Handles a reply. The error says why the request failed.
    fn answered(
        &mut self,
        app: &mut App<'_, T>,
        asked: &Asked,
        reply: &Result<Summary, Failure>,
    ) -> Result<Answer, Error>;
}

/// The meaning of a reply that is not a failure.
pub(crate) enum Answer {
    /// The request succeeded. The inner error says why that could not be printed.
    Done(Result<(), Error>),
    /// The outcome is known, and counted, when all requests are over.
    Later,
}

impl Asked {
    pub(crate) fn new<W>(path: &FilePath, call: Call<W>) -> Self {
        Self { request: call.request, path: path.clone(), again: false }
    }

    /// Why the request failed.
    pub(crate) fn failed(&self, failure: &Failure) -> Error {
        let error = Error::request(self.path.as_str(), failure);
        match code(failure) {
            Some(code) if self.again && self.may_be_done(code) => {
                let message =
                    format!("{code}, perhaps because it was done when the connection was lost");
                Error::new(Exit::OutcomeUnknown, message)
                    .at(self.path.as_str())
                    .advise("ls shows what is there")
            }
            Some(ErrorCode::OutcomeUnknown) => {
                error.advise("it is done, but may not survive a power cut")
            }
            _ => error,
        }
    }

    /// Whether the server replies with `code` if it has already carried out this request.
    fn may_be_done(&self, code: ErrorCode) -> bool {
        match &self.request {
            Request::Move { .. } => matches!(code, ErrorCode::NotFound | ErrorCode::Exists),
            Request::MakeDirectory { .. } | Request::Copy { .. } => code == ErrorCode::Exists,
            _ => false,
        }
    }
}

/// The code of a refusal.
pub(crate) fn code(failure: &Failure) -> Option<ErrorCode> {
    match failure {
        Failure::Refused(refusal) => refusal.code(),
        _ => None,
    }
}

/// Makes all of `requests` and counts the outcomes. If the connection is lost, the unanswered ones are made again over
/// another one.
pub(crate) fn all<T: Transport>(
    app: &mut App<'_, T>,
    tally: &mut Tally,
    requests: &mut dyn Requests<T>,
) {
    let mut retries = Retries::new(app.settings.retry);
    let mut connected = app.is_connected();
    // The server may have ended this session while it was idle: no reason to wait.
    let mut old = connected && app.settings.retry > 0;
    let mut queue = RefCell::new(RequestQueue {
        app,
        tally,
        requests,
        waiting: VecDeque::new(),
        lost: None,
        broken: false,
        answered: false,
        over: false,
        unfinished: 0,
    });
    while queue.get_mut().has_next() {
        let here = queue.get_mut();
        let lost = match here.app.take_remote() {
            Ok(mut remote) => {
                connected = true;
                let ran = remote.run(&mut Calls(&queue), usize::MAX);
                let here = queue.get_mut();
                // If the last request found the connection lost, `run` did not.
                let broken = mem::take(&mut here.broken);
                if ran.is_ok() && !broken {
                    here.app.give_back(remote);
                }
                here.lost(ran.err().as_ref())
            }
            Err(error) if connected => Some(error),
            Err(error) => {
                here.give_up(&error);
                break;
            }
        };
        let here = queue.get_mut();
        if mem::take(&mut here.answered) {
            retries.reset();
            old = false;
        }
        if let Some(error) = lost {
            let goes_on = if mem::take(&mut old) {
                here.app.asks_again(&error)
            } else {
                retries.wait(here.app, &error)
            };
            if !goes_on {
                here.give_up(&error);
            }
        }
    }
    queue.into_inner().close();
}

struct RequestQueue<'d, 'a, T> {
    app: &'d mut App<'a, T>,
    tally: &'d mut Tally,
    requests: &'d mut dyn Requests<T>,
    /// Requests that come before all further ones.
    waiting: VecDeque<Asked>,
    /// Why a connection was lost.
    lost: Option<Error>,
    /// A request has found that the connection is unusable.
    broken: bool,
    /// The server has answered a request over this connection.
    answered: bool,
    /// No more requests are made.
    over: bool,
    /// The number of requests that ended with the program, besides the one that was reported.
    unfinished: usize,
}

impl<T: Transport> RequestQueue<'_, '_, T> {
    fn has_next(&mut self) -> bool {
        let Some(asked) = self.next() else { return false };
        self.waiting.push_front(asked);
        true
    }

    fn next(&mut self) -> Option<Asked> {
        while !self.over {
            if let Some(asked) = self.waiting.pop_front() {
                return Some(asked);
            }
            match self.requests.next()? {
                Ok(asked) => return Some(asked),
                Err(error) => self.count(&Err(error)),
            }
        }
        None
    }

    fn count(&mut self, outcome: &Result<u64, Error>) {
        self.over |= outcome.as_ref().is_err_and(Error::is_hopeless);
        self.tally.count(self.app, outcome);
    }

    fn answered(&mut self, asked: Asked, reply: &Result<Summary, Failure>) {
        if let Err(failure) = reply {
            self.broken |= error::loses_connection(failure);
            let error = asked.failed(failure);
            if self.over && error.is_hopeless() {
                self.unfinished += 1;
                return;
            }
            if error.retry_after().is_some() {
                self.lost.get_or_insert(error);
                self.waiting.push_back(Asked { again: true, ..asked });
                return;
            }
        }
        self.answered = true;
        match self.requests.answered(self.app, &asked, reply) {
            Ok(Answer::Later) => {}
            Ok(Answer::Done(printed)) => {
                self.count(&Ok(0));
                if let Err(error) = printed {
                    self.over = true;
                    self.tally.unprinted(self.app, &error.at(asked.path.as_str()));
                }
            }
            Err(error) => self.count(&Err(error)),
        }
    }

    /// Why the connection was lost, if it was. An interrupt is reported only once.
    fn lost(&mut self, failure: Option<&Failure>) -> Option<Error> {
        let lost = self.lost.take();
        if self.over {
            return None;
        }
        lost.or_else(|| Some(Error::request(&self.app.server.to_string(), failure?)))
    }

    /// Makes no more requests, because of `error`.
    fn give_up(&mut self, error: &Error) {
        self.over = true;
        self.tally.fail(self.app, 1, error);
        // The error is about this one.
        self.waiting.pop_front();
    }

    /// If no more requests are made, reports how many were not finished.
    fn close(self) {
        let Self { app, tally, requests, waiting, over, unfinished, .. } = self;
        if !over {
            return;
        }
        let mut left = waiting.len() + unfinished;
        while requests.next().is_some() {
            left += 1;
        }
        if left > 0 {
            let error = Error::new(Exit::Network, format!("{left} more not finished"));
            tally.fail(app, left, &error);
        }
    }
}

/// The next requests, as calls.
struct Calls<'s, 'd, 'a, T>(&'s RefCell<RequestQueue<'d, 'a, T>>);

impl<'s, T: Transport> Iterator for Calls<'s, '_, '_, T> {
    type Item = Call<Watch<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        let queue = self.0;
        let asked = queue.borrow_mut().next()?;
        let request = asked.request.clone();
        let mut asked = Some(asked);
        let watch = move |event: &ClientEvent| {
            if let ClientEvent::Finished { result, .. } = event
                && let Some(asked) = asked.take()
            {
                queue.borrow_mut().answered(asked, result);
            }
            ControlFlow::Continue(())
        };
        Some(Call { request, files: ClientFiles::Nothing, watch: Box::new(watch) })
    }
}

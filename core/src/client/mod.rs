//! The client's side of a connection.
//!
//! [`Client`] is a [`Machine`](crate::Machine) that carries out [`Request`]s: it sends their commands, several at a time where the protocol allows it, asks for the
//! work on the user's own files by [`Effect`]s, checks everything that the server says, and tells of it by [`ClientEvent`]s.

mod api;
mod download;
mod replies;
mod requests;
mod upload;

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::effect::{Done, Effect, Handle, Open, RequestId};
use crate::error::StoreError;
use crate::limits::Limits;
use crate::machine::{Ask, Direction, Expiry, Link, Side};
use crate::message::Greeting;
use crate::output::Wait;
use crate::timer::{Patience, What};

pub use api::{ClientConfig, ClientEvent, Failure, Progress, Request};
pub use upload::EAGER;

use requests::Sent;
use upload::Upload;

/// What is read at once while lines are expected.
const LINES_AT_ONCE: usize = 64 << 10;

/// The client's side of one connection; see [`Machine`](crate::Machine) for how it is driven.
///
/// A client without requests reads: it can be left alone until there is something to do, and is told if the server leaves.
///
/// ```
/// use std::time::Duration;
/// use haul_core::client::{Client, ClientConfig, Request};
/// use haul_core::{Depth, Machine, Output, Wait};
///
/// let mut client = Client::new(ClientConfig::default());
/// client.request(Request::List { path: None, depth: Depth::ONE, omitted: false });
/// // Nothing is said before the server's greeting.
/// assert!(matches!(client.poll(Duration::ZERO), Output::Read(Wait::UntilDeadline)));
/// ```
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    link: Link<ClientEvent>,
    session: Session,
    events: VecDeque<ClientEvent>,
    /// Requests whose command was not sent, by their numbers.
    waiting: VecDeque<(RequestId, Request)>,
    /// As many commands as may be were sent: the next ones go out together, when half of them are answered.
    full: bool,
    /// Commands without their final reply, in the order in which they were sent.
    sent: VecDeque<Sent>,
    /// The upload that is being sent, from the opening of its source to its last byte. Once its command is out, it is the last of `sent`.
    upload: Option<Upload>,
    /// What had gone out when the socket was looked at last.
    looked_after: u64,
    requests: u64,
    /// The last handle that was taken.
    handles: u64,
    file: File,
    /// Whether the server knows `omitted=yes`, once an answer has shown it.
    knows_omitted: Option<bool>,
    /// The same of `executable=yes`.
    knows_executable: Option<bool>,
    /// The socket takes nothing any more; what the server had to say may still come.
    deaf: bool,
    /// The application was told that the connection is over.
    told: bool,
}

/// The one file of this side that may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Closed,
    Open(Open),
    /// It is closed or discarded before anything else happens.
    Unwanted(Open),
}

#[derive(Debug)]
enum Session {
    /// The server has not spoken yet.
    New,
    Open(Greeting),
    /// The server said goodbye; its side closes next.
    Leaving {
        half_closed: bool,
    },
    Over(Failure),
}

impl Client {
    /// A client for a new connection.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            link: Link::new(),
            session: Session::New,
            events: VecDeque::new(),
            waiting: VecDeque::new(),
            full: false,
            sent: VecDeque::new(),
            upload: None,
            looked_after: 0,
            requests: 0,
            handles: 0,
            file: File::Closed,
            knows_omitted: None,
            knows_executable: None,
            deaf: false,
            told: false,
        }
    }

    /// What the server said first, once it has.
    pub fn greeting(&self) -> Option<&Greeting> {
        match &self.session {
            Session::Open(greeting) => Some(greeting),
            Session::New | Session::Leaving { .. } | Session::Over(_) => None,
        }
    }

    /// Requests whose command was not sent yet. Whoever has many to make keeps a few here, so that their commands go out together.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Why the connection is of no more use, if it is not.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.session {
            Session::Over(failure) => Some(failure),
            Session::Leaving { .. } => Some(&Failure::Ended),
            Session::New | Session::Open(_) => None,
        }
    }

    /// Asks for something; exactly one [`ClientEvent::Finished`] will tell how it ended. Requests are carried out in order.
    ///
    /// Call it when no answer is owed, or give up the read that stands: the next poll may ask for something else.
    pub fn request(&mut self, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.waiting.push_back((id, request));
        self.wake();
        id
    }

    /// Gives a request up. It still ends with one [`ClientEvent::Finished`], which tells of [`Failure::Cancelled`] unless it was too late. An upload whose last byte is out
    /// cannot be cancelled. The connection stays of use.
    ///
    /// Call it when no answer is owed or while an effect is carried out, or give up the read that stands, as for [`request`](Self::request).
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == id) {
            self.waiting.remove(at);
            self.finish(id, Err(Failure::Cancelled));
        } else if self.upload.as_ref().is_some_and(|upload| upload.id == id) {
            self.give_up_upload(Failure::Cancelled);
        } else if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
            sent.fail(Failure::Cancelled);
            self.discard_download_of(id);
        }
        self.wake();
    }

    /// Gives every request up, as [`cancel`](Self::cancel) does one.
    pub fn cancel_all(&mut self) {
        while let Some((id, _)) = self.waiting.pop_front() {
            self.finish(id, Err(Failure::Cancelled));
        }
        self.give_up_upload(Failure::Cancelled);
        for sent in &mut self.sent {
            sent.fail(Failure::Cancelled);
        }
        if let Some(id) = self.sent.front().map(|front| front.id) {
            self.discard_download_of(id);
        }
        self.wake();
    }

    /// What is asked for next may have changed.
    fn wake(&mut self) {
        if matches!(self.link.ask, Ask::Read(_) | Ask::Receive { .. } | Ask::Closed) {
            self.link.ask = Ask::Nothing;
        }
    }

    fn finish(&mut self, id: RequestId, result: Result<crate::message::Summary, Failure>) {
        self.events.push_back(ClientEvent::Finished { id, result });
    }

    fn discard_file(&mut self) {
        if let File::Open(open) = self.file {
            self.file = File::Unwanted(open);
        }
    }

    /// The handle of what a request opens.
    fn next_handle(&mut self) -> Handle {
        self.handles += 1;
        Handle(self.handles)
    }

    /// Notes what an effect has opened or closed.
    fn note_file(&mut self, effect: &Effect, outcome: &Result<Done, StoreError>) {
        self.file = match (effect, outcome) {
            (Effect::Create { handle, .. }, Ok(Done::Started)) => File::Open(Open::Staged(*handle)),
            (Effect::Open { handle, .. } | Effect::Publish { handle, .. }, Ok(_)) => {
                File::Open(Open::Existing(*handle))
            }
            (
                Effect::FinishReading { .. }
                | Effect::SyncDirectories { .. }
                | Effect::Close { .. }
                | Effect::Discard { .. },
                _,
            )
            | (Effect::Sync { .. } | Effect::Publish { .. }, Err(_)) => File::Closed,
            _ => return,
        };
    }

    /// The connection is of no more use.
    fn lose(&mut self, failure: Failure) {
        if !matches!(self.session, Session::Over(_)) {
            self.session = Session::Over(failure);
            self.link.outbox.clear();
            self.discard_file();
        }
    }

    fn violation(&mut self, text: &'static str) {
        self.lose(Failure::Violation(text));
    }

    /// Tells everybody that the connection is over, first those who wait for something.
    fn advance_over(&mut self) -> Option<Ask<ClientEvent>> {
        let Session::Over(failure) = &self.session else {
            return None;
        };
        let failure = failure.clone();
        if let Some(upload) = self.upload.take().filter(|upload| !upload.is_announced()) {
            self.put_back(upload.id, upload.into_request());
        }
        if let Some(Sent { id, failed, .. }) = self.sent.pop_front() {
            self.finish(id, Err(failed.unwrap_or(failure)));
        } else if let Some((id, _)) = self.waiting.pop_front() {
            self.finish(id, Err(failure));
        } else if !self.told {
            self.told = true;
            self.events.push_back(ClientEvent::Lost(failure));
        } else {
            return Some(Ask::Closed);
        }
        None
    }

    fn advance_leaving(&mut self, half_closed: bool) -> Option<Ask<ClientEvent>> {
        if !self.link.outbox.is_empty() {
            return Some(Ask::Write);
        }
        if !half_closed {
            return Some(Ask::CloseWrite);
        }
        self.link.inbox.consume(self.link.inbox.len());
        if self.link.inbox.ended {
            self.leave();
            return None;
        }
        Some(Ask::Read(Wait::UntilDeadline))
    }

    /// The session ended as it should.
    fn leave(&mut self) {
        self.lose(Failure::Ended);
        self.told = true;
    }

    fn advance_session(&mut self) -> Option<Ask<ClientEvent>> {
        if let Some(ask) = self.advance_download().or_else(|| self.look()) {
            return Some(ask);
        }
        // A download that was cancelled after its `OK` has ended just now; what follows may wait for ever.
        if matches!(self.file, File::Unwanted(_)) || !self.events.is_empty() || self.take_line() {
            return None;
        }
        if let Some(ask) = self.advance_upload() {
            return Some(ask);
        }
        if self.begin_next() {
            return None;
        }
        if self.link.inbox.ended {
            self.lose(Failure::Disconnected);
            return None;
        }
        if self.sent.is_empty() {
            self.link.rest();
        }
        Some(self.link.read())
    }
}

impl Side for Client {
    type Event = ClientEvent;

    fn link(&self) -> &Link<ClientEvent> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<ClientEvent> {
        &mut self.link
    }

    fn advance(&mut self) -> Ask<ClientEvent> {
        loop {
            if let File::Unwanted(open) = self.file {
                return Ask::Perform(open.end());
            }
            if let Some(event) = self.events.pop_front() {
                return Ask::Event(event);
            }
            if self.link.outbox.len() >= Limits::HIGH_WATER {
                return Ask::Write;
            }
            let ask = match self.session {
                Session::New | Session::Open(_) => self.advance_session(),
                Session::Leaving { half_closed } => self.advance_leaving(half_closed),
                Session::Over(_) => self.advance_over(),
            };
            if let Some(ask) = ask {
                return ask;
            }
        }
    }

    fn patience(&self, ask: &Ask<ClientEvent>) -> Patience {
        let timing = &self.config.timing;
        let in_payload = self.payload_left() > 0;
        match (ask, &self.session) {
            (_, Session::Open(_)) if self.only_leaves() => {
                let limit = timing.goodbye.min(timing.reply);
                Patience::Fixed { what: What::Goodbye, limit }
            }
            (Ask::Read(_), Session::Leaving { .. }) => {
                Patience::Fixed { what: What::Linger, limit: timing.linger }
            }
            (Ask::Read(_), Session::Open(_)) if self.sent.is_empty() && !self.deaf => {
                Patience::Endless
            }
            (Ask::Read(_), Session::New) => {
                Patience::Fixed { what: What::Greeting, limit: timing.greeting }
            }
            (Ask::Read(_), _) if !in_payload => {
                Patience::Fixed { what: What::Reply, limit: timing.reply }
            }
            // A server whose storage is busy may take or send nothing for a while.
            _ => Patience::Progress { limit: timing.reply },
        }
    }

    fn appointment(&self) -> Option<Duration> {
        None
    }

    fn expired(&mut self, _: Expiry) {
        match self.session {
            Session::Leaving { .. } => self.leave(),
            Session::New => self.lose(Failure::NoGreeting),
            Session::Open(_) | Session::Over(_) => self.lose(Failure::TimedOut),
        }
    }

    fn read_size(&self) -> usize {
        let line = self.room_for_line().filter(|_| self.config.pass_through);
        line.unwrap_or_else(|| {
            let payload = usize::try_from(self.payload_left()).unwrap_or(usize::MAX);
            payload.min(self.config.limits.chunk).saturating_add(LINES_AT_ONCE)
        })
    }

    fn looked(&mut self, _: bool) {
        self.looked_after = self.link.outbox.written();
    }

    fn sent_held(&mut self, count: usize) {
        if let Some(upload) = &mut self.upload {
            upload.sent_held(count);
        }
    }

    fn holds(&mut self, count: usize) {
        self.download_holds(count);
    }

    fn broken(&mut self, direction: Direction) {
        match (direction, &self.session) {
            (_, Session::Leaving { .. }) => self.leave(),
            // The server may have said why before it stopped listening.
            (Direction::Write, Session::New | Session::Open(_)) => {
                self.deaf = true;
                self.link.outbox.clear();
            }
            (_, Session::New | Session::Open(_) | Session::Over(_)) => {
                self.lose(Failure::Disconnected);
            }
        }
    }

    fn outcome(&mut self, effect: Effect, outcome: Result<Done, StoreError>) {
        self.note_file(&effect, &outcome);
        match effect {
            Effect::Open { .. }
            | Effect::Read { .. }
            | Effect::Hold { .. }
            | Effect::FinishReading { .. } => self.upload_outcome(outcome),
            Effect::Create { .. }
            | Effect::Write { .. }
            | Effect::WriteHeld { .. }
            | Effect::Sync { .. }
            | Effect::Publish { .. }
            | Effect::SyncDirectories { .. } => self.download_outcome(outcome),
            // A client never lists, and what it closes is noted above.
            Effect::Close { .. }
            | Effect::Discard { .. }
            | Effect::List { .. }
            | Effect::NextEntries { .. } => {}
        }
    }

    fn half_closed(&mut self) {
        if let Session::Leaving { half_closed } = &mut self.session {
            *half_closed = true;
        }
    }
}

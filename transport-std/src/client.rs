//! A client that waits for each of its requests.

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;

use haul_core::client::{Client as Machine, ClientEvent, Failure, Progress};
use haul_core::message::{Greeting, Summary};
use haul_core::{Entry, FilePath, Mode};
use haul_store::{FilesById, Source, Target};
use haul_transport::call::{self, Greeted, Running};
use haul_transport::{
    Call, Clock, ConnectError, Connection, DownloadOptions, Here, ListOptions, settle,
};

use crate::connect::connect;
use crate::drive::drive;
use crate::{Cancel, ClientOptions};

/// A connection to a server.
///
/// Each call waits for its reply; [`run`](Self::run) has many requests under way. A callback that breaks cancels its request, and so does [`Cancel`]; the result is
/// then [`Failure::Cancelled`]. After a failure that is about the connection each further request fails too. Dropping the client closes the connection.
pub struct Client {
    connection: Connection<Machine, Here<FilesById>, TcpStream>,
    greeting: Greeting,
    cancel: Option<Cancel>,
}

impl Client {
    /// Connects to the address that answers first, of all that the name has, and waits for the greeting.
    pub fn connect(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let cancel = options.cancel.clone();
        let _busy = cancel.as_ref().map(Cancel::busy);
        let outcome = Self::connect_unless_cancelled(address, options);
        if let Err(ConnectError::Failed(failure)) = &outcome {
            settle(cancel.as_ref(), failure);
        }
        outcome
    }

    fn connect_unless_cancelled(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let ClientOptions { config, connect_timeout, cancel } = options;
        let wake = cancel.as_ref().map(Cancel::wake);
        let mut connection = Connection {
            machine: Machine::new(config),
            files: Here::default(),
            socket: connect(address, connect_timeout, wake)?,
            clock: Clock::start(),
        };
        let mut owner = Greeted::new(wake);
        drive(&mut connection, &mut owner).map_err(Failure::from)?;
        let greeting = owner.outcome()?;
        Ok(Self { connection, greeting, cancel })
    }

    /// What the server said first.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Lists a directory or a file; `None` is the shared directory itself. Entries come in any order.
    pub fn list(
        &mut self,
        path: Option<&FilePath>,
        options: ListOptions,
        on_entry: impl FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::list(path, options, on_entry))
    }

    /// Fetches a file into `target`, which is begun when the server begins to send, and gets its name only when length and checksum were found right.
    pub fn download(
        &mut self,
        path: &FilePath,
        options: DownloadOptions,
        target: Box<dyn Target>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::download(path, options, target, on_progress))
    }

    /// Stores `source` under `path`. Success is the server's receipt: what it has is what was read here.
    pub fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        source: Box<dyn Source>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::upload(path, mode, source, on_progress))
    }

    /// The server's lines of help: its text, to be [escaped](haul_core::Escaped) before it is shown.
    pub fn help(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        self.call(call::help(&mut lines))?;
        Ok(lines)
    }

    /// Ends the session and waits for the server's goodbye, for [`Timing::goodbye`](haul_core::Timing::goodbye) at most. All that came before is done, whatever comes of this.
    pub fn exit(mut self) -> Result<(), Failure> {
        self.call(call::exit()).map(drop)
    }

    /// Makes a request, and waits until it is over.
    pub fn call<F: FnMut(&ClientEvent) -> ControlFlow<()>>(
        &mut self,
        call: Call<F>,
    ) -> Result<Summary, Failure> {
        let mut outcome = None;
        let ran = self.run(call::single(call, &mut outcome));
        outcome.unwrap_or_else(|| Err(ran.err().unwrap_or(Failure::Ended)))
    }

    /// Makes many requests as the protocol allows, without waiting for one to end before the next, so that many small files cost few round trips.
    ///
    /// Calls are taken as there is room, a few hundred ahead, and are begun in order. Each watcher is told of its request's end by [`ClientEvent::Finished`]. The error is why
    /// no more were taken, or what ended those that were: the connection or a [`Cancel`].
    pub fn run<F: FnMut(&ClientEvent) -> ControlFlow<()>>(
        &mut self,
        calls: impl IntoIterator<Item = Call<F>>,
    ) -> Result<(), Failure> {
        let Self { connection, cancel, .. } = self;
        let _busy = cancel.as_ref().map(Cancel::busy);
        let files = FilesById::default();
        let wake = cancel.as_ref().map(Cancel::wake);
        let mut owner = Running::new(calls.into_iter(), files.waiting(), wake);
        // What was under way when a loop broke is nobody's.
        connection.machine.cancel_all();
        connection.files = Here(files);
        let driven = drive(connection, &mut owner);
        connection.files = Here::default();
        owner.outcome(driven).inspect_err(|failure| settle(cancel.as_ref(), failure))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("greeting", &self.greeting).finish_non_exhaustive()
    }
}

//! A client that waits for each of its requests.

mod cancel;
mod options;
mod owner;

use std::net::ToSocketAddrs;
use std::ops::ControlFlow;

use haul_core::client::{Client as Machine, ClientEvent, Failure, Progress, Request};
use haul_core::message::{Greeting, Summary};
use haul_core::{Depth, Entry, FilePath, Mode, StoreError, StoreErrorKind};
use haul_store::{OwnFiles, Source, Target};

pub use self::cancel::Cancel;
pub use self::options::{ClientOptions, ConnectError, DownloadOptions};
use self::owner::{Greeted, Running};
use crate::drive::{Connection, DriveError};
use crate::socket;
use crate::wait::Clock;

/// A connection to a server.
///
/// Requests run one after another, and each waits for its reply. A callback that breaks cancels its request, and so does [`Cancel`]; the result is
/// then [`Failure::Cancelled`]. After a failure that is about the connection each further request fails too. Dropping the client closes the connection.
pub struct Client {
    connection: Connection<Machine, OwnFiles>,
    greeting: Greeting,
    cancel: Option<Cancel>,
}

impl Client {
    /// Connects to the first of the addresses that answers, and waits for the greeting.
    pub fn connect(
        address: impl ToSocketAddrs,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let ClientOptions { mut config, connect_timeout, cancel } = options;
        config.pass_through = false;
        let _busy = cancel.as_ref().map(Cancel::busy);
        let wake = cancel.as_ref().map(Cancel::wake);
        let connected = socket::first(address.to_socket_addrs()?, |address| {
            socket::connect(address, connect_timeout, wake)
        })?;
        let Some(socket) = connected else {
            return Err(cancelled_by(cancel.as_ref()).into());
        };
        let mut connection = Connection {
            machine: Machine::new(config),
            files: OwnFiles::Nothing,
            socket,
            clock: Clock::start(),
        };
        let mut owner = Greeted::new(wake);
        connection.drive(&mut owner).map_err(Failure::from)?;
        match owner.outcome() {
            Ok(greeting) => Ok(Self { connection, greeting, cancel }),
            Err(Failure::Cancelled) => Err(cancelled_by(cancel.as_ref()).into()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// What the server said first.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Lists a directory or a file; `None` is the shared directory itself. Entries come in any order.
    pub fn list(
        &mut self,
        path: Option<&FilePath>,
        depth: Depth,
        mut on_entry: impl FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.run(Request::List { path: path.cloned(), depth }, OwnFiles::Nothing, |event| {
            match event {
                ClientEvent::Entry { entry, .. } => on_entry(entry),
                _ => ControlFlow::Continue(()),
            }
        })
    }

    /// Fetches a file into `target`, which is begun when the server begins to send, and gets its name only when length and checksum were found right.
    pub fn download(
        &mut self,
        path: &FilePath,
        options: DownloadOptions,
        target: Box<dyn Target>,
        mut on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let DownloadOptions { offset, length, mode } = options;
        let request = Request::Download { path: path.clone(), offset, length, mode };
        self.run(request, OwnFiles::Target(target), |event| match event {
            ClientEvent::Sending { sending, .. } => {
                on_progress(Progress { bytes: 0, total: Some(sending.length) })
            }
            ClientEvent::Progress { progress, .. } => on_progress(*progress),
            _ => ControlFlow::Continue(()),
        })
    }

    /// Stores `source` under `path`. Success is the server's receipt: what it has is what was read here.
    pub fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        source: Box<dyn Source>,
        mut on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let request = Request::Upload { path: path.clone(), mode };
        self.run(request, OwnFiles::Source(source), |event| match event {
            ClientEvent::Progress { progress, .. } => on_progress(*progress),
            _ => ControlFlow::Continue(()),
        })
    }

    /// The server's lines of help: its text, to be [escaped](haul_core::Escaped) before it is shown.
    pub fn help(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        self.run(Request::Help, OwnFiles::Nothing, |event| {
            if let ClientEvent::Info { text, .. } = event {
                lines.push(text.clone());
            }
            ControlFlow::Continue(())
        })?;
        Ok(lines)
    }

    /// Ends the session and waits for the server's goodbye.
    pub fn exit(mut self) -> Result<(), Failure> {
        self.run(Request::Exit, OwnFiles::Nothing, |_| ControlFlow::Continue(())).map(drop)
    }

    fn run(
        &mut self,
        request: Request,
        files: OwnFiles,
        watch: impl FnMut(&ClientEvent) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let Self { connection, cancel, .. } = self;
        let _busy = cancel.as_ref().map(Cancel::busy);
        let id = connection.machine.request(request);
        connection.files = files;
        let mut owner = Running::new(id, watch, cancel.as_ref().map(Cancel::wake));
        let driven = connection.drive(&mut owner);
        connection.files = OwnFiles::Nothing;
        driven?;
        match owner.outcome() {
            Err(Failure::Cancelled) => Err(cancelled_by(cancel.as_ref())),
            outcome => outcome,
        }
    }
}

/// The failure of what a cancel has ended; so it has done its work.
fn cancelled_by(cancel: Option<&Cancel>) -> Failure {
    if let Some(cancel) = cancel {
        cancel.reset();
    }
    Failure::Cancelled
}

impl From<DriveError> for Failure {
    fn from(error: DriveError) -> Self {
        Self::Local(StoreError::new(StoreErrorKind::Io, error.to_string()))
    }
}

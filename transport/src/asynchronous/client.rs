//! A client whose calls are futures.

use std::fmt;
use std::future::poll_fn;
use std::net::ToSocketAddrs;
use std::ops::ControlFlow;

use futures_lite::future::FutureExt;
use haul_core::client::{Client as Machine, ClientEvent, Failure, Progress};
use haul_core::message::{Greeting, Summary};
use haul_core::{Entry, FilePath, Mode};
use haul_store::{FilesById, Source, Target, Waiting};

use super::connect::connect;
use super::drive::drive;
use super::roaming::Roaming;
use super::{Event, Runtime};
use crate::call::{self, Call, Greeted, Running};
use crate::cancel::settle;
use crate::{
    Cancel, ClientOptions, Clock, ConnectError, Connection, DownloadOptions, DriveError, Here,
    ListOptions,
};

/// A connection to a server.
///
/// Each call waits for its reply; [`run`](Self::run) has many requests under way. A callback that breaks cancels its request, and so does [`Cancel`]; the result is
/// then [`Failure::Cancelled`]. A future that is dropped cancels its request too: what it staged is gone, and the next request tells the server. After a failure that is
/// about the connection each further request fails too. Dropping the client closes the connection.
pub struct Client<R: Runtime> {
    connection: Roaming<R, Machine, FilesById, R::Socket>,
    greeting: Greeting,
    cancel: Option<Cancel<Event>>,
}

impl<R: Runtime> Client<R> {
    /// Connects to the address that answers first, of all that the name has, and waits for the greeting.
    pub async fn connect(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions<Event>,
    ) -> Result<Self, ConnectError> {
        let cancel = options.cancel.clone();
        let _busy = cancel.as_ref().map(Cancel::busy);
        let outcome = Self::connect_unless_cancelled(address, options).await;
        if let Err(ConnectError::Failed(failure)) = &outcome {
            settle(cancel.as_ref(), failure);
        }
        outcome
    }

    async fn connect_unless_cancelled(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions<Event>,
    ) -> Result<Self, ConnectError> {
        let ClientOptions { config, connect_timeout, cancel } = options;
        let wake = cancel.as_ref().map(Cancel::wake);
        let reached = connect::<R>(address, connect_timeout);
        let cancelled = async {
            match wake {
                Some(wake) => wake.raised().await,
                None => std::future::pending().await,
            }
            Err(ConnectError::Failed(Failure::Cancelled))
        };
        let mut connection = Roaming::new(Connection {
            machine: Machine::new(config),
            files: Here(FilesById::default()),
            socket: cancelled.or(reached).await?,
            clock: Clock::start(),
        });
        let mut owner = Greeted::new(wake);
        drive(&mut connection, &mut owner).await.map_err(Failure::from)?;
        let greeting = owner.outcome()?;
        Ok(Self { connection, greeting, cancel })
    }

    /// What the server said first.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Lists a directory or a file; `None` is the shared directory itself. Entries come in any order.
    pub async fn list(
        &mut self,
        path: Option<&FilePath>,
        options: ListOptions,
        on_entry: impl FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::list(path, options, on_entry)).await
    }

    /// Fetches a file into `target`, which is begun when the server begins to send, and gets its name only when length and checksum were found right.
    pub async fn download(
        &mut self,
        path: &FilePath,
        options: DownloadOptions,
        target: Box<dyn Target>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::download(path, options, target, on_progress)).await
    }

    /// Stores `source` under `path`. Success is the server's receipt: what it has is what was read here.
    pub async fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        source: Box<dyn Source>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::upload(path, mode, source, on_progress)).await
    }

    /// The server's lines of help: its text, to be [escaped](haul_core::Escaped) before it is shown.
    pub async fn help(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        self.call(call::help(&mut lines)).await?;
        Ok(lines)
    }

    /// Ends the session and waits for the server's goodbye, for [`Timing::goodbye`](haul_core::Timing::goodbye) at most. All that came before is done, whatever comes of this.
    pub async fn exit(mut self) -> Result<(), Failure> {
        self.call(call::exit()).await.map(drop)
    }

    /// Makes a request, and waits until it is over.
    pub async fn call<F: FnMut(&ClientEvent) -> ControlFlow<()>>(
        &mut self,
        call: Call<F>,
    ) -> Result<Summary, Failure> {
        let mut outcome = None;
        let ran = self.run(call::single(call, &mut outcome)).await;
        outcome.unwrap_or_else(|| Err(ran.err().unwrap_or(Failure::Ended)))
    }

    /// Makes many requests as the protocol allows, without waiting for one to end before the next, so that many small files cost few round trips.
    ///
    /// Calls are taken as there is room, a few hundred ahead, and are begun in order. Each watcher is told of its request's end by [`ClientEvent::Finished`]. The error is why
    /// no more were taken, or what ended those that were: the connection or a [`Cancel`].
    /// `calls` is asked where the connection is driven, and should not block for long.
    pub async fn run<F: FnMut(&ClientEvent) -> ControlFlow<()>>(
        &mut self,
        calls: impl IntoIterator<Item = Call<F>>,
    ) -> Result<(), Failure> {
        let _busy = self.cancel.as_ref().map(Cancel::busy);
        let wake = self.cancel.as_ref().map(Cancel::wake);
        let lent = Lent(&mut self.connection);
        let files = lent.0.begin_anew().await.map_err(Failure::from)?;
        let mut owner = Running::new(calls.into_iter(), files, wake);
        let driven = drive(lent.0, &mut owner).await;
        drop(lent);
        owner.outcome(driven).inspect_err(|failure| settle(self.cancel.as_ref(), failure))
    }
}

/// A connection whose files are an application's, until this is dropped. The next call has the server end what is still under way then.
struct Lent<'a, R: Runtime>(&'a mut Roaming<R, Machine, FilesById, R::Socket>);

impl<R: Runtime> Roaming<R, Machine, FilesById, R::Socket> {
    /// Waits for what a dropped future has left under way, and gives it up. Answers where to give files.
    async fn begin_anew(&mut self) -> Result<Waiting, DriveError> {
        poll_fn(|cx| {
            self.poll_here(cx).map_ok(|connection| {
                connection.machine.cancel_all();
                connection.files.0.waiting()
            })
        })
        .await
    }
}

impl<R: Runtime> Drop for Lent<'_, R> {
    fn drop(&mut self) {
        self.0.with_files(FilesById::abandon);
    }
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("greeting", &self.greeting).finish_non_exhaustive()
    }
}

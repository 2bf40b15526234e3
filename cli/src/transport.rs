//! What the command line asks of the transport that it runs on.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use haul_core::client::{ClientConfig, ClientEvent, Failure};
use haul_core::message::Greeting;
use haul_store::Directory;
use haul_transport::call::SingleCall;
use haul_transport::{Call, ConnectError, Event, ServerOptions};

/// A transport, as a program's command line sees it.
///
/// Both calls block. Signals are its own: while it serves, SIGINT, SIGTERM, SIGHUP and SIGQUIT begin a drain and a second one ends at once; while a client's request runs, they
/// cancel it ([`Failure::Cancelled`]), and a second one ends the program.
pub trait Transport: Sync {
    /// The program's name, such as `haul-std`.
    const PROGRAM: &'static str;

    /// Serves until a signal ends it. `ready` is called once, when clients can connect, with the addresses that were bound; there is at least one.
    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(&[SocketAddr]),
    ) -> Result<(), ServeError>;

    /// Connects, for no longer than `connect_timeout`, and waits for the greeting, unless the client is
    /// [early](ClientConfig::early). When `abandoned` is raised, it stops and fails with [`Failure::Cancelled`].
    fn connect(
        &self,
        host: &str,
        port: u16,
        config: ClientConfig,
        connect_timeout: Duration,
        abandoned: Option<&Event>,
    ) -> Result<Box<dyn Remote>, ConnectError>;

    /// Listens to signals from now on, and not only from the first connection on. `last_words` is called before one of them ends the program at once, because no request runs or because the one that does has not ended.
    fn listen_to_signals(&self, last_words: LastWords) -> io::Result<()> {
        let _ = last_words;
        Ok(())
    }

    /// The last signal that cancelled a request, by its number.
    fn signal(&self) -> Option<i32> {
        None
    }

    /// Does nothing for a while, before another try.
    fn pause(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

/// Says that the program was interrupted.
pub type LastWords = Box<dyn Fn() + Send + Sync>;

/// What `serve` was asked for.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The shared directory; it exists.
    pub directory: PathBuf,
    /// How it is shared.
    pub sharing: haul_store::Options,
    /// The hosts to bind, each a name or an address without brackets, and their ports; 0 picks one.
    pub addresses: Vec<(String, u16)>,
    /// How it is served.
    pub server: ServerOptions,
}

impl ServeOptions {
    /// Opens the shared directory.
    pub fn store(&self) -> Result<Directory, ServeError> {
        Directory::open(&self.directory, self.sharing.clone()).map_err(ServeError::Directory)
    }
}

/// Why a server did not start or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("cannot listen: {0}")]
    Listen(#[source] io::Error),
    /// The shared directory cannot be served.
    #[error("cannot serve the directory: {0}")]
    Directory(#[source] io::Error),
    /// The server cannot go on.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Who is told what happens to a request; a break cancels it.
pub type Watch<'a> = Box<dyn FnMut(&ClientEvent) -> ControlFlow<()> + 'a>;

/// A connection to a server, after its greeting. After a [`Failure`] that is about the connection each further request fails too.
pub trait Remote: Send {
    /// What the server said first. An early client knows it once the first request is over.
    fn greeting(&self) -> Option<&Greeting>;

    /// Makes requests, up to `most` at the same time, and waits until they are over. Watchers are told what became of
    /// each; the error is why no more of `calls` were made.
    fn run(
        &mut self,
        calls: &mut dyn Iterator<Item = Call<Watch<'_>>>,
        most: usize,
    ) -> Result<(), Failure>;

    /// Ends the session, without waiting for the server's goodbye.
    ///
    /// # Errors
    /// If the connection was lost before, or the server takes nothing.
    fn leave(self: Box<Self>) -> Result<(), Failure>;
}

impl dyn Remote + '_ {
    /// Makes one request, and waits until it is over.
    pub(crate) fn ask<W: haul_transport::Watch>(
        &mut self,
        call: Call<W>,
    ) -> Result<W::Output, Failure> {
        let Call { request, files, watch } = call;
        let mut single = SingleCall::new(watch);
        let call = Call { request, files, watch: Box::new(single.watch()) as Watch<'_> };
        let ran = self.run(&mut [call].into_iter(), 1);
        single.outcome(ran)
    }
}

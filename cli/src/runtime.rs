//! What the command line asks of the transport that it runs on.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use haul_core::client::{Failure, Progress};
use haul_core::message::{Greeting, Summary};
use haul_core::{Depth, Entry, FilePath, Mode};
use haul_store::{Source, Target};

/// A transport, as a program's command line sees it.
///
/// Both calls block. Signals are the runtime's: while it serves, SIGINT and SIGTERM begin a drain and a second one ends at once; while a client's request runs, they cancel it
/// ([`Failure::Cancelled`]), and a second one ends the program.
pub trait Runtime {
    /// The program's name, such as `haul-std`.
    const PROGRAM: &'static str;

    /// Serves until a signal ends it. `ready` is called once, when clients can connect, with the address that was bound.
    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(SocketAddr),
    ) -> Result<(), ServeError>;

    /// Connects, and waits for the greeting.
    fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Remote>, ConnectError>;
}

/// What `serve` was asked for.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The shared directory; it exists.
    pub directory: PathBuf,
    /// The host to bind: a name or an address without brackets.
    pub host: String,
    /// The port to bind; 0 picks one.
    pub port: u16,
    /// Sessions at once; more are answered `busy`.
    pub max_clients: usize,
    /// Sessions at once from one address.
    pub max_clients_per_address: usize,
    /// Whether names that begin with `.` are served.
    pub hidden: bool,
    /// Whether an upload is brought to stable storage before its `OK`.
    pub durable: bool,
    /// The largest upload in bytes; `None` leaves it to the storage.
    pub max_file_size: Option<u64>,
    /// The text of the greeting.
    pub banner: String,
    /// How long running transfers may go on after a signal.
    pub grace: Duration,
    /// How long a client may be silent between commands.
    pub idle: Duration,
}

/// Why a server did not start or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The shared directory cannot be served.
    #[error("cannot serve {}: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server cannot go on.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody could be reached.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Somebody answered, but not with a greeting.
    #[error("{0}")]
    Failed(#[from] Failure),
}

/// A connection to a server, after its greeting. Requests run one after another; after a [`Failure`] that is about the connection each further one fails too.
pub trait Remote {
    /// What the server said first.
    fn greeting(&self) -> &Greeting;

    /// Lists a directory or a file. `on_entry` may stop it, which gives [`Failure::Cancelled`].
    fn list(
        &mut self,
        path: Option<&FilePath>,
        depth: Depth,
        on_entry: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure>;

    /// Fetches a file, or `length` bytes of it from `offset`, into `target`.
    fn download(
        &mut self,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
        mode: Mode,
        target: Box<dyn Target>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure>;

    /// Stores `source` under `path`.
    fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        source: Box<dyn Source>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure>;

    /// The server's lines of help.
    fn help(&mut self) -> Result<Vec<String>, Failure>;

    /// Ends the session and waits for the server's goodbye.
    fn exit(self: Box<Self>) -> Result<(), Failure>;
}

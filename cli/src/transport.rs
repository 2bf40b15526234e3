//! The interface between the command line and the transport that it runs on.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use haul_accounts::{Accounts, AccountsError};
use haul_core::account::Role;
use haul_core::client::{ClientEvent, Failure};
use haul_core::message::Greeting;
use haul_store::Directory;
use haul_transport::call::SingleCall;
use haul_transport::{Call, ClientOptions, ConnectError, Event, Layer, ServerOptions, UserStores};

use crate::address::Scheme;

/// A transport, as the command line uses it.
///
/// Calls block. The transport handles signals: while it serves, SIGINT, SIGTERM, SIGHUP and SIGQUIT start a drain, and
/// a second one ends the server at once. While a client's request runs, they cancel it ([`Failure::Cancelled`]), and a
/// second one ends the program.
pub trait Transport: Sync {
    /// The program's name, such as `haul-std`.
    const PROGRAM: &'static str;

    /// Serves until a signal ends it. Calls `ready` once, when clients can connect, with the bound addresses, of which
    /// there is at least one.
    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(&[Listening]),
    ) -> Result<(), ServeError>;

    /// Connects as [`Client::connect`](haul_transport::Client::connect) does, and sets `cancel` of the options itself. If
    /// `abandoned` is raised meanwhile, fails with [`Failure::Cancelled`].
    fn connect(
        &self,
        host: &str,
        port: u16,
        options: ClientOptions,
        abandoned: Option<&Event>,
    ) -> Result<Box<dyn Remote>, ConnectError>;

    /// Handles signals from now on, rather than from the first connection on. Calls `last_words` before a signal ends
    /// the program at once, because no request runs or the running one has not ended.
    fn listen_to_signals(&self, last_words: LastWords) -> io::Result<()> {
        let _ = last_words;
        Ok(())
    }

    /// The last signal that cancelled a request, by its number.
    fn signal(&self) -> Option<i32> {
        None
    }

    /// Pauses before a retry.
    fn pause(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

/// Prints that the program was interrupted.
pub type LastWords = Box<dyn Fn() + Send + Sync>;

/// The options of `serve`.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The shared directory; it exists.
    pub directory: PathBuf,
    /// How it is shared.
    pub sharing: haul_store::Options,
    /// Where to listen.
    pub listen_on: Vec<ListenOn>,
    /// The state directory, with the accounts. It may be missing.
    pub state: PathBuf,
    /// The role of whoever is not identified, in the whole directory.
    pub anonymous: Option<Role>,
    /// Whether nobody is served without an account or a role, even if there are no accounts.
    pub accounts_required: bool,
    /// How it is served.
    pub server: ServerOptions,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOn {
    /// A name or an address, without brackets.
    pub host: String,
    /// 0 picks a free one.
    pub port: u16,
    /// The layer over TCP, if clients use TLS.
    pub layer: Option<Layer>,
}

/// An address that a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// How clients speak to it.
    pub scheme: Scheme,
    /// The address of the socket.
    pub address: SocketAddr,
}

impl ServeOptions {
    /// Opens the shared directory and the accounts.
    pub fn users(&self) -> Result<UserStores<Directory>, ServeError> {
        let store = Directory::open(&self.directory, self.sharing.clone());
        let store = store.map_err(ServeError::Directory)?;
        let accounts = Accounts::open(&self.state, haul_accounts::Options::default())?;
        let users = UserStores::new(store, accounts, self.anonymous);
        Ok(if self.accounts_required { users.requiring_accounts() } else { users })
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
    /// The accounts cannot be used.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// The server cannot go on.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Receives the events of a request; a break cancels the request.
pub type Watch<'a> = Box<dyn FnMut(&ClientEvent) -> ControlFlow<()> + 'a>;

/// A connection to a server. After a [`Failure`] of the connection, each further request fails too.
pub trait Remote: Send {
    /// The server's greeting. An early client has it once the first request has ended.
    fn greeting(&self) -> Option<&Greeting>;

    /// Makes requests, up to `most` at the same time, and waits until they have ended. Each watcher gets the result of
    /// its request; the error says why no more of `calls` were made.
    fn run(
        &mut self,
        calls: &mut dyn Iterator<Item = Call<Watch<'_>>>,
        most: usize,
    ) -> Result<(), Failure>;

    /// Ends the session, without waiting for the server's goodbye.
    ///
    /// # Errors
    /// If the connection was lost before, or the server reads nothing.
    fn leave(self: Box<Self>) -> Result<(), Failure>;
}

impl dyn Remote + '_ {
    /// Makes one request, and waits until it has ended.
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

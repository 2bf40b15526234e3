//! A server: what it is made of, and how it is stopped.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use haul_core::server::ServerConfig;
use haul_store::Store;
use tracing::info;

use crate::socket::{first, listen};

mod accept;
mod refuse;
mod session;
mod signals;
mod slots;
mod stop;

use accept::accept;
pub use signals::drain_on_signals;
use slots::Slots;
use stop::Stop;

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// What each session keeps to. `pass_through` has no effect here yet: it counts as off.
    pub config: ServerConfig,
    /// Sessions at once; each has a thread. Whoever comes then is answered `busy`.
    pub max_clients: usize,
    /// Sessions at once from one IP address.
    pub max_clients_per_address: usize,
    /// How long commands under way may go on once a drain has begun.
    pub grace: Duration,
}

impl Default for ServerOptions {
    /// The defaults of [`ServerConfig`], 256 clients, 64 of them from one address, and 30 seconds of grace.
    fn default() -> Self {
        Self {
            config: ServerConfig::default(),
            max_clients: 256,
            max_clients_per_address: 64,
            grace: Duration::from_secs(30),
        }
    }
}

/// A server that listens. It serves once it [runs](Self::run).
#[derive(Debug)]
pub struct Server<S> {
    listener: TcpListener,
    host: Host<S>,
}

/// What all sessions of a server share.
#[derive(Debug)]
struct Host<S> {
    store: Arc<S>,
    config: Arc<ServerConfig>,
    slots: Arc<Slots>,
    stop: Arc<Stop>,
}

impl<S> Clone for Host<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            config: Arc::clone(&self.config),
            slots: Arc::clone(&self.slots),
            stop: Arc::clone(&self.stop),
        }
    }
}

impl<S: Store> Server<S> {
    /// Listens on the first of the addresses that can be had; port 0 picks one. From now on clients can connect, but they wait until the server runs.
    ///
    /// # Errors
    /// If none of the addresses can be had: that of the last one.
    pub fn bind(
        address: impl ToSocketAddrs,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let ServerOptions { mut config, max_clients, max_clients_per_address, grace } = options;
        config.pass_through = false;
        let listener = first(address.to_socket_addrs()?, listen)?;
        let host = Host {
            store,
            config: Arc::new(config),
            slots: Arc::new(Slots::new(max_clients, max_clients_per_address)),
            stop: Arc::new(Stop::new(grace)?),
        };
        Ok(Self { listener, host })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops the server from another thread.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(Arc::clone(&self.host.stop))
    }

    /// Serves until it was told to stop and all sessions are over.
    ///
    /// No trouble of a client, of the network or of the system ends it: it is logged, and others are served on.
    pub fn run(self) {
        let Self { listener, host } = self;
        accept(listener, &host);
        host.slots.wait_until_free();
        info!("stopped");
    }
}

/// Stops a server. Clones stop the same one.
#[derive(Debug, Clone)]
pub struct ServerHandle(Arc<Stop>);

impl ServerHandle {
    /// Begins the drain: the port is closed at once; each session finishes the command under way, for no longer than the grace, and then
    /// says `shutting-down`.
    pub fn shutdown(&self) {
        self.0.drain();
    }

    /// Ends all sessions at once, whatever they are doing. What was not published is discarded; only file work that has begun is waited for.
    pub fn force(&self) {
        // In this order, so that no session takes it for a mere drain.
        self.0.force.raise();
        self.0.drain();
    }
}

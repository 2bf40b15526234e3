//! A server that blocks while it runs.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use haul_store::StoreProvider;
use haul_transport::{Layer, ServerHandle, ServerOptions};

use crate::{Std, block_on};

/// A server that listens: [`haul_transport::Server`] for callers that block. It serves once it [runs](Self::run).
#[derive(Debug)]
pub struct Server<P>(haul_transport::Server<Std, P>);

impl<P: StoreProvider> Server<P> {
    /// Listens on every address of `name`; port 0 picks one. From now on clients can connect, but they wait until the server runs.
    ///
    /// # Errors
    /// See [`bind_all`](Self::bind_all).
    pub fn bind(
        name: impl ToSocketAddrs + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        Self::bind_all([name], provider, options)
    }

    /// Listens on every address of each of `names`; port 0 picks one, the same for all addresses of a name.
    ///
    /// # Errors
    /// The first address that cannot be had, an [`Unreached`](haul_transport::Unreached) within the error. One that this machine does not have is left out if the name has another.
    pub fn bind_all(
        names: impl IntoIterator<Item = impl ToSocketAddrs> + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        block_on(haul_transport::Server::bind_all(names, provider, options)).map(Self)
    }

    /// The same, but each name has its layer over TCP: see [`haul_transport::Server::bind_layered`].
    ///
    /// # Errors
    /// See [`bind_all`](Self::bind_all).
    pub fn bind_layered(
        names: impl IntoIterator<Item = (impl ToSocketAddrs, Option<Layer>)> + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        block_on(haul_transport::Server::bind_layered(names, provider, options)).map(Self)
    }

    /// The first address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// All addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.0.local_addrs()
    }

    /// All addresses that it listens on, each with its layer.
    pub fn layered_addrs(&self) -> impl Iterator<Item = (SocketAddr, Option<&Layer>)> {
        self.0.layered_addrs()
    }

    /// What stops the server from another thread.
    pub fn handle(&self) -> ServerHandle {
        self.0.handle()
    }

    /// Serves until it was told to stop and all sessions are over, or hang in their storage.
    ///
    /// No trouble of a client, of the network or of the system ends it: it is logged, and others are served on.
    pub fn run(self) {
        block_on(self.0.run());
    }
}

//! A server: what it is made of.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use haul_store::Store;
use haul_transport::socket::{first, listen};
use haul_transport::{ServerOptions, Slot};
use tracing::info;

use crate::ServerHandle;
use crate::wait::{Wake, wait_for};

mod accept;
mod refuse;
mod session;

use accept::accept;

type Host<S> = haul_transport::serving::Host<S, Wake>;
type Counted = haul_transport::Counted<Wake>;
type Stop = haul_transport::Stop<Wake>;

/// A server that listens. It serves once it [runs](Self::run).
#[derive(Debug)]
pub struct Server<S> {
    listener: TcpListener,
    address: SocketAddr,
    host: Host<S>,
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
        let listener = first(address.to_socket_addrs()?, listen)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, host: Host::new(store, options)? })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What stops the server from another thread.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(&self.host.stop)
    }

    /// Serves until it was told to stop and all sessions are over.
    ///
    /// No trouble of a client, of the network or of the system ends it: it is logged, and others are served on.
    pub fn run(self) {
        let Self { listener, host, .. } = self;
        accept(listener, &host);
        while let Some(closed) = host.open.until_none() {
            wait_for(closed);
        }
        host.log.tell_of_omitted();
        info!("stopped");
    }
}

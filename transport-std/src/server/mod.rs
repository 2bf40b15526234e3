//! A server: what it is made of.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use haul_store::Store;
use haul_transport::addresses::listen_on;
use haul_transport::{ServerOptions, Slot, Wake as _};
use tracing::info;

use crate::ServerHandle;
use crate::wait::{Wake, wait_for_any};

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
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    host: Host<S>,
}

impl<S: Store> Server<S> {
    /// Listens on every address of `name`; port 0 picks one. From now on clients can connect, but they wait until the server runs.
    ///
    /// # Errors
    /// See [`bind_all`](Self::bind_all).
    pub fn bind(
        name: impl ToSocketAddrs,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        Self::bind_all([name], store, options)
    }

    /// Listens on every address of each of `names`; port 0 picks one, the same for all addresses of a name.
    ///
    /// # Errors
    /// The first address that cannot be had, an [`Unreached`](haul_transport::Unreached) within the error. One that this machine does not have is left out if the name has another.
    pub fn bind_all(
        names: impl IntoIterator<Item = impl ToSocketAddrs>,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listeners = listen_on(names)?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        Ok(Self { listeners, addresses, host: Host::new(store, options)? })
    }

    /// The first address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What stops the server from another thread.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(&self.host.stop)
    }

    /// Serves until it was told to stop and all sessions are over, or hang in their storage.
    ///
    /// No trouble of a client, of the network or of the system ends it: it is logged, and others are served on.
    pub fn run(self) {
        let Self { listeners, host, .. } = self;
        accept(listeners, &host);
        let stop = &host.stop;
        while let Some(closed) = host.open.until_none() {
            let left = stop.ends_within();
            if left.is_some_and(|left| left.is_zero()) {
                host.leave_behind();
                break;
            }
            let forced = (!stop.force.is_raised()).then_some(&stop.force);
            wait_for_any([closed].into_iter().chain(forced), left);
        }
        host.log.tell_of_omitted();
        info!("stopped");
    }
}

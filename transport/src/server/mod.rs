//! A server and its parts.

mod accept;
mod accept_backoff;
mod connection_count;
mod handshake;
mod handshake_places;
mod host;
mod limiter;
mod peer;
mod refuse;
mod session;
mod stop;

use std::fmt;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::FutureExt;
use haul_store::StoreProvider;
use tracing::info;

pub use self::peer::Peer;
pub use self::stop::ServerHandle;

use crate::addresses::listen_on;
use crate::layer::Layer;
use crate::options::ServerOptions;
use crate::runtime::{Runtime, raised};
use accept::{Listener, accept};
use host::Host;

/// A server that listens. It serves once it [runs](Self::run).
pub struct Server<R: Runtime, P> {
    listeners: Vec<Listener<R>>,
    addresses: Vec<SocketAddr>,
    host: Host<P>,
}

impl<R: Runtime, P: StoreProvider> Server<R, P> {
    /// Listens on every address of `name`; port 0 picks one. Clients can connect from now on, but wait until the server
    /// runs.
    ///
    /// # Errors
    /// See [`bind_all`](Self::bind_all).
    pub async fn bind(
        name: impl ToSocketAddrs + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        Self::bind_all([name], provider, options).await
    }

    /// Listens on every address of each of `names`; port 0 picks one, the same for all addresses of a name.
    ///
    /// # Errors
    /// The first address that cannot be used; the error contains an [`Unreached`](crate::Unreached). An address that
    /// this machine does not have is skipped if the name has another.
    pub async fn bind_all(
        names: impl IntoIterator<Item = impl ToSocketAddrs> + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listen = || listen_on(names.into_iter().map(|name| (name, None)));
        Self::bind_by(listen, provider, options).await
    }

    /// The same, but each name has its layer over TCP; `None` is plain TCP. The kernel moves no payload through a
    /// layer.
    ///
    /// # Errors
    /// See [`bind_all`](Self::bind_all). An address that occurs with two different layers cannot be used.
    pub async fn bind_layered(
        names: impl IntoIterator<Item = (impl ToSocketAddrs, Option<Layer>)> + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        Self::bind_by(|| listen_on(names), provider, options).await
    }

    async fn bind_by(
        listen: impl FnOnce() -> io::Result<Vec<(TcpListener, Option<Layer>)>> + Send + 'static,
        provider: Arc<P>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        // Names may have to be looked up.
        let listeners = if R::TASKS_MAY_BLOCK { listen() } else { R::unblock(listen).await? };
        let (listeners, layers): (Vec<_>, Vec<_>) = listeners?.into_iter().unzip();
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let host = Host::new(provider, options, layers.iter().any(Option::is_some));
        let listeners = listeners
            .into_iter()
            .zip(layers)
            .map(|(listener, layer)| Listener::new(listener, layer))
            .collect::<Result<_, _>>()?;
        Ok(Self { listeners, addresses, host })
    }

    /// The first address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// All addresses that it listens on, each with its layer.
    pub fn layered_addrs(&self) -> impl Iterator<Item = (SocketAddr, Option<&Layer>)> {
        self.addresses.iter().copied().zip(self.listeners.iter().map(Listener::layer))
    }

    /// A handle to stop the server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(&self.host.stop)
    }

    /// Serves until the server is stopped and all sessions have ended, or hang in their storage. Dropping the future
    /// earlier ends all sessions at once.
    ///
    /// No failure of a client, of the network or of the system ends it: the failure is logged, and other clients are
    /// served.
    pub async fn run(self) {
        let _forced = ForcedOnDrop(self.handle());
        let Self { listeners, host, .. } = self;
        accept::<R, P>(listeners, &host).await;
        let stop = &host.stop;
        while let Some(closed) = host.open.until_none() {
            let left = stop.time_left();
            if left.is_some_and(|left| left.is_zero()) {
                host.warn_of_hanging_sessions();
                break;
            }
            let forced = async {
                if stop.force.is_raised() {
                    return pending().await;
                }
                raised::<R>(&stop.force).await;
            };
            raised::<R>(closed).or(forced).or(R::sleep(left.unwrap_or(Duration::MAX))).await;
        }
        host.log.report_omitted();
        info!("stopped");
    }
}

struct ForcedOnDrop(ServerHandle);

impl Drop for ForcedOnDrop {
    fn drop(&mut self) {
        self.0.force();
    }
}

impl<R: Runtime, P> fmt::Debug for Server<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

//! A server and its parts.

mod accept;
mod accept_backoff;
mod connection_count;
mod host;
mod limiter;
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
use haul_store::Store;
use tracing::info;

pub use self::stop::ServerHandle;

use crate::addresses::listen_on;
use crate::options::ServerOptions;
use crate::runtime::{Runtime, raised};
use accept::{Listener, accept};
use host::Host;

/// A server that listens. It serves once it [runs](Self::run).
pub struct Server<R: Runtime, S> {
    listeners: Vec<Listener<R>>,
    addresses: Vec<SocketAddr>,
    host: Host<S>,
}

impl<R: Runtime, S: Store> Server<R, S> {
    /// Listens on every address of `name`; port 0 picks one. Clients can connect from now on, but wait until the server
    /// runs.
    ///
    /// # Errors
    /// See [`bind_all`](Self::bind_all).
    pub async fn bind(
        name: impl ToSocketAddrs + Send + 'static,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        Self::bind_all([name], store, options).await
    }

    /// Listens on every address of each of `names`; port 0 picks one, the same for all addresses of a name.
    ///
    /// # Errors
    /// The first address that cannot be used; the error contains an [`Unreached`](crate::Unreached). An address that
    /// this machine does not have is skipped if the name has another.
    pub async fn bind_all(
        names: impl IntoIterator<Item = impl ToSocketAddrs> + Send + 'static,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listeners = if R::TASKS_MAY_BLOCK {
            listen_on(names)
        } else {
            R::unblock(move || listen_on(names)).await?
        };
        let listeners = listeners?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let listeners = listeners.into_iter().map(Listener::new).collect::<Result<_, _>>()?;
        Ok(Self { listeners, addresses, host: Host::new(store, options) })
    }

    /// The first address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
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
        accept::<R, S>(listeners, &host).await;
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

impl<R: Runtime, S> fmt::Debug for Server<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

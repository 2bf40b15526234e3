//! A server: a task that takes in connections, and one for each session and each refusal.

use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::{FutureExt, yield_now};
use haul_store::{Identity, Session, Store};
use tracing::{Instrument, debug, error, info, warn};

use super::drive::drive;
use super::roaming::Roaming;
use super::{Event, Runtime};
use crate::addresses::listen_on;
use crate::descriptors::Reserve;
use crate::serving::{Host, Refused, Served};
use crate::socket::{is_of_the_connection, prepare_accepted};
use crate::{Counted, Here, Pause, ServerHandle, ServerOptions, Slot, Slots, Stop, Wake as _};

/// Connections taken in before others get their turn.
const BATCH: usize = 64;

/// A server that listens. It serves once it [runs](Self::run).
pub struct Server<R: Runtime, S> {
    listeners: Vec<R::Listener>,
    addresses: Vec<SocketAddr>,
    host: Host<S, Event>,
    refusals: Arc<Slots>,
}

impl<R: Runtime, S: Store> Server<R, S> {
    /// Listens on every address of `name`; port 0 picks one. From now on clients can connect, but they wait until the server runs.
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
    /// The first address that cannot be had, an [`Unreached`](crate::Unreached) within the error. One that this machine does not have is left out if the name has another.
    pub async fn bind_all(
        names: impl IntoIterator<Item = impl ToSocketAddrs> + Send + 'static,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listeners = R::unblock(move || listen_on(names)).await??;
        let host = Host::new(store, options)?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        Ok(Self {
            addresses,
            listeners: listeners.into_iter().map(R::listener).collect::<Result<_, _>>()?,
            refusals: Arc::new(Slots::new(host.most_refusals, host.most_refusals)),
            host,
        })
    }

    /// The first address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What stops the server from elsewhere.
    pub fn handle(&self) -> ServerHandle<Event> {
        ServerHandle::new(&self.host.stop)
    }

    /// Serves until it was told to stop and all sessions are over, or hang in their storage. If the future is dropped before, all sessions end at once.
    ///
    /// No trouble of a client, of the network or of the system ends it: it is logged, and others are served on.
    pub async fn run(self) {
        let _forced = ForcedOnDrop(self.handle());
        let Self { listeners, host, refusals, .. } = self;
        accept::<R, S>(listeners, &host, &refusals).await;
        let stop = &host.stop;
        while let Some(closed) = host.open.until_none() {
            let left = stop.ends_within();
            if left.is_some_and(|left| left.is_zero()) {
                host.leave_behind();
                break;
            }
            let forced = async {
                if stop.force.is_raised() { pending().await } else { stop.force.raised().await }
            };
            closed.raised().or(forced).or(R::sleep(left.unwrap_or(Duration::MAX))).await;
        }
        host.log.tell_of_omitted();
        info!("stopped");
    }
}

struct ForcedOnDrop(ServerHandle<Event>);

impl Drop for ForcedOnDrop {
    fn drop(&mut self) {
        self.0.force();
    }
}

/// Takes in connections until the server drains; then closes the ports.
async fn accept<R: Runtime, S: Store>(
    listeners: Vec<R::Listener>,
    host: &Host<S, Event>,
    refusals: &Arc<Slots>,
) {
    let Stop { drain, clock, .. } = &*host.stop;
    let mut pause = Pause::default();
    let mut reserve = Reserve::new();
    for count in 1_usize.. {
        let (open, closed) = host.open.look();
        if let Some(left) = pause.left(clock.now(), open) {
            for listener in &listeners {
                host.turn_away(listener, &mut reserve);
            }
            drain.raised().or(closed.raised()).or(R::sleep(left)).await;
        } else {
            reserve.restore();
            let drained = async {
                drain.raised().await;
                None
            };
            match drained.or(async { Some(next::<R>(&listeners, count).await) }).await {
                None => return,
                Some(Ok((socket, peer))) => {
                    if pause.succeeded(clock.now()) {
                        info!("accepting again");
                    }
                    admit::<R, S>(socket, peer, host, refusals);
                }
                Some(Err(error)) if is_of_the_connection(&error) => {
                    debug!(%error, "a connection was lost");
                }
                Some(Err(error)) => {
                    if pause.failed(clock.now(), host.open.look().0) {
                        warn!(%error, "cannot accept; trying again now and then");
                    }
                }
            }
        }
        if drain.is_raised() {
            return;
        }
        if count.is_multiple_of(BATCH) {
            yield_now().await;
        }
    }
}

/// Waits for a connection at any port. With each `turn` another one comes first.
async fn next<R: Runtime>(
    listeners: &[R::Listener],
    turn: usize,
) -> io::Result<(R::Socket, SocketAddr)> {
    if let [listener] = listeners {
        return R::accept(listener).await;
    }
    let (first, last) = listeners.split_at(turn % listeners.len());
    let mut accepts: Vec<_> = last.iter().chain(first).map(|l| Box::pin(R::accept(l))).collect();
    poll_fn(|cx| {
        for accept in &mut accepts {
            if let accepted @ Poll::Ready(_) = accept.as_mut().poll(cx) {
                return accepted;
            }
        }
        Poll::Pending
    })
    .await
}

fn admit<R: Runtime, S: Store>(
    socket: R::Socket,
    peer: SocketAddr,
    host: &Host<S, Event>,
    refusals: &Arc<Slots>,
) {
    if let Err(error) = prepare_accepted(&socket) {
        debug!(%peer, %error, "a connection was lost");
        return;
    }
    let counted = host.open.count();
    let now = host.stop.clock.now();
    if let Some(slot) = host.slots.take(peer.ip(), now) {
        let span = host.log.session(peer);
        R::spawn(serve::<R, S>(socket, counted, slot, host.clone()).instrument(span));
    } else if let Some(slot) = refusals.take(peer.ip(), now) {
        host.log.refused(peer, now, true);
        R::spawn(refuse::<R, S>(socket, counted, slot, host.clone()));
    } else {
        host.log.refused(peer, host.stop.clock.now(), false);
    }
}

/// Serves a client until the session is over. Neither an error nor a panic in it reaches the runtime.
async fn serve<R: Runtime, S: Store>(
    socket: R::Socket,
    counted: Counted<Event>,
    slot: Slot,
    host: Host<S, Event>,
) {
    debug!("begun");
    let files = Here(Session::new(Arc::clone(&host.store), Identity::anonymous()));
    let mut connection = Roaming::<R, _, _, _>::new(host.welcome(files, socket));
    let mut owner = Served::new(&host, &slot);
    let driven = drive(&mut connection, &mut owner);
    // What a panic leaves half done is only dropped, never used.
    match AssertUnwindSafe(driven).catch_unwind().await {
        Ok(Ok(())) => debug!("over"),
        Ok(Err(error)) => error!(%error, "given up"),
        Err(_) => error!("panicked"),
    }
    // A client that sees its connection closed finds nothing staged and a free place.
    let socket = connection.close().await;
    drop(owner);
    drop(slot);
    drop(socket);
    drop(counted);
}

async fn refuse<R: Runtime, S: Store>(
    socket: R::Socket,
    counted: Counted<Event>,
    slot: Slot,
    host: Host<S, Event>,
) {
    let mut connection = Roaming::<R, _, _, _>::new(host.refuse(socket));
    let driven = drive(&mut connection, &mut Refused(&host.stop)).await;
    if let Err(error) = driven {
        warn!(%error, "a refusal is given up");
    }
    drop(slot);
    drop(connection);
    drop(counted);
}

impl<R: Runtime, S> fmt::Debug for Server<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

//! A server: a task that takes in connections, and one for each session and each refusal.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_lite::future::{FutureExt, yield_now};
use haul_store::{Session, Store};
use tracing::{Instrument, debug, error, info, warn};

use super::drive::drive;
use super::roaming::Roaming;
use super::{Event, Runtime};
use crate::serving::{Host, MOST_REFUSALS, Refused, Served};
use crate::socket::{first, is_of_the_connection, listen, prepare_accepted};
use crate::{Counted, Here, Pause, ServerHandle, ServerOptions, Slot, Slots, Stop, Wake as _};

/// Connections taken in before others get their turn.
const BATCH: u64 = 64;

/// A server that listens. It serves once it [runs](Self::run).
pub struct Server<R: Runtime, S> {
    listener: R::Listener,
    address: SocketAddr,
    host: Host<S, Event>,
    refusals: Arc<Slots>,
}

impl<R: Runtime, S: Store> Server<R, S> {
    /// Listens on the first of the addresses that can be had; port 0 picks one. From now on clients can connect, but they wait until the server runs.
    ///
    /// # Errors
    /// If none of the addresses can be had: that of the last one.
    pub async fn bind(
        address: impl ToSocketAddrs + Send + 'static,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listener = R::unblock(move || first(address.to_socket_addrs()?, listen)).await??;
        Ok(Self {
            address: listener.local_addr()?,
            listener: R::listener(listener)?,
            host: Host::new(store, options)?,
            refusals: Arc::new(Slots::new(MOST_REFUSALS, MOST_REFUSALS)),
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What stops the server from elsewhere.
    pub fn handle(&self) -> ServerHandle<Event> {
        ServerHandle::new(&self.host.stop)
    }

    /// Serves until it was told to stop and all sessions are over. If the future is dropped before, all sessions end at once.
    ///
    /// No trouble of a client, of the network or of the system ends it: it is logged, and others are served on.
    pub async fn run(self) {
        let _forced = ForcedOnDrop(self.handle());
        let Self { listener, host, refusals, .. } = self;
        accept::<R, S>(listener, &host, &refusals).await;
        while let Some(closed) = host.open.until_none() {
            closed.raised().await;
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

/// Takes in connections until the server drains; then closes the port.
async fn accept<R: Runtime, S: Store>(
    listener: R::Listener,
    host: &Host<S, Event>,
    refusals: &Arc<Slots>,
) {
    let Stop { drain, clock, .. } = &*host.stop;
    let mut pause = Pause::default();
    for count in 1_u64.. {
        let (open, closed) = host.open.look();
        if let Some(left) = pause.left(clock.now(), open) {
            drain.raised().or(closed.raised()).or(R::sleep(left)).await;
            if drain.is_raised() {
                return;
            }
            continue;
        }
        let drained = async {
            drain.raised().await;
            None
        };
        match drained.or(async { Some(R::accept(&listener).await) }).await {
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
        if count.is_multiple_of(BATCH) {
            yield_now().await;
        }
    }
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
    if let Some(slot) = host.slots.take(peer.ip()) {
        let span = host.log.session(peer);
        R::spawn(serve::<R, S>(socket, counted, slot, host.clone()).instrument(span));
    } else if let Some(slot) = refusals.take(peer.ip()) {
        host.log.refused(peer, host.stop.clock.now(), true);
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
    let files = Here(Session::new(Arc::clone(&host.store)));
    let mut connection = Roaming::<R, _, _, _>::new(host.welcome(files, socket));
    let mut owner = Served::new(&host);
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
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

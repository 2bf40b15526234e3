//! Accepts connections: starts a task for each admitted client and refuses the others.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::yield_now;
use haul_store::StoreProvider;
use tracing::{Instrument, debug, info, warn};

use crate::descriptors::SpareDescriptor;
use crate::event::{Event, Listener as EventListener};
use crate::layer::Layer;
use crate::runtime::{Readiness as _, Runtime};
use crate::server::accept_backoff::AcceptBackoff;
use crate::server::handshake::{Arrived, welcome};
use crate::server::host::Host;
use crate::server::peer::Peer;
use crate::server::refuse::Refusals;
use crate::server::session::{Admitted, serve};
use crate::socket::Socket;
use crate::stream::Interest;
use crate::tcp::{self, is_of_the_connection, prepare_accepted};

/// The number of connections to accept at one port before others get their turn.
const BATCH: usize = 64;

/// A listening socket that is registered with a runtime.
pub(super) struct Listener<R: Runtime> {
    /// Dropped before the socket is closed.
    readiness: R::Readiness,
    descriptor: Arc<OwnedFd>,
    layer: Option<Layer>,
}

impl<R: Runtime> Listener<R> {
    /// Connections to `listener` have this layer over TCP, if any.
    pub(super) fn new(listener: TcpListener, layer: Option<Layer>) -> io::Result<Self> {
        let descriptor = Arc::new(listener.into());
        Ok(Self { readiness: R::register(Arc::clone(&descriptor))?, descriptor, layer })
    }

    pub(super) fn layer(&self) -> Option<&Layer> {
        self.layer.as_ref()
    }

    /// Accepts a connection, if one is waiting.
    fn accept(&self) -> io::Result<(Socket<R>, SocketAddr)> {
        let (socket, peer) = tcp::accept(&self.descriptor)?;
        let peer = peer.ok_or_else(|| io::Error::from(ErrorKind::ConnectionAborted))?;
        Ok((Socket::new(socket)?, peer))
    }
}

/// Accepts connections until the server drains. Then it closes the ports and completes the running refusals.
pub(super) async fn accept<R: Runtime, P: StoreProvider>(
    mut listeners: Vec<Listener<R>>,
    host: &Host<P>,
) {
    let stop = &host.stop;
    create_event_descriptors::<R, P>(host).await;
    let mut refusals = Refusals::new(host);
    let mut backoff = AcceptBackoff::default();
    let mut reserve = SpareDescriptor::new();
    while stop.drain_by().is_none() {
        let (open, closed) = host.open.get();
        let left = backoff.left(stop.clock.now(), open);
        if left.is_some() {
            for listener in &listeners {
                host.refuse_waiting(&listener.descriptor, listener.layer(), &mut reserve);
            }
        } else {
            reserve.restore();
        }
        let pause = left.map(|left| (left, closed));
        wait(&mut listeners, host, &mut refusals, pause).await;
        for listener in listeners.iter().filter(|_| left.is_none()) {
            accept_batch(listener, host, &mut refusals, &mut backoff);
        }
        yield_now().await;
    }
    drop(listeners);
    poll_fn(|cx| refusals.poll_all(cx)).await;
}

/// Polls each event once: some runtimes need a descriptor for it, and later there may be none.
async fn create_event_descriptors<R: Runtime, P>(host: &Host<P>) {
    let (_, closed) = host.open.get();
    poll_fn(|cx| {
        for event in [&host.stop.drain, &host.stop.force, closed] {
            let _ = R::poll_raised(cx, event, &mut EventListener::default());
        }
        Poll::Ready(())
    })
    .await;
}

/// Waits until the server drains or a connection arrives; or, during a pause, until that is over or a connection is
/// closed. Refusals continue meanwhile.
async fn wait<R: Runtime, P: StoreProvider>(
    listeners: &mut [Listener<R>],
    host: &Host<P>,
    refusals: &mut Refusals<'_, P>,
    pause: Option<(Duration, &Event)>,
) {
    let (mut drains, mut closes) = (EventListener::default(), EventListener::default());
    let leaving = pause.map(|(_, closed)| closed);
    let mut pause = pin!(pause.map(|(left, _)| R::sleep(left)));
    poll_fn(|cx| {
        let _ = refusals.poll_all(cx);
        let mut ready = R::poll_raised(cx, &host.stop.drain, &mut drains).is_ready();
        match leaving.zip(pause.as_mut().as_pin_mut()) {
            Some((left, pause)) => {
                ready |= R::poll_raised(cx, left, &mut closes).is_ready();
                ready |= pause.poll(cx).is_ready();
            }
            // Each listener is polled, so that each wakes this task.
            None => ready |= listeners.iter_mut().fold(false, |any, l| any | l.is_ready(cx)),
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl<R: Runtime> Listener<R> {
    /// The next accept reports any failure.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        self.readiness.poll_ready(cx, Interest::Readable).is_ready()
    }
}

/// Accepts the waiting connections, as far as resources allow, at most [`BATCH`].
fn accept_batch<R: Runtime, P: StoreProvider>(
    listener: &Listener<R>,
    host: &Host<P>,
    refusals: &mut Refusals<'_, P>,
    backoff: &mut AcceptBackoff,
) {
    let clock = host.stop.clock;
    for _ in 0..BATCH {
        if backoff.left(clock.now(), host.open.get().0).is_some() {
            return;
        }
        match listener.accept() {
            Ok((socket, peer)) => {
                if backoff.succeeded(clock.now()) {
                    info!("accepting again");
                }
                if let Err(error) = prepare_accepted(socket.descriptor()) {
                    debug!(%peer, %error, "a connection was lost");
                } else if let Some(layer) = listener.layer() {
                    begin_handshake(socket, peer, layer, host);
                } else {
                    admit(socket, peer, host, refusals);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if is_of_the_connection(&error) => debug!(%error, "a connection was lost"),
            Err(error) => {
                if backoff.failed(clock.now(), host.open.get().0) {
                    warn!(%error, "cannot accept; trying again now and then");
                }
            }
        }
    }
}

fn admit<R: Runtime, P: StoreProvider>(
    socket: Socket<R>,
    address: SocketAddr,
    host: &Host<P>,
    refusals: &mut Refusals<'_, P>,
) {
    let counted = host.open.count();
    let Some(permit) = host.limiter.take(address.ip(), host.stop.clock.now()) else {
        refusals.begin(socket, counted, address);
        return;
    };
    let span = host.log.session(address);
    let theirs = host.clone();
    let stream = socket.plain_stream();
    let peer = Peer { address, security: stream.security() };
    let admitted = Admitted { stream, socket, counted, permit, peer };
    let started = R::spawn(admitted, move |admitted| serve(admitted, theirs).instrument(span));
    if let Err((error, Admitted { stream, socket, counted, permit, .. })) = started {
        drop((stream, permit));
        host.log.failed(address, host.stop.clock.now(), &error);
        refusals.begin(socket, counted, address);
    }
}

/// Starts a task for a client that becomes a session, or is refused, once its handshake is complete.
fn begin_handshake<R: Runtime, P: StoreProvider>(
    socket: Socket<R>,
    address: SocketAddr,
    layer: &Layer,
    host: &Host<P>,
) {
    let arrived = Arrived {
        place: host.handshakes.take(address.ip(), socket.descriptor()),
        layer: layer.clone(),
        socket,
        counted: host.open.count(),
        address,
    };
    let span = host.log.session(address);
    let theirs = host.clone();
    let started = R::spawn(arrived, move |arrived| welcome(arrived, theirs).instrument(span));
    if let Err((error, arrived)) = started {
        host.log.failed(address, host.stop.clock.now(), &error);
        drop(arrived);
    }
}

//! Taking in connections: a thread for each that has a place, a refusal for the others.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;

use haul_store::Store;
use haul_transport::descriptors::Reserve;
use haul_transport::socket::{is_of_the_connection, prepare_accepted};
use haul_transport::{Pause, Wake as _};
use tracing::{debug, info, warn};

use super::refuse::Refusals;
use super::{Counted, Host, Slot, session};

/// Connections taken in before refusals under way get their turn.
const BATCH: usize = 64;

/// Takes in connections until the server drains; then closes the ports and ends the refusals under way.
pub(super) fn accept<S: Store>(listeners: Vec<TcpListener>, host: &Host<S>) {
    let stop = &host.stop;
    let mut refusals = Refusals::new(host.most_refusals, stop, &host.log);
    let mut pause = Pause::default();
    let mut reserve = Reserve::new();
    while stop.drain_by().is_none() {
        let (open, closed) = host.open.look();
        let left = pause.left(stop.clock.now(), open);
        if left.is_some() {
            for listener in &listeners {
                host.turn_away(listener, &mut reserve);
            }
            refusals.wait(&stop.drain, [closed.as_fd()], left);
        } else {
            reserve.restore();
            refusals.wait(&stop.drain, listeners.iter().map(TcpListener::as_fd), None);
        }
        refusals.advance();
        for listener in listeners.iter().filter(|_| left.is_none()) {
            take_in(listener, host, &mut refusals, &mut pause);
        }
    }
    drop(listeners);
    while !refusals.is_empty() && !stop.force.is_raised() {
        refusals.wait(&stop.force, None, None);
        refusals.advance();
    }
}

/// Takes in what is waiting and what there is room for, at most [`BATCH`].
fn take_in<S: Store>(
    listener: &TcpListener,
    host: &Host<S>,
    refusals: &mut Refusals<'_>,
    pause: &mut Pause,
) {
    let clock = host.stop.clock;
    for _ in 0..BATCH {
        if pause.left(clock.now(), host.open.look().0).is_some() {
            return;
        }
        match listener.accept() {
            Ok((socket, peer)) => {
                if pause.succeeded(clock.now()) {
                    info!("accepting again");
                }
                admit(socket, peer, host, refusals);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if is_of_the_connection(&error) => debug!(%error, "a connection was lost"),
            Err(error) => {
                if pause.failed(clock.now(), host.open.look().0) {
                    warn!(%error, "cannot accept; trying again now and then");
                }
            }
        }
    }
}

fn admit<S: Store>(
    socket: TcpStream,
    peer: SocketAddr,
    host: &Host<S>,
    refusals: &mut Refusals<'_>,
) {
    // Not every system passes the listener's mode on.
    let prepared = socket.set_nonblocking(true).and_then(|()| prepare_accepted(&socket));
    if let Err(error) = prepared {
        debug!(%peer, %error, "a connection was lost");
        return;
    }
    let counted = host.open.count();
    let Some(slot) = host.slots.take(peer.ip(), host.stop.clock.now()) else {
        refusals.begin(host.refuse(socket), counted, peer);
        return;
    };
    match start_thread(host) {
        // The thread is there to receive: if it is not, the socket is closed and the place is given back.
        Ok(thread) => drop(thread.send((socket, counted, slot, peer))),
        Err(error) => {
            host.log.failed(peer, host.stop.clock.now(), &error);
            refusals.begin(host.refuse(socket), counted, peer);
        }
    }
}

/// Starts a thread that waits for a session to serve, so that the socket is still here if there is no thread.
fn start_thread<S: Store>(
    host: &Host<S>,
) -> io::Result<mpsc::SyncSender<(TcpStream, Counted, Slot, SocketAddr)>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let host = host.clone();
    thread::Builder::new().name("haul-session".into()).stack_size(crate::STACK_SIZE).spawn(
        move || {
            if let Ok((socket, counted, slot, peer)) = receiver.recv() {
                session::serve(socket, counted, slot, peer, &host);
            }
        },
    )?;
    Ok(sender)
}

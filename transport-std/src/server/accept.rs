//! Taking in connections: a thread for each that has a place, a refusal for the others.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use haul_store::Store;
use haul_transport::Wake as _;
use haul_transport::serving::ACCEPT_PAUSE;
use haul_transport::socket::{is_of_the_connection, prepare_accepted};
use tracing::{debug, info, warn};

use super::refuse::Refusals;
use super::{Host, Slot, session};

/// Connections taken in before refusals under way get their turn.
const BATCH: usize = 64;

/// Takes in connections until the server drains; then closes the port and ends the refusals under way.
pub(super) fn accept<S: Store>(listener: TcpListener, host: &Host<S>) {
    let stop = &host.stop;
    let mut refusals = Refusals::new(stop);
    let mut paused_until = None;
    while stop.drain_by().is_none() {
        let pause = paused_until.map(|until| stop.clock.until(until));
        let listening = pause.is_none_or(|pause| pause.is_zero());
        refusals.wait(&stop.drain, listening.then_some(&listener), pause);
        refusals.advance();
        if !listening {
            continue;
        }
        match take_in(&listener, host, &mut refusals) {
            Ok(()) => {
                if paused_until.take().is_some() {
                    info!("accepting again");
                }
            }
            Err(error) => {
                if paused_until.is_none() {
                    warn!(%error, "cannot accept; trying again every {ACCEPT_PAUSE:?}");
                }
                paused_until = Some(stop.clock.now() + ACCEPT_PAUSE);
            }
        }
    }
    drop(listener);
    while !refusals.is_empty() && !stop.force.is_raised() {
        refusals.wait(&stop.force, None, None);
        refusals.advance();
    }
}

/// Takes in what is waiting, at most [`BATCH`]. An error is this system's, not a connection's.
fn take_in<S: Store>(
    listener: &TcpListener,
    host: &Host<S>,
    refusals: &mut Refusals<'_>,
) -> io::Result<()> {
    for _ in 0..BATCH {
        match listener.accept() {
            Ok((socket, peer)) => admit(socket, peer, host, refusals),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if is_of_the_connection(&error) => debug!(%error, "a connection was lost"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
    let Some(slot) = host.slots.take(peer.ip()) else {
        refusals.begin(host.refuse(socket), peer);
        return;
    };
    match start_thread(host) {
        // The thread is there to receive: if it is not, the socket is closed and the place is given back.
        Ok(thread) => drop(thread.send((socket, peer, slot))),
        Err(error) => {
            warn!(%peer, %error, "cannot start a thread");
            refusals.begin(host.refuse(socket), peer);
        }
    }
}

/// Starts a thread that waits for a session to serve, so that the socket is still here if there is no thread.
fn start_thread<S: Store>(
    host: &Host<S>,
) -> io::Result<mpsc::SyncSender<(TcpStream, SocketAddr, Slot)>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let host = host.clone();
    thread::Builder::new().name("haul-session".into()).stack_size(crate::STACK_SIZE).spawn(
        move || {
            if let Ok((socket, peer, slot)) = receiver.recv() {
                session::serve(socket, peer, slot, &host);
            }
        },
    )?;
    Ok(sender)
}

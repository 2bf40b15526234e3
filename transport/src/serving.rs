//! On whose behalf a server's connections are driven: a session that logs and stops when it is told to, or a refusal.

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{
    Done, Effect, ErrorCode, Limits, Machine as _, Output, StoreError, StoreErrorKind,
};
use haul_store::Perform;
use rustix::net::{SocketFlags, acceptfrom_with};
use tracing::{debug, info, warn};

use crate::descriptors::{Reserve, Room, is_one_free};
use crate::log::{Log, SessionLog};
use crate::socket::{SILENCE, receive, send, shutdown};
use crate::{Connection, Files, Here, Open, Owner, Slot, Slots, Socket, Stop, Wake};

/// What the chunks of all sessions come to together, in bytes, before further sessions get smaller ones.
const CHUNKS: usize = 16 << 20;
/// The chunk of a session, in bytes, however many there are.
const LEAST_CHUNK: usize = 16 << 10;
/// Clients that are turned away before others get their turn.
const TURNED_AWAY_AT_ONCE: usize = 64;
/// What is read of a client that is turned away, in bytes.
const MOST_LEFT_UNREAD: usize = 64 << 10;
/// Seconds after which a refused client may try again.
const RETRY_AFTER: u64 = 5;
/// How often a session looks whether its place is scarce: it takes a lock, and steps are many.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// How often it looks while nothing happens.
const LOOKS_IDLY_EVERY: Duration = Duration::from_secs(15);

/// What all sessions of a server share.
#[derive(Debug)]
pub struct Host<S, W> {
    /// What is served.
    pub store: Arc<S>,
    /// What each session keeps to.
    pub config: Arc<ServerConfig>,
    /// The places for sessions.
    pub slots: Arc<Slots>,
    /// The most refusals at once. Beyond them a connection is closed without a word, so that a flood costs no more.
    pub most_refusals: usize,
    /// Whether places count as scarce though they are not.
    pub impatient: bool,
    /// The connections, those that are refused among them.
    pub open: Arc<Open<W>>,
    /// How they end.
    pub stop: Arc<Stop<W>>,
    /// What is logged of them.
    pub log: Arc<Log>,
}

impl<S, W: Wake> Host<S, W> {
    /// A server of `store`.
    pub fn new(store: Arc<S>, options: crate::ServerOptions) -> std::io::Result<Self> {
        let crate::ServerOptions { config, max_clients, max_clients_per_address, impatient, grace } =
            options;
        let room = Room::now();
        let max_clients = fit(max_clients, room);
        Ok(Self {
            store,
            config: Arc::new(config),
            slots: Arc::new(Slots::new(max_clients, max_clients_per_address)),
            most_refusals: room.refusals,
            impatient,
            open: Arc::new(Open::new()?),
            stop: Arc::new(Stop::new(grace)?),
            log: Arc::default(),
        })
    }

    /// Says that the server ends though sessions have not.
    pub fn leave_behind(&self) {
        let (sessions, _) = self.open.look();
        warn!(sessions, "their storage hangs; ending without them");
    }

    /// A client with whom a session begins. `files` are its use of the store.
    pub fn welcome<F: Files, K: Socket>(&self, files: F, socket: K) -> Connection<Server, F, K> {
        let machine = Server::new(self.config_of_next());
        Connection { machine, files, socket, clock: self.stop.clock }
    }

    /// A session holds about two chunks. Few clients get large ones, which is fast; with many the storage and the network are busy all the same, and memory is what runs out.
    fn config_of_next(&self) -> Arc<ServerConfig> {
        let share = (CHUNKS / self.slots.taken().max(1)).max(LEAST_CHUNK);
        let Limits { chunk, held, .. } = self.config.limits;
        if share >= chunk.max(held) {
            return Arc::clone(&self.config);
        }
        let mut config = ServerConfig::clone(&self.config);
        config.limits.chunk = chunk.min(share);
        config.limits.held = held.min(share);
        Arc::new(config)
    }

    /// A client that is told that there is no place.
    pub fn refuse<K: Socket>(&self, socket: K) -> Connection<Server, Here<NoFiles>, K> {
        let machine = self.refusing();
        Connection { machine, files: Here(NoFiles), socket, clock: self.stop.clock }
    }

    fn refusing(&self) -> Server {
        let refusal = Refusal {
            retry_after: Some(RETRY_AFTER),
            ..Refusal::new(ErrorCode::Busy, "as many clients as can be served are here")
        };
        Server::refusing(Arc::clone(&self.config), refusal)
    }

    /// Tells those who wait at a nonblocking `listener` that there is no place, where there is no descriptor but the one in `reserve`. Nobody waits longer than until the next call.
    pub fn turn_away(&self, listener: impl AsFd, reserve: &mut Reserve) {
        const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
        for _ in 0..TURNED_AWAY_AT_ONCE {
            // Where there is one again, whoever waits is served when the pause is over.
            if !reserve.is_there() || is_one_free() {
                return;
            }
            reserve.give_up();
            let accepted = acceptfrom_with(&listener, FLAGS);
            if let Ok((socket, peer)) = &accepted {
                if let Some(peer) = peer.as_ref().and_then(|peer| peer.clone().try_into().ok()) {
                    self.log.refused(peer, self.stop.clock.now(), true);
                }
                self.send_away(socket.as_fd());
            }
            // Its socket is closed first.
            let more = accepted.map(drop).is_ok();
            reserve.restore();
            if !more {
                return;
            }
        }
    }

    /// Tells a client that there is no place, and is done with it at once. One that sends before it reads may not hear of it.
    fn send_away(&self, socket: BorrowedFd<'_>) {
        if let Output::Write(line) = self.refusing().poll(Duration::ZERO) {
            // A new socket has room for a line, and a client that is gone needs none.
            let _ = send(socket, &[IoSlice::new(line.first())]);
        }
        let _ = shutdown(socket);
        // What is left unread would reset the connection, and might take the line with it.
        let mut room = [0; 4096];
        for _ in 0..MOST_LEFT_UNREAD / room.len() {
            let Poll::Ready(Ok(1..)) = receive(socket, || &mut room) else { return };
        }
    }
}

/// As many sessions as there are descriptors for.
fn fit(max_clients: usize, room: Room) -> usize {
    let Room { limit, most, comfortable, .. } = room;
    if max_clients > most {
        warn!(
            max_clients,
            limit, most, "too few file descriptors for so many clients; fewer are served"
        );
    } else if max_clients > comfortable {
        info!(
            max_clients,
            limit, "with all clients busy there may be too few file descriptors for their files"
        );
    }
    max_clients.min(most)
}

impl<S, W> Clone for Host<S, W> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            config: Arc::clone(&self.config),
            slots: Arc::clone(&self.slots),
            most_refusals: self.most_refusals,
            impatient: self.impatient,
            open: Arc::clone(&self.open),
            stop: Arc::clone(&self.stop),
            log: Arc::clone(&self.log),
        }
    }
}

/// A session: it logs, drains when the server does, and ends when it is forced to.
#[derive(Debug)]
pub struct Served<'a, W> {
    stop: &'a Stop<W>,
    slot: &'a Slot,
    impatient: bool,
    /// How long a refusal makes places scarce: a peer that was slow when it came has so long to make good.
    lately: Duration,
    /// How long the host of a peer may be silent while places are not scarce.
    idle: Duration,
    scarce: bool,
    looked: Option<Duration>,
    bears_silence_for: Option<Duration>,
    draining: bool,
    log: SessionLog<'a>,
}

impl<'a, W> Served<'a, W> {
    /// A session of `host` in the place that `slot` is.
    pub fn new<S>(host: &'a Host<S, W>, slot: &'a Slot) -> Self {
        let timing = &host.config.timing;
        Self {
            stop: &host.stop,
            slot,
            impatient: host.impatient,
            lately: timing.window.saturating_mul(2),
            idle: timing.idle,
            // As the socket was set up, and as the machine begins.
            scarce: true,
            looked: None,
            bears_silence_for: None,
            draining: false,
            log: SessionLog::new(&host.log),
        }
    }

    /// Learns whether the place is scarce.
    fn look(&mut self, machine: &mut Server, now: Duration) {
        self.looked = Some(now);
        let scarce = self.impatient || self.slot.is_scarce(now, self.lately);
        if scarce != self.scarce {
            self.scarce = scarce;
            self.bears_silence_for = Some(if scarce { SILENCE } else { self.idle.max(SILENCE) });
            machine.set_scarce(scarce);
        }
    }
}

impl<W: Wake> Owner<Server> for Served<'_, W> {
    type Wake = W;

    fn step_in(&mut self, machine: &mut Server, now: Duration) -> ControlFlow<()> {
        self.log.tick(now);
        if self.stop.force.is_raised() {
            return ControlFlow::Break(());
        }
        if let (false, Some(by)) = (self.draining, self.stop.drain_by()) {
            self.draining = true;
            machine.shut_down(by);
        }
        if self.looked.is_none_or(|looked| now >= looked + LOOKS_EVERY) {
            self.look(machine, now);
        }
        ControlFlow::Continue(())
    }

    fn bears_silence_for(&mut self) -> Option<Duration> {
        self.bears_silence_for.take()
    }

    fn looks_again(&self) -> Option<Duration> {
        self.looked.map(|looked| looked + LOOKS_IDLY_EVERY)
    }

    fn wake(&self) -> Option<&W> {
        Some(if self.draining { &self.stop.force } else { &self.stop.drain })
    }

    fn event(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        self.log.event(event);
        ControlFlow::Continue(())
    }
}

/// A refusal: it ends by itself soon, or when it is forced to.
#[derive(Debug)]
pub struct Refused<'a, W>(pub &'a Stop<W>);

impl<W: Wake> Owner<Server> for Refused<'_, W> {
    type Wake = W;

    fn step_in(&mut self, _: &mut Server, _: Duration) -> ControlFlow<()> {
        if self.0.force.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn wake(&self) -> Option<&W> {
        Some(&self.0.force)
    }

    fn event(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        debug!(?event, "refusing");
        ControlFlow::Continue(())
    }
}

/// What a refusal has to do with files.
#[derive(Debug)]
pub struct NoFiles;

impl Perform for NoFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let detail = format!("{} while refusing", effect.name());
        Err(StoreError::new(StoreErrorKind::Io, detail))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wake::tests::Flag;

    #[test]
    fn sessions_beyond_the_first_ones_get_smaller_chunks() {
        let most = 10_000;
        let options = crate::ServerOptions::default();
        let mut host = Host::<_, Flag>::new(Arc::new(()), options).unwrap();
        // However few descriptors there are here.
        host.slots = Arc::new(Slots::new(most, most));
        let (slots, chunks): (Vec<_>, Vec<usize>) = (0..most)
            .map(|_| {
                let slot = host.slots.take(Ipv4Addr::LOCALHOST.into(), Duration::ZERO).unwrap();
                (slot, host.config_of_next().limits.chunk)
            })
            .unzip();
        assert!(chunks[..64].iter().all(|chunk| *chunk == 256 << 10), "{:?}", &chunks[..64]);
        assert_eq!((chunks[127], chunks[most - 1]), (128 << 10, LEAST_CHUNK));
        assert!(chunks[..200].iter().sum::<usize>() < 36 << 20);
        drop(slots);
    }
}

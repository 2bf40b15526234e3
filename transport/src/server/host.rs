//! The state that all sessions of a server share.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use haul_core::account::UserName;
use haul_core::message::Refusal;
use haul_core::server::{Server as Machine, ServerConfig};
use haul_core::{ErrorCode, Limits, Machine as _, Output};
use std::io::IoSlice;
use tracing::{info, warn};

use crate::descriptors::{SessionLimits, SpareDescriptor, can_open};
use crate::layer::{Layer, PeerStream};
use crate::log::Log;
use crate::options::ServerOptions;
use crate::server::connection_count::ConnectionCount;
use crate::server::handshake_places::HandshakePlaces;
use crate::server::limiter::Limiter;
use crate::server::stop::Stop;
use crate::tcp::{self, send, shutdown};
use crate::users::Users;

/// The total size of the chunks of all sessions, in bytes, beyond which further sessions get smaller ones.
const CHUNKS: usize = 16 << 20;
/// The smallest chunk of a session, in bytes, with any number of sessions.
const LEAST_CHUNK: usize = 16 << 10;
/// The number of clients to refuse before others get their turn.
const MAX_REFUSED_AT_ONCE: usize = 64;
/// The maximum number of bytes to read from a client that is refused at once.
const MAX_READ_OF_REFUSED: usize = 64 << 10;
/// Seconds after which a refused client may try again.
const RETRY_AFTER: u64 = 5;

/// The state that all sessions of a server share.
#[derive(Debug)]
pub(crate) struct Host<P> {
    /// Gives each session its store.
    pub(crate) provider: Arc<P>,
    /// The configuration of each session over plain TCP.
    pub(crate) config: Arc<ServerConfig>,
    /// The configuration of each session over a layer: only plain TCP can be spliced.
    layered_config: Arc<ServerConfig>,
    /// The limits on sessions.
    pub(crate) limiter: Arc<Limiter>,
    /// The maximum number of refusals at the same time. Beyond them a connection is closed without a reply, so that a
    /// flood costs no more.
    pub(crate) most_refusals: usize,
    /// Whether places count as scarce even if they are not.
    pub(crate) impatient: bool,
    /// The open connections, including those that are being refused.
    pub(crate) open: Arc<ConnectionCount>,
    /// How the server stops.
    pub(crate) stop: Arc<Stop>,
    /// The log.
    pub(crate) log: Arc<Log>,
    /// Who the clients are; `None` if nobody is identified.
    pub(crate) users: Option<Arc<dyn Users>>,
    /// The places of clients whose handshake is not complete.
    pub(crate) handshakes: Arc<HandshakePlaces>,
}

impl<P> Host<P> {
    /// The state of a server of `store`, some of whose listeners are `layered`.
    pub(crate) fn new(provider: Arc<P>, options: ServerOptions, layered: bool) -> Self {
        let ServerOptions {
            config,
            max_clients,
            max_clients_per_address,
            impatient,
            grace,
            max_handshakes,
            users,
        } = options;
        let room = SessionLimits::now(layered.then_some(max_handshakes));
        let max_clients = fit(max_clients, room);
        Self {
            provider,
            layered_config: Arc::new(ServerConfig { pass_through: false, ..config.clone() }),
            config: Arc::new(config),
            limiter: Arc::new(Limiter::new(max_clients, max_clients_per_address)),
            most_refusals: room.refusals,
            impatient,
            open: Arc::default(),
            stop: Arc::new(Stop::new(grace)),
            log: Arc::default(),
            users,
            handshakes: Arc::new(HandshakePlaces::new(room.handshakes)),
        }
    }

    /// Logs that the server ends although sessions have not ended.
    pub(crate) fn warn_of_hanging_sessions(&self) {
        let (sessions, _) = self.open.get();
        warn!(sessions, "their storage hangs; ending without them");
    }

    /// The machine of a new session over `stream`; see [`Machine::with_accounts`].
    pub(crate) fn session_machine(
        &self,
        stream: &PeerStream,
        user: Option<UserName>,
        auth_required: bool,
    ) -> Machine {
        let config = if stream.plain().is_some() { &self.config } else { &self.layered_config };
        Machine::with_accounts(self.with_share(config), user, auth_required)
    }

    /// A session buffers about two chunks. A few clients get large ones, which are fast. With many clients the storage
    /// and the network are busy anyway, and memory is scarce.
    fn with_share(&self, config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
        let share = (CHUNKS / self.limiter.taken().max(1)).max(LEAST_CHUNK);
        let Limits { chunk, pass_through_chunk, .. } = config.limits;
        if share >= chunk.max(pass_through_chunk) {
            return Arc::clone(config);
        }
        let mut config = ServerConfig::clone(config);
        config.limits.chunk = chunk.min(share);
        config.limits.pass_through_chunk = pass_through_chunk.min(share);
        Arc::new(config)
    }

    /// The machine of a client that finds no place.
    pub(crate) fn busy_machine(&self) -> Machine {
        self.refusing_machine(Refusal {
            retry_after: Some(RETRY_AFTER),
            ..Refusal::new(ErrorCode::Busy, "as many clients as can be served are here")
        })
    }

    /// The machine of a client that is refused.
    pub(crate) fn refusing_machine(&self, refusal: Refusal) -> Machine {
        Machine::refusing(Arc::clone(&self.config), refusal)
    }

    /// Refuses the clients that wait at a nonblocking `listener`, while the only free descriptor is the one in
    /// `reserve`. Nobody waits longer than until the next call.
    pub(crate) fn refuse_waiting(
        &self,
        listener: impl AsFd,
        layer: Option<&Layer>,
        reserve: &mut SpareDescriptor,
    ) {
        for _ in 0..MAX_REFUSED_AT_ONCE {
            // If a descriptor is free again, waiting clients are served after the pause.
            if !reserve.is_available() || can_open() {
                return;
            }
            reserve.release();
            let accepted = tcp::accept(&listener);
            if let Ok((socket, peer)) = &accepted {
                if let Some(peer) = peer {
                    self.log.refused(*peer, self.stop.clock.now(), layer.is_none());
                }
                self.refuse_at_once(socket, layer);
            }
            // This closes its socket first.
            let more = accepted.map(drop).is_ok();
            reserve.restore();
            if !more {
                return;
            }
        }
    }

    /// Refuses a client at once. A client that sends before it reads may not get the reply, nor one that expects a
    /// layer.
    fn refuse_at_once(&self, socket: &OwnedFd, layer: Option<&Layer>) {
        if layer.is_none()
            && let Output::Write(line) = self.busy_machine().poll(Duration::ZERO)
        {
            // A new socket has room for a line, and a client that is gone needs none.
            let _ = send(socket, &[IoSlice::new(line.first())]);
        }
        let _ = shutdown(socket);
        // Unread input would reset the connection, and the reply might be lost.
        let mut room = [0; 4096];
        for _ in 0..MAX_READ_OF_REFUSED / room.len() {
            let Ok(1..) = rustix::io::read(socket, &mut room) else { return };
        }
    }
}

/// Limits the number of clients to the available descriptors.
fn fit(max_clients: usize, room: SessionLimits) -> usize {
    let SessionLimits { limit, most, without_shortage, .. } = room;
    if max_clients > most {
        warn!(
            max_clients,
            limit, most, "too few file descriptors for so many clients; fewer are served"
        );
    } else if max_clients > without_shortage {
        info!(
            max_clients,
            limit, "with all clients busy there may be too few file descriptors for their files"
        );
    }
    max_clients.min(most)
}

impl<P> Clone for Host<P> {
    fn clone(&self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            config: Arc::clone(&self.config),
            layered_config: Arc::clone(&self.layered_config),
            limiter: Arc::clone(&self.limiter),
            most_refusals: self.most_refusals,
            impatient: self.impatient,
            open: Arc::clone(&self.open),
            stop: Arc::clone(&self.stop),
            log: Arc::clone(&self.log),
            users: self.users.clone(),
            handshakes: Arc::clone(&self.handshakes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn sessions_beyond_the_first_ones_get_smaller_chunks() {
        let most = 10_000;
        let options = ServerOptions::default();
        let mut host = Host::new(Arc::new(()), options, false);
        // This must not depend on the descriptors of the test machine.
        host.limiter = Arc::new(Limiter::new(most, most));
        let (permits, chunks): (Vec<_>, Vec<usize>) = (0..most)
            .map(|_| {
                let permit = host.limiter.take(Ipv4Addr::LOCALHOST.into(), Duration::ZERO).unwrap();
                (permit, host.with_share(&host.config).limits.chunk)
            })
            .unzip();
        assert!(chunks[..64].iter().all(|chunk| *chunk == 256 << 10), "{:?}", &chunks[..64]);
        assert_eq!((chunks[127], chunks[most - 1]), (128 << 10, LEAST_CHUNK));
        assert!(chunks[..200].iter().sum::<usize>() < 36 << 20);
        drop(permits);
    }
}

//! On whose behalf a server's connections are driven: a session that logs and stops when it is told to, or a refusal.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{Done, Effect, ErrorCode, Limits, StoreError, StoreErrorKind};
use haul_store::Perform;
use tracing::debug;

use crate::log::{Log, SessionLog};
use crate::{Connection, Files, Here, Open, Owner, Slots, Socket, Stop, Wake};

/// Refusals at once. Beyond them a connection is closed without a word, so that a flood costs no more.
pub const MOST_REFUSALS: usize = 64;
/// What the chunks of all sessions come to together, in bytes, before further sessions get smaller ones.
const CHUNKS: usize = 16 << 20;
/// The chunk of a session, in bytes, however many there are.
const LEAST_CHUNK: usize = 16 << 10;
/// Seconds after which a refused client may try again.
const RETRY_AFTER: u64 = 5;

/// What all sessions of a server share.
#[derive(Debug)]
pub struct Host<S, W> {
    /// What is served.
    pub store: Arc<S>,
    /// What each session keeps to.
    pub config: Arc<ServerConfig>,
    /// The places for sessions.
    pub slots: Arc<Slots>,
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
        let crate::ServerOptions { config, max_clients, max_clients_per_address, grace } = options;
        Ok(Self {
            store,
            config: Arc::new(config),
            slots: Arc::new(Slots::new(max_clients, max_clients_per_address)),
            open: Arc::new(Open::new()?),
            stop: Arc::new(Stop::new(grace)?),
            log: Arc::default(),
        })
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
        let refusal = Refusal {
            retry_after: Some(RETRY_AFTER),
            ..Refusal::new(ErrorCode::Busy, "as many clients as can be served are here")
        };
        let machine = Server::refusing(Arc::clone(&self.config), refusal);
        Connection { machine, files: Here(NoFiles), socket, clock: self.stop.clock }
    }
}

impl<S, W> Clone for Host<S, W> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            config: Arc::clone(&self.config),
            slots: Arc::clone(&self.slots),
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
    draining: bool,
    log: SessionLog<'a>,
}

impl<'a, W> Served<'a, W> {
    /// A session of `host`.
    pub fn new<S>(host: &'a Host<S, W>) -> Self {
        Self { stop: &host.stop, draining: false, log: SessionLog::new(&host.log) }
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
        ControlFlow::Continue(())
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
        let options = crate::ServerOptions {
            max_clients: most,
            max_clients_per_address: most,
            ..crate::ServerOptions::default()
        };
        let host = Host::<_, Flag>::new(Arc::new(()), options).unwrap();
        let (slots, chunks): (Vec<_>, Vec<usize>) = (0..most)
            .map(|_| {
                let slot = host.slots.take(Ipv4Addr::LOCALHOST.into()).unwrap();
                (slot, host.config_of_next().limits.chunk)
            })
            .unzip();
        assert!(chunks[..64].iter().all(|chunk| *chunk == 256 << 10), "{:?}", &chunks[..64]);
        assert_eq!((chunks[127], chunks[most - 1]), (128 << 10, LEAST_CHUNK));
        assert!(chunks[..200].iter().sum::<usize>() < 36 << 20);
        drop(slots);
    }
}

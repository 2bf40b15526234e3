//! Telling clients that there is no place for them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{Done, Effect, ErrorCode, StoreError, StoreErrorKind};
use haul_store::Perform;
use rustix::event::{PollFd, PollFlags};
use tracing::{debug, warn};

use super::Host;
use super::stop::Stop;
use crate::drive::{Connection, Next, Owner};
use crate::wait::{Wake, wait};

/// Refusals at once. Beyond them a connection is closed without a word, so that a flood costs no more.
const MOST: usize = 64;
/// Steps of one refusal before others get their turn.
const STEPS: usize = 16;
/// Seconds after which a client may try again.
const RETRY_AFTER: u64 = 5;

/// The clients that are being refused, all on the accepting thread: a refusal needs no files, so none holds up the others.
pub(super) struct Refusals {
    under_way: Vec<Refusing>,
    config: Arc<ServerConfig>,
    stop: Arc<Stop>,
}

struct Refusing {
    connection: Connection<Server, NoFiles>,
    interest: PollFlags,
}

impl Refusals {
    pub(super) fn new<S>(host: &Host<S>) -> Self {
        Self {
            under_way: Vec::new(),
            config: Arc::clone(&host.config),
            stop: Arc::clone(&host.stop),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Begins to answer `busy` to a client.
    pub(super) fn begin(&mut self, socket: TcpStream, peer: SocketAddr) {
        if self.under_way.len() >= MOST {
            debug!(%peer, "no place; closed without a word");
            return;
        }
        debug!(%peer, "no place; refused");
        let refusal = Refusal {
            retry_after: Some(RETRY_AFTER),
            ..Refusal::new(ErrorCode::Busy, "as many clients as can be served are here")
        };
        let machine = Server::refusing(Arc::clone(&self.config), refusal);
        let connection = Connection { machine, files: NoFiles, socket, clock: self.stop.clock };
        let mut refusing = Refusing { connection, interest: PollFlags::OUT };
        if refusing.advance(&self.stop) {
            self.under_way.push(refusing);
        }
    }

    /// Takes each refusal as far as it goes without waiting.
    pub(super) fn advance(&mut self) {
        self.under_way.retain_mut(|refusing| refusing.advance(&self.stop));
    }

    /// Waits until a refusal can go on, `wake` is raised, a connection waits to be accepted or `pause` is over.
    pub(super) fn wait(
        &self,
        wake: &Wake,
        listener: Option<&TcpListener>,
        pause: Option<Duration>,
    ) {
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        fds.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
        fds.extend(
            self.under_way
                .iter()
                .map(|refusing| PollFd::new(&refusing.connection.socket, refusing.interest)),
        );
        let deadlines = self.under_way.iter().filter_map(|r| r.connection.timeout());
        let timeout = deadlines.chain(pause).min();
        if let Err(error) = wait(&mut fds, timeout) {
            warn!(%error, "cannot wait for sockets");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Refusing {
    /// Whether it is to go on.
    fn advance(&mut self, stop: &Stop) -> bool {
        for _ in 0..STEPS {
            match self.connection.step(&mut Refuser(stop)) {
                Ok(Next::Step) => {}
                Ok(Next::Wait(interest)) => {
                    self.interest = interest;
                    return true;
                }
                Ok(Next::Return) => return false,
                Err(error) => {
                    warn!(%error, "this is a bug");
                    return false;
                }
            }
        }
        // It could go on: whatever it wants next, asking for both wakes it at once.
        self.interest = PollFlags::IN | PollFlags::OUT;
        true
    }
}

struct Refuser<'a>(&'a Stop);

impl Owner<Server> for Refuser<'_> {
    fn step_in(&mut self, _: &mut Server, _: Duration) -> ControlFlow<()> {
        if self.0.force.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn wake(&self) -> Option<&Wake> {
        None
    }

    fn event(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        debug!(?event, "refusing");
        ControlFlow::Continue(())
    }
}

struct NoFiles;

impl Perform for NoFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        Err(StoreError::new(StoreErrorKind::Io, format!("{} while refusing", effect.name())))
    }
}

//! Telling clients that there is no place for them.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use haul_core::server::Server;
use haul_transport::serving::{NoFiles, Refused};
use haul_transport::{Connection, Here, Log, Next};
use rustix::event::{PollFd, PollFlags};
use tracing::warn;

use super::{Counted, Stop};
use crate::drive::{flags, step};
use crate::wait::{PAUSE, Wake, wait};

/// Steps of one refusal before others get their turn.
const STEPS: usize = 16;

/// The clients that are being refused, all on the accepting thread: a refusal needs no files, so none holds up the others.
pub(super) struct Refusals<'a> {
    under_way: Vec<Refusing>,
    /// Beyond so many a connection is closed without a word.
    most: usize,
    stop: &'a Stop,
    log: &'a Log,
}

struct Refusing {
    connection: Connection<Server, Here<NoFiles>, TcpStream>,
    interest: PollFlags,
    /// Dropped after the connection.
    _counted: Counted,
}

impl<'a> Refusals<'a> {
    pub(super) fn new(most: usize, stop: &'a Stop, log: &'a Log) -> Self {
        Self { under_way: Vec::new(), most, stop, log }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Begins to answer `busy` to a client.
    pub(super) fn begin(
        &mut self,
        connection: Connection<Server, Here<NoFiles>, TcpStream>,
        counted: Counted,
        peer: SocketAddr,
    ) {
        let told = self.under_way.len() < self.most;
        self.log.refused(peer, self.stop.clock.now(), told);
        if !told {
            return;
        }
        let mut refusing = Refusing { connection, interest: PollFlags::OUT, _counted: counted };
        if refusing.advance(self.stop) {
            self.under_way.push(refusing);
        }
    }

    /// Takes each refusal as far as it goes without waiting.
    pub(super) fn advance(&mut self) {
        self.under_way.retain_mut(|refusing| refusing.advance(self.stop));
    }

    /// Waits until a refusal can go on, `wake` is raised, there is something in `next` or `pause` is over.
    pub(super) fn wait<'b>(
        &self,
        wake: &Wake,
        next: impl IntoIterator<Item = BorrowedFd<'b>>,
        pause: Option<Duration>,
    ) {
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        let next = next.into_iter().map(|next| PollFd::from_borrowed_fd(next, PollFlags::IN));
        fds.extend(next);
        fds.extend(
            self.under_way
                .iter()
                .map(|refusing| PollFd::new(&refusing.connection.socket, refusing.interest)),
        );
        let deadlines =
            self.under_way.iter().filter_map(|r| r.connection.timeout(&Refused(self.stop)));
        let timeout = deadlines.chain(pause).min();
        if let Err(error) = wait(&mut fds, timeout) {
            warn!(%error, "cannot wait for sockets");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Refusing {
    /// Whether it is to go on.
    fn advance(&mut self, stop: &Stop) -> bool {
        for _ in 0..STEPS {
            match step(&mut self.connection, &mut Refused(stop)) {
                Ok(Next::Step) => {}
                Ok(Next::Wait(awaited)) => {
                    self.interest = flags(awaited);
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

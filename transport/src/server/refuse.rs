//! Refuses clients that exceed the limits.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use haul_core::server::{Server as Machine, ServerEvent};
use haul_core::{Done, Effect, StoreError, StoreErrorKind};
use haul_store::Perform;
use tracing::{debug, warn};

use crate::drive::drive;
use crate::event::Event;
use crate::layer::PeerStream;
use crate::offload::Offloadable;
use crate::runtime::Runtime;
use crate::server::connection_count::Counted;
use crate::server::host::Host;
use crate::server::stop::Stop;
use crate::socket::Socket;
use crate::step::{Connection, Handler};

/// The running refusals. All run in the accepting task: a refusal needs no files, so none delays the others.
pub(super) struct Refusals<'a, P> {
    under_way: Vec<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    host: &'a Host<P>,
}

impl<'a, P: Send + Sync + 'static> Refusals<'a, P> {
    pub(super) fn new(host: &'a Host<P>) -> Self {
        Self { under_way: Vec::new(), host }
    }

    /// Starts to reply `busy` to a client over plain TCP. Beyond the maximum number of refusals its connection is closed without a
    /// reply.
    pub(super) fn begin<R: Runtime>(
        &mut self,
        socket: Socket<R>,
        counted: Counted,
        peer: SocketAddr,
    ) {
        let told = self.under_way.len() < self.host.most_refusals;
        self.host.log.refused(peer, self.host.stop.clock.now(), told);
        if told {
            let (stream, machine) = (socket.plain_stream(), self.host.busy_machine());
            self.under_way.push(Box::pin(refuse(
                stream,
                socket,
                counted,
                machine,
                &self.host.stop,
            )));
        }
    }

    /// Advances each refusal without waiting; ready when none is left.
    pub(super) fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.under_way.retain_mut(|refusal| refusal.as_mut().poll(cx).is_pending());
        if self.under_way.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Sends the refusal that `machine` begins with, and closes.
pub(super) async fn refuse<R: Runtime>(
    stream: PeerStream,
    socket: Socket<R>,
    counted: Counted,
    machine: Machine,
    stop: &Stop,
) {
    let clock = stop.clock;
    let connection = Connection { machine, files: NoFiles, stream, clock };
    let mut connection = Offloadable::<R, _, _>::new(connection, socket);
    if let Err(error) = drive(&mut connection, &mut RefusalHandler(stop)).await {
        warn!(%error, "a refusal is given up");
    }
    drop(connection);
    drop(counted);
}

/// The handler of a refusal. It ends soon by itself, or when it is forced to.
#[derive(Debug)]
struct RefusalHandler<'a>(&'a Stop);

impl Handler<Machine> for RefusalHandler<'_> {
    fn before_step(&mut self, _: &mut Machine, _: Duration) -> ControlFlow<()> {
        if self.0.force.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn wake(&self) -> Option<&Event> {
        Some(&self.0.force)
    }

    fn event(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        debug!(?event, "refusing");
        ControlFlow::Continue(())
    }
}

/// A refusal needs no files.
#[derive(Debug)]
struct NoFiles;

impl Perform for NoFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let detail = format!("{} while refusing", effect.name());
        Err(StoreError::new(StoreErrorKind::Io, detail))
    }
}

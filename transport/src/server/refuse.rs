//! Telling clients that there is no place for them.

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
use crate::offload::Offloadable;
use crate::runtime::Runtime;
use crate::server::connection_count::Counted;
use crate::server::host::Host;
use crate::server::stop::Stop;
use crate::socket::Socket;
use crate::step::{Connection, Handler};

/// The clients that are being refused, all in the accepting task: a refusal needs no files, so none holds up the
/// others.
pub(super) struct Refusals<'a, S> {
    under_way: Vec<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    host: &'a Host<S>,
}

impl<'a, S: Send + Sync + 'static> Refusals<'a, S> {
    pub(super) fn new(host: &'a Host<S>) -> Self {
        Self { under_way: Vec::new(), host }
    }

    /// Begins to answer `busy` to a client. Beyond the most refusals at once its connection is closed without a word.
    pub(super) fn begin<R: Runtime>(
        &mut self,
        socket: Socket<R>,
        counted: Counted,
        peer: SocketAddr,
    ) {
        let told = self.under_way.len() < self.host.most_refusals;
        self.host.log.refused(peer, self.host.stop.clock.now(), told);
        if told {
            self.under_way.push(Box::pin(refuse::<R, S>(socket, counted, self.host)));
        }
    }

    /// Takes each refusal as far as it goes without waiting; ready when none is left.
    pub(super) fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.under_way.retain_mut(|refusal| refusal.as_mut().poll(cx).is_pending());
        if self.under_way.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

async fn refuse<R: Runtime, S>(socket: Socket<R>, counted: Counted, host: &Host<S>) {
    let mut connection = Offloadable::<R, _, _>::new(
        Connection {
            machine: host.refusal_machine(),
            files: NoFiles,
            stream: socket.stream(host.layer.as_ref()),
            clock: host.stop.clock,
        },
        socket,
    );
    if let Err(error) = drive(&mut connection, &mut RefusalHandler(&host.stop)).await {
        warn!(%error, "a refusal is given up");
    }
    drop(connection);
    drop(counted);
}

/// A refusal: it ends by itself soon, or when it is forced to.
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

/// What a refusal has to do with files.
#[derive(Debug)]
struct NoFiles;

impl Perform for NoFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let detail = format!("{} while refusing", effect.name());
        Err(StoreError::new(StoreErrorKind::Io, detail))
    }
}

//! One session: a task's work from the greeting to the end.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::FutureExt;
use haul_core::server::{Server as Machine, ServerEvent};
use haul_store::{Identity, Session, Store};
use tracing::{debug, error};

use crate::drive::drive;
use crate::event::Event;
use crate::log::SessionLog;
use crate::offload::Offloadable;
use crate::runtime::Runtime;
use crate::server::connection_count::Counted;
use crate::server::host::Host;
use crate::server::limiter::Permit;
use crate::server::stop::Stop;
use crate::socket::Socket;
use crate::step::{Connection, Handler};
use crate::tcp::SILENCE;

/// How often a session looks whether its place is scarce: it takes a lock, and steps are many.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// How often it looks while nothing happens.
const IDLE_CHECK_EVERY: Duration = Duration::from_secs(15);

/// A client that has a place, before its session has begun.
pub(super) struct Admitted<R: Runtime> {
    pub(super) socket: Socket<R>,
    pub(super) counted: Counted,
    pub(super) permit: Permit,
    pub(super) peer: SocketAddr,
}

/// Serves a client until the session is over. Neither an error nor a panic in it reaches the runtime.
pub(super) async fn serve<R: Runtime, S: Store>(admitted: Admitted<R>, host: Host<S>) {
    debug!("begun");
    let Admitted { socket, counted, permit, .. } = admitted;
    let mut connection = Offloadable::<R, _, _>::new(
        Connection {
            machine: host.session_machine(),
            files: Session::new(Arc::clone(&host.store), Identity::anonymous()),
            stream: socket.stream(host.layer.as_ref()),
            clock: host.stop.clock,
        },
        socket,
    );
    let mut handler = SessionHandler::new(&host, &permit);
    let driven = drive(&mut connection, &mut handler);
    // What a panic leaves half done is only dropped, never used.
    match AssertUnwindSafe(driven).catch_unwind().await {
        Ok(Ok(())) => debug!("over"),
        Ok(Err(error)) => error!(%error, "given up"),
        Err(_) => error!("panicked"),
    }
    // A client that sees its connection closed finds nothing staged and a free place.
    let socket = connection.close().await;
    drop(handler);
    drop(permit);
    drop(socket);
    drop(counted);
}

/// A session: it logs, drains when the server does, and ends when it is forced to.
#[derive(Debug)]
struct SessionHandler<'a> {
    stop: &'a Stop,
    permit: &'a Permit,
    impatient: bool,
    /// How long a refusal makes places scarce: a peer that was slow when it came has so long to make good.
    lately: Duration,
    /// How long the host of a peer may be silent while places are not scarce.
    idle: Duration,
    scarce: bool,
    checked: Option<Duration>,
    silence_limit: Option<Duration>,
    draining: bool,
    log: SessionLog<'a>,
}

impl<'a> SessionHandler<'a> {
    /// A session of `host` in the place that `permit` is.
    fn new<S>(host: &'a Host<S>, permit: &'a Permit) -> Self {
        let timing = &host.config.timing;
        Self {
            stop: &host.stop,
            permit,
            impatient: host.impatient,
            lately: timing.window.saturating_mul(2),
            idle: timing.idle,
            // As the socket was set up, and as the machine begins.
            scarce: true,
            checked: None,
            silence_limit: None,
            draining: false,
            log: SessionLog::new(&host.log),
        }
    }

    /// Learns whether the place is scarce.
    fn check_scarcity(&mut self, machine: &mut Machine, now: Duration) {
        self.checked = Some(now);
        let scarce = self.impatient || self.permit.is_scarce(now, self.lately);
        if scarce != self.scarce {
            self.scarce = scarce;
            self.silence_limit = Some(if scarce { SILENCE } else { self.idle.max(SILENCE) });
            machine.set_scarce(scarce);
        }
    }
}

impl Handler<Machine> for SessionHandler<'_> {
    fn before_step(&mut self, machine: &mut Machine, now: Duration) -> ControlFlow<()> {
        self.log.tick(now);
        if self.stop.force.is_raised() {
            return ControlFlow::Break(());
        }
        if let (false, Some(by)) = (self.draining, self.stop.drain_by()) {
            self.draining = true;
            machine.shut_down(by);
        }
        if self.checked.is_none_or(|checked| now >= checked + CHECK_EVERY) {
            self.check_scarcity(machine, now);
        }
        ControlFlow::Continue(())
    }

    fn silence_limit(&mut self) -> Option<Duration> {
        self.silence_limit.take()
    }

    fn next_check(&self) -> Option<Duration> {
        self.checked.map(|checked| checked + IDLE_CHECK_EVERY)
    }

    fn wake(&self) -> Option<&Event> {
        Some(if self.draining { &self.stop.force } else { &self.stop.drain })
    }

    fn event(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        // It may be one that happened while the connection was offloaded.
        self.log.tick(self.stop.clock.now());
        self.log.event(event);
        ControlFlow::Continue(())
    }
}

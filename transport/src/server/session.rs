//! Runs one session: the work of a task from the greeting to the end.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::FutureExt;
use haul_core::ErrorCode;
use haul_core::account::UserName;
use haul_core::message::Refusal;
use haul_core::server::{Server as Machine, ServerEvent};
use haul_store::{Identity, Session, StoreProvider};
use tracing::{debug, error};

use crate::drive::drive;
use crate::event::Event;
use crate::layer::PeerStream;
use crate::log::SessionLog;
use crate::offload::Offloadable;
use crate::runtime::Runtime;
use crate::server::connection_count::Counted;
use crate::server::host::Host;
use crate::server::limiter::Permit;
use crate::server::peer::Peer;
use crate::server::stop::Stop;
use crate::socket::Socket;
use crate::step::{Connection, Handler};
use crate::tcp::SILENCE;
use crate::users::{Admission, Penalised};

/// How often a session checks whether its place is scarce: the check takes a lock, and there are many steps.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// How often an idle session checks it.
const IDLE_CHECK_EVERY: Duration = Duration::from_secs(15);

/// A client with a permit, before its session has started.
pub(super) struct Admitted<R: Runtime> {
    pub(super) stream: PeerStream,
    pub(super) socket: Socket<R>,
    pub(super) counted: Counted,
    pub(super) permit: Permit,
    pub(super) peer: Peer,
}

/// Serves a client until the session is over. Neither an error nor a panic in it reaches the runtime.
pub(super) async fn serve<R: Runtime, P: StoreProvider>(admitted: Admitted<R>, host: Host<P>) {
    let Admitted { stream, socket, counted, permit, peer } = admitted;
    debug!(?peer, "begun");
    let (machine, files, user) = begin(&stream, &peer, &host);
    let mut connection = Offloadable::<R, _, _>::new(
        Connection { machine, files, stream, clock: host.stop.clock },
        socket,
    );
    let mut handler = SessionHandler::new(&host, &permit, user);
    let driven = drive(&mut connection, &mut handler);
    // What a panic leaves incomplete is only dropped, never used.
    match AssertUnwindSafe(driven).catch_unwind().await {
        Ok(Ok(())) => debug!("over"),
        Ok(Err(error)) => error!(%error, "given up"),
        Err(_) => error!("panicked"),
    }
    // A client that sees its connection closed finds no staged file and a free place.
    let socket = connection.close().await;
    drop(handler);
    drop(permit);
    drop(socket);
    drop(counted);
}

/// The machine and the files of a client that has just connected.
fn begin<P: StoreProvider>(
    stream: &PeerStream,
    peer: &Peer,
    host: &Host<P>,
) -> (Machine, Session<P>, Option<UserName>) {
    let provider = Arc::clone(&host.provider);
    let admission = match &host.users {
        Some(users) => users.admit(peer),
        None => Ok(Admission::default()),
    };
    match admission {
        Ok(Admission { user, auth_required, identify }) => {
            let client = user.clone().map_or_else(Identity::nobody, Identity::of);
            let mut session = Session::new(provider, client);
            if let Some(identify) = identify {
                session = session.identified_by(identify);
            }
            (host.session_machine(stream, user.clone(), auth_required), session, user)
        }
        Err(Penalised { retry_after }) => {
            let text = "too many attempts from your address failed; try again later";
            let refusal =
                Refusal { retry_after: Some(retry_after), ..Refusal::new(ErrorCode::Busy, text) };
            (host.refusing_machine(refusal), Session::new(provider, Identity::nobody()), None)
        }
    }
}

/// The handler of a session. It logs, drains when the server does, and ends when it is forced to.
#[derive(Debug)]
struct SessionHandler<'a> {
    stop: &'a Stop,
    permit: &'a Permit,
    impatient: bool,
    /// How long a refusal makes places scarce: a slow peer gets this time to catch up.
    lately: Duration,
    /// How long a peer's host may be silent while places are not scarce.
    idle: Duration,
    scarce: bool,
    checked: Option<Duration>,
    silence_limit: Option<Duration>,
    draining: bool,
    log: SessionLog<'a>,
}

impl<'a> SessionHandler<'a> {
    /// A handler for a session of `host` with this `permit`.
    fn new<P>(host: &'a Host<P>, permit: &'a Permit, user: Option<UserName>) -> Self {
        let timing = &host.config.timing;
        Self {
            stop: &host.stop,
            permit,
            impatient: host.impatient,
            lately: timing.window.saturating_mul(2),
            idle: timing.idle,
            // The initial setting of the socket and of the machine.
            scarce: true,
            checked: None,
            silence_limit: None,
            draining: false,
            log: SessionLog::new(&host.log, user),
        }
    }

    /// Checks whether the place is scarce.
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
        // The event may be from the time when the connection was offloaded.
        self.log.tick(self.stop.clock.now());
        self.log.event(event);
        ControlFlow::Continue(())
    }
}

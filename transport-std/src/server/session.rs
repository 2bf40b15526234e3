//! One session: a thread's work from the greeting to the end.

use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use haul_core::message::Summary;
use haul_core::server::{Server, ServerEvent};
use haul_core::{Command, Escaped, StoreError, StoreErrorKind};
use haul_store::{Session, Store};
use tracing::field::display;
use tracing::{debug, error, info, info_span, warn};

use super::Host;
use super::slots::Slot;
use super::stop::Stop;
use crate::drive::{Connection, Owner};
use crate::wait::Wake;

/// Serves a client until the session is over. Neither an error nor a panic in it reaches the caller.
pub(super) fn serve<S: Store>(socket: TcpStream, peer: SocketAddr, slot: Slot, host: &Host<S>) {
    let _span = info_span!("session", %peer).entered();
    info!("begun");
    let mut connection = Connection {
        machine: Server::new(Arc::clone(&host.config)),
        files: Session::new(Arc::clone(&host.store)),
        socket,
        clock: host.stop.clock,
    };
    let mut owner = Served { stop: &host.stop, draining: false };
    // What a panic leaves half done is only dropped, never used.
    match catch_unwind(AssertUnwindSafe(|| connection.drive(&mut owner))) {
        Ok(Ok(())) => info!("over"),
        Ok(Err(error)) => error!(%error, "given up"),
        Err(_) => error!("panicked"),
    }
    // A client that sees its connection closed finds nothing staged and a free place.
    let socket = connection.into_socket();
    drop(slot);
    drop(socket);
}

struct Served<'a> {
    stop: &'a Stop,
    draining: bool,
}

impl Owner<Server> for Served<'_> {
    fn step_in(&mut self, machine: &mut Server, _: Duration) -> ControlFlow<()> {
        if self.stop.force.is_raised() {
            return ControlFlow::Break(());
        }
        if let (false, Some(by)) = (self.draining, self.stop.drain_by()) {
            self.draining = true;
            machine.shut_down(by);
        }
        ControlFlow::Continue(())
    }

    fn wake(&self) -> Option<&Wake> {
        Some(if self.draining { &self.stop.force } else { &self.stop.drain })
    }

    fn event(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        log(event);
        ControlFlow::Continue(())
    }
}

fn log(event: &ServerEvent) {
    let command = match event {
        ServerEvent::Answered { command, .. }
        | ServerEvent::CutOff { command, .. }
        | ServerEvent::Vanished { command } => command.as_ref(),
    };
    let verb = command.map(Command::verb);
    let path = command.and_then(Command::path).map(|path| display(path.escaped()));
    match event {
        ServerEvent::Answered { id, reply, cause, .. } => {
            let number = id.0;
            match reply {
                Ok(Summary { entries, skipped, length, size, .. }) => {
                    let bytes = length.or(*size);
                    info!(number, verb, path, bytes, entries, skipped, "ok");
                }
                Err(refusal) => {
                    info!(number, verb, path, code = %Escaped::new(&refusal.word), "refused: {refusal}");
                }
            }
            if let Some(StoreError { kind, detail }) = cause {
                let cause = display(Escaped::new(detail));
                // The others are the client's doing: it must not be able to fill a log with warnings.
                match kind {
                    StoreErrorKind::Io | StoreErrorKind::NoSpace => {
                        warn!(number, cause, "the storage fails");
                    }
                    _ => debug!(number, cause, "refused by the store"),
                }
            }
        }
        ServerEvent::CutOff { refusal, .. } => {
            info!(verb, path, code = %Escaped::new(&refusal.word), "cut off: {refusal}");
        }
        ServerEvent::Vanished { .. } => info!(verb, path, "the client is gone"),
    }
}

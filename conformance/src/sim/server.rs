//! The server's side of a simulated connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{Done, Effect, ErrorCode, FilePath, Machine, StoreError};
use haul_store::{Perform, Session};

use super::drive::{Application, Bench, Habits, Turn, turn};
use super::fault::Fault;
use super::planted::Planted;
use super::store::{SIMULATED, SimStore};

/// What an effect takes when storage is slow: longer than any deadline.
const SLOW: Duration = Duration::from_mins(20);

/// A machine and its session's files.
#[derive(Debug)]
pub(super) struct ServerSide {
    machine: Server,
    pub(super) habits: Habits,
    desk: Desk,
}

#[derive(Debug)]
struct Desk {
    store: SimStore,
    session: Session<SimStore>,
    /// The upload under way, as the machine handed it on.
    upload: Option<(FilePath, Vec<u8>)>,
    published: Option<(FilePath, Bytes)>,
    answered: u64,
    took: Duration,
    broken: Option<String>,
}

impl ServerSide {
    pub(super) fn new(config: &Arc<ServerConfig>, store: SimStore, refusing: bool) -> Self {
        let machine = if refusing {
            let refusal = Refusal::new(ErrorCode::ShuttingDown, "the server is stopping");
            Server::refusing(Arc::clone(config), refusal)
        } else {
            Server::new(Arc::clone(config))
        };
        let session = Session::new(Arc::new(store.clone()));
        let desk = Desk {
            store,
            session,
            upload: None,
            published: None,
            answered: 0,
            took: Duration::ZERO,
            broken: None,
        };
        let habits = Habits::new(&config.limits);
        Self { machine, habits, desk }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    pub(super) fn shut_down(&mut self, by: Duration) {
        self.machine.shut_down(by);
    }

    pub(super) fn turn(&mut self, bench: Bench<'_>) -> Result<Turn, String> {
        let turn = turn(&mut self.machine, &mut self.habits, bench, &mut self.desk)?;
        self.desk.broken.take().map_or(Ok(turn), Err)
    }

    /// What took its name in this turn, and how long the turn took.
    pub(super) fn came_of_it(&mut self) -> (Option<(FilePath, Bytes)>, Duration) {
        (self.desk.published.take(), std::mem::take(&mut self.desk.took))
    }
}

impl Application<ServerEvent> for Desk {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        if self.store.disk.lock().strikes(self.store.session, Fault::SlowStorage) {
            self.took = SLOW;
        }
        let outcome = self.session.perform(effect);
        if let Err(error) = &outcome
            && error.detail != SIMULATED
        {
            self.broken = Some(format!("{} was out of its place: {error}", effect.name()));
        }
        match (effect, &mut self.upload) {
            (Effect::Create { path, .. }, upload) => *upload = Some((path.clone(), Vec::new())),
            (Effect::Write { data, .. }, Some((_, written))) if outcome.is_ok() => {
                written.extend_from_slice(data);
            }
            (Effect::Publish { .. }, upload) if outcome.is_ok() => {
                self.published = upload.take().map(|(path, data)| (path, data.into()));
            }
            _ => {}
        }
        outcome
    }

    fn event(&mut self, event: &ServerEvent) {
        if let ServerEvent::Answered { id, .. } = event {
            self.answered += 1;
            if id.0 != self.answered {
                self.broken =
                    Some(format!("command {} is answered as number {}", id.0, self.answered));
            }
        }
    }
}

/// What a planted bug makes of the server's clock.
pub(super) fn clock(planted: Option<Planted>, now: Duration) -> Duration {
    if planted == Some(Planted::ClockStopped) { Duration::ZERO } else { now }
}

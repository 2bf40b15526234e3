//! The server's side of a simulated connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{Done, Effect, ErrorCode, FilePath, Handle, Machine, StoreError};
use haul_store::{Identity, Perform, Session};

use crate::drive::{Application, DriverState, Turn, TurnContext, turn};
use crate::fault::Fault;
use crate::planted::Planted;
use crate::store::{SIMULATED, SimStore};

/// How long an effect takes when storage is slow: longer than any deadline.
const SLOW: Duration = Duration::from_mins(20);

/// A machine, and the files of its session.
#[derive(Debug)]
pub(super) struct ServerSide {
    machine: Server,
    pub(super) driver: DriverState,
    backend: Backend,
}

#[derive(Debug)]
struct Backend {
    store: SimStore,
    session: Session<SimStore>,
    /// The uploads without a name, as the machine handed them on.
    uploads: BTreeMap<Handle, (FilePath, Vec<u8>)>,
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
        let session = Session::new(Arc::new(store.clone()), Identity::anonymous());
        let backend = Backend {
            store,
            session,
            uploads: BTreeMap::new(),
            published: None,
            answered: 0,
            took: Duration::ZERO,
            broken: None,
        };
        let driver = DriverState::new(&config.limits);
        Self { machine, driver, backend }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    pub(super) fn shut_down(&mut self, by: Duration) {
        self.machine.shut_down(by);
    }

    pub(super) fn turn(&mut self, bench: TurnContext<'_>) -> Result<Turn, String> {
        let turn = turn(&mut self.machine, &mut self.driver, bench, &mut self.backend)?;
        self.backend.broken.take().map_or(Ok(turn), Err)
    }

    /// The file that was published in this turn, and how long the turn took.
    pub(super) fn take_published(&mut self) -> (Option<(FilePath, Bytes)>, Duration) {
        (self.backend.published.take(), std::mem::take(&mut self.backend.took))
    }
}

impl Application<ServerEvent> for Backend {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        if self.store.disk.lock().triggers(self.store.session, Fault::SlowStorage) {
            self.took = SLOW;
        }
        let outcome = self.session.perform(effect);
        if let Err(error) = &outcome
            && error.detail != SIMULATED
        {
            self.broken = Some(format!("{} was out of its place: {error}", effect.name()));
        }
        match (effect, &outcome) {
            (Effect::Create { handle, path, .. }, Ok(Done::Started)) => {
                self.uploads.insert(*handle, (path.clone(), Vec::new()));
            }
            (Effect::Write { handle, data, .. }, Ok(_)) => {
                if let Some((_, written)) = self.uploads.get_mut(handle) {
                    written.extend_from_slice(data);
                }
            }
            (Effect::Sync { handles }, Err(_)) => {
                self.uploads.retain(|handle, _| !handles.contains(handle));
            }
            (Effect::Publish { handle, .. }, _) => {
                let upload = self.uploads.remove(handle).filter(|_| outcome.is_ok());
                self.published = upload.map(|(path, data)| (path, data.into()));
            }
            (Effect::Discard { handle }, _) => drop(self.uploads.remove(handle)),
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

/// The server's clock, with a planted bug or without.
pub(super) fn clock(planted: Option<Planted>, now: Duration) -> Duration {
    if planted == Some(Planted::ClockStopped) { Duration::ZERO } else { now }
}

//! The server's side of a simulated connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{
    Checksum, Done, Effect, ErrorCode, FilePath, Handle, Machine, StoreError, Version,
};
use haul_store::{Identity, Perform, Session};

use crate::changes::SIMULATED;
use crate::drive::{Application, DriverState, Turn, TurnContext, turn};
use crate::fault::Fault;
use crate::op::{Made, Op};
use crate::planted::Planted;
use crate::store::SimStore;

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
    /// The file that is read, and its version.
    source: Option<(Handle, FilePath, Option<Version>)>,
    /// The staged files, as the machine handed them on.
    staged: BTreeMap<Handle, Staged>,
    made: Option<Made>,
    answered: u64,
    took: Duration,
    broken: Option<String>,
}

#[derive(Debug)]
struct Staged {
    path: FilePath,
    data: Vec<u8>,
    /// The file that it is a copy of, and its version.
    copied: Option<(FilePath, Option<Version>)>,
}

impl Staged {
    fn published(self, checksum: Checksum) -> Made {
        let Self { path, data, copied } = self;
        match copied {
            Some((from, version)) => {
                Made { op: Op::Copy { from, to: path }, copied: Some((version, checksum)) }
            }
            None => Made { op: Op::Upload { path, data: data.into() }, copied: None },
        }
    }
}

impl ServerSide {
    pub(super) fn new(config: &Arc<ServerConfig>, store: SimStore, refusing: bool) -> Self {
        let machine = if refusing {
            let refusal = Refusal::new(ErrorCode::ShuttingDown, "the server is stopping");
            Server::refusing(Arc::clone(config), refusal)
        } else {
            Server::new(Arc::clone(config))
        };
        let session = Session::new(Arc::new(store.clone()), Identity::nobody());
        let backend = Backend {
            store,
            session,
            source: None,
            staged: BTreeMap::new(),
            made: None,
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

    /// What was changed in this turn, and how long the turn took.
    pub(super) fn take_made(&mut self) -> (Option<Made>, Duration) {
        (self.backend.made.take(), std::mem::take(&mut self.backend.took))
    }
}

impl Backend {
    fn note(&mut self, effect: &Effect, outcome: &Result<Done, StoreError>) {
        let made = |op| Some(Made { op, copied: None });
        match (effect, outcome) {
            (Effect::Open { handle, path, .. }, Ok(Done::Opened(opened))) => {
                self.source = Some((*handle, path.clone(), opened.version));
            }
            (Effect::FinishReading { .. }, _) => self.source = None,
            (Effect::Close { handle }, _) => {
                self.source.take_if(|(source, ..)| source == handle);
            }
            (Effect::Create { handle, file, .. }, Ok(Done::Started)) => {
                let copied = self.source.clone().map(|(_, path, version)| (path, version));
                self.staged
                    .insert(*handle, Staged { path: file.path.clone(), data: Vec::new(), copied });
            }
            (Effect::Write { handle, data, .. }, Ok(_)) => {
                if let Some(staged) = self.staged.get_mut(handle) {
                    staged.data.extend_from_slice(data);
                }
            }
            (Effect::Sync { handles }, Err(_)) => {
                self.staged.retain(|handle, _| !handles.contains(handle));
            }
            (Effect::Publish { handle, checksum }, _) => {
                let staged = self.staged.remove(handle).filter(|_| outcome.is_ok());
                self.made = staged.map(|staged| staged.published(*checksum));
            }
            (Effect::Discard { handle }, _) => drop(self.staged.remove(handle)),
            (Effect::Delete { path, .. }, Ok(_)) => {
                self.made = made(Op::Delete { path: path.clone() });
            }
            (Effect::MakeDirectory { path, .. }, Ok(_)) => {
                self.made = made(Op::MakeDirectory { path: path.clone() });
            }
            (Effect::Move { from, to, .. }, Ok(_)) => {
                self.made = made(Op::Move { from: from.clone(), to: to.clone() });
            }
            _ => {}
        }
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
        self.note(effect, &outcome);
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

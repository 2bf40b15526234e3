//! The client's side of a simulated connection.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::message::Summary;
use haul_core::{Depth, Done, Effect, Entry, Machine, Mode, RequestId, StoreError, Version};
use haul_harness::Random;
use haul_store::{ClientFiles, FilesById, Perform};

use crate::changes::SIMULATED;
use crate::disk::SharedDisk;
use crate::drive::{Application, DriverState, Turn, TurnContext, turn};
use crate::local::{LocalSource, LocalTarget};
use crate::op::Op;
use crate::oracle::{Oracle, Since};
use crate::plan::{Leave, SessionPlan, Task, Wanted, What, path};

/// A machine, its requests, and the client's files.
#[derive(Debug)]
pub(super) struct ClientSide {
    machine: Client,
    pub(super) driver: DriverState,
    backend: Backend,
    plan: SessionPlan,
    /// The number of tasks requested so far.
    asked: usize,
    leaving: bool,
}

#[derive(Debug)]
struct Backend {
    disk: SharedDisk,
    session: usize,
    files: FilesById,
    requests: BTreeMap<RequestId, Asked>,
    finished: Vec<Finished>,
    broken: Option<String>,
}

/// How a request ended.
pub(super) type Finished = (RequestId, Result<Summary, Failure>);

/// A request that was made.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) what: What,
    cancel: Option<u32>,
    /// The content of an upload.
    pub(super) data: Option<Bytes>,
    /// The change of served files that it asks for.
    pub(super) op: Option<Op>,
    pub(super) if_match: Option<Version>,
    /// The version that a download was announced with.
    pub(super) announced: Option<Version>,
    pub(super) since: Since,
    pub(super) entries: Vec<Entry>,
    pub(super) finished: bool,
}

impl ClientSide {
    pub(super) fn new(
        config: ClientConfig,
        plan: SessionPlan,
        session: usize,
        shared: SharedDisk,
    ) -> Self {
        let driver = DriverState::new(&config.limits);
        let backend = Backend {
            disk: shared,
            session,
            files: FilesById::default(),
            requests: BTreeMap::new(),
            finished: Vec::new(),
            broken: None,
        };
        Self { machine: Client::new(config), driver, backend, plan, asked: 0, leaving: false }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    pub(super) fn request(&self, id: RequestId) -> Option<&Asked> {
        self.backend.requests.get(&id)
    }

    fn unfinished(&self) -> usize {
        self.backend.requests.values().filter(|asked| !asked.finished).count()
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.asked == self.plan.tasks.len() && self.unfinished() == 0
    }

    fn ask(&mut self, oracle: &mut Oracle, random: &mut Random) {
        while self.unfinished() < self.plan.window
            && let Some(Task { what, cancel }) = self.plan.tasks.get(self.asked).cloned()
        {
            self.asked += 1;
            let since = oracle.now();
            let (request, data) = self.backend.request(&what, random);
            let op = op(&request, data.as_ref());
            let if_match = if_match(&request);
            if let Some(op) = &op {
                oracle.attempt(self.backend.session, op);
            }
            let id = self.machine.request(request);
            let (entries, finished) = (Vec::new(), false);
            let asked = Asked {
                what,
                cancel,
                data,
                op,
                if_match,
                announced: None,
                since,
                entries,
                finished,
            };
            self.backend.requests.insert(id, asked);
        }
    }

    fn cancel_what_is_due(&mut self) {
        for (id, asked) in &mut self.backend.requests {
            match &mut asked.cancel {
                Some(0) if !asked.finished => {
                    asked.cancel = None;
                    self.machine.cancel(*id);
                }
                Some(turns) => *turns = turns.saturating_sub(1),
                None => {}
            }
        }
    }

    pub(super) fn turn(
        &mut self,
        oracle: &mut Oracle,
        bench: TurnContext<'_>,
    ) -> Result<Turn, String> {
        self.ask(oracle, bench.random);
        self.cancel_what_is_due();
        if self.is_done() && !self.leaving && self.backend.finished.is_empty() {
            match self.plan.leave {
                Leave::Close => return Ok(Turn::Over),
                Leave::Exit => {
                    self.machine.request(Request::Exit);
                }
                Leave::Stay => {}
            }
            self.leaving = true;
        }
        let turn = turn(&mut self.machine, &mut self.driver, bench, &mut self.backend)?;
        self.backend.broken.take().map_or(Ok(turn), Err)
    }

    /// The requests that ended in this turn.
    pub(super) fn take_finished(&mut self) -> Result<Vec<Finished>, String> {
        let finished = std::mem::take(&mut self.backend.finished);
        for (id, _) in &finished {
            if let Some(asked) = self.backend.requests.get_mut(id)
                && std::mem::replace(&mut asked.finished, true)
            {
                return Err(format!("request {} ended twice", id.0));
            }
        }
        Ok(finished)
    }
}

fn mode(create: bool) -> Mode {
    if create { Mode::Create } else { Mode::Replace }
}

/// The change of served files that a request asks for.
fn op(request: &Request, data: Option<&Bytes>) -> Option<Op> {
    match request.clone() {
        Request::Upload { path, .. } => Some(Op::Upload { path, data: data?.clone() }),
        Request::Delete { path, .. } => Some(Op::Delete { path }),
        Request::MakeDirectory { path } => Some(Op::MakeDirectory { path }),
        Request::Move { from, to, .. } => Some(Op::Move { from, to }),
        Request::Copy { from, to, .. } => Some(Op::Copy { from, to }),
        _ => None,
    }
}

fn if_match(request: &Request) -> Option<Version> {
    match request {
        Request::Download { if_match, .. }
        | Request::Upload { if_match, .. }
        | Request::Delete { if_match, .. }
        | Request::Move { if_match, .. }
        | Request::Copy { if_match, .. }
        | Request::Checksum { if_match, .. } => *if_match,
        _ => None,
    }
}

impl Backend {
    fn version(&self, wanted: Wanted, name: &str) -> Option<Version> {
        let present = || self.disk.lock().version(&path(name));
        match wanted {
            Wanted::Any => None,
            Wanted::Present => present().or(Version::parse("none")),
            Wanted::Other => Version::parse("other"),
        }
    }

    /// What the machine is asked for, and what is uploaded.
    fn request(&self, what: &What, random: &mut Random) -> (Request, Option<Bytes>) {
        let request = match *what {
            What::List { all } => {
                let depth = if all { Depth::All } else { Depth::ONE };
                Request::List { path: None, depth, omitted: self.disk.lock().oddities }
            }
            What::Help => Request::Help,
            What::Download { name, offset, length, wanted } => {
                let (path, if_match) = (path(name), self.version(wanted, name));
                Request::Download { path, offset, length, if_match, mode: Mode::Replace }
            }
            What::Upload { name, size, create, wanted, .. } => {
                let data = Bytes::from(random.bytes(size));
                let (path, if_match) = (path(name), self.version(wanted, name));
                return (Request::Upload { path, mode: mode(create), if_match }, Some(data));
            }
            What::Delete { name, wanted } => {
                Request::Delete { path: path(name), if_match: self.version(wanted, name) }
            }
            What::MakeDirectory { name } => Request::MakeDirectory { path: path(name) },
            What::Move { from, to, create, wanted } => {
                let if_match = self.version(wanted, from);
                Request::Move { from: path(from), to: path(to), mode: mode(create), if_match }
            }
            What::Copy { from, to, create, wanted } => {
                let if_match = self.version(wanted, from);
                Request::Copy { from: path(from), to: path(to), mode: mode(create), if_match }
            }
            What::Checksum { name, offset, length, wanted } => {
                let (path, if_match) = (path(name), self.version(wanted, name));
                Request::Checksum { path, offset, length, if_match }
            }
        };
        (request, None)
    }
}

impl Application<ClientEvent> for Backend {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let (disk, session) = (self.disk.clone(), self.session);
        match effect {
            Effect::Open { id, .. } => {
                let asked = self.requests.get(id);
                if let Some(Asked { data: Some(data), what, .. }) = asked {
                    let known_size = matches!(what, What::Upload { known_size: true, .. });
                    let source = LocalSource { disk, session, data: data.clone(), known_size };
                    self.files.waiting().give(*id, ClientFiles::Source(Box::new(source)));
                }
            }
            Effect::Create { id, .. } => {
                let target = LocalTarget { disk, session, id: *id };
                self.files.waiting().give(*id, ClientFiles::Target(Box::new(target)));
            }
            _ => {}
        }
        let outcome = self.files.perform(effect);
        if let Err(error) = &outcome
            && error.detail != SIMULATED
        {
            self.broken =
                Some(format!("a client's {} was out of its place: {error}", effect.name()));
        }
        outcome
    }

    fn event(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Finished { id, result } => self.finished.push((*id, result.clone())),
            ClientEvent::Entry { id, entry } => {
                if let Some(asked) = self.requests.get_mut(id) {
                    asked.entries.push(entry.clone());
                }
            }
            ClientEvent::Sending { id, sending } => {
                if let Some(asked) = self.requests.get_mut(id) {
                    asked.announced = sending.version;
                }
            }
            _ => {}
        }
    }
}

//! The scheduler: what happens next, and what must be true after it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haul_core::Limits;
use haul_core::client::ClientConfig;
use haul_core::server::ServerConfig;
use haul_harness::Random;

use crate::check::check_result;
use crate::client::ClientSide;
use crate::connection::{Actor, Connection, Context, End, Move};
use crate::disk::SharedDisk;
use crate::drive::Turn;
use crate::fault::{Fault, Tally};
use crate::hostile::Hostile;
use crate::op::Made;
use crate::oracle::{By, Oracle};
use crate::pipe::Io;
use crate::plan::{FaultPlan, NAMES, Peers, Plan, SessionPlan, path};
use crate::planted::Planted;
use crate::server::ServerSide;
use crate::store::SimStore;

/// More steps than this are a hang.
const MAX_STEPS: u32 = 100_000;

/// The whole state of a run.
pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) disk: SharedDisk,
    pub(super) oracle: Oracle,
    /// By the number of the session. A session that has not begun is not there.
    pub(super) connections: Vec<Option<Connection>>,
    /// Sessions that have not begun.
    waiting: Vec<usize>,
    /// Faults to come, the next one last.
    faults: Vec<FaultPlan>,
    pub(super) random: Random,
    config: Arc<ServerConfig>,
    pub(super) tally: Tally,
    pub(super) now: Duration,
    step: u32,
    pub(super) draining: bool,
    /// What happened, if somebody wants to read it.
    trace: Option<Vec<String>>,
    planted: Option<Planted>,
}

impl<'p> World<'p> {
    pub(super) fn new(plan: &'p Plan, planted: Option<Planted>, traced: bool) -> Self {
        let mut random = Random::new(plan.schedule);
        let (disk, mut oracle) = (SharedDisk::default(), Oracle::default());
        disk.lock().planted = planted;
        disk.lock().oddities = plan.oddities;
        for (name, size) in NAMES.iter().zip(&plan.found) {
            let data = random.bytes(*size);
            disk.lock().place(&path(name), data.clone());
            oracle.found(&disk.lock(), &path(name), Bytes::from(data));
        }
        let limits = Limits {
            max_data: plan.max_data,
            pipeline: plan.pipeline,
            commit_batch: plan.commit_batch,
            chunk: plan.chunk,
            list_batch: 2,
            // Room for what a client sends before it receives a refusal.
            max_discard: 200_000,
            max_linger: 20_000,
            ..Limits::default()
        };
        let config = ServerConfig {
            limits,
            durable: plan.durable,
            pass_through: plan.pass_through,
            ..ServerConfig::default()
        };
        Self {
            plan,
            disk,
            oracle,
            connections: plan.sessions.iter().map(|_| None).collect(),
            waiting: (0..plan.sessions.len()).collect(),
            faults: plan.faults.iter().rev().cloned().collect(),
            random,
            config: Arc::new(config),
            tally: Tally::default(),
            now: Duration::ZERO,
            step: 0,
            draining: false,
            trace: traced.then(Vec::new),
            planted,
        }
    }

    /// Runs until nothing can happen any more, and checks the end.
    pub(super) fn run(&mut self) -> Result<(), String> {
        while self.step()? {
            self.step += 1;
            if self.step > MAX_STEPS {
                return Err(format!("it goes on for more than {MAX_STEPS} steps"));
            }
        }
        self.check_end()
    }

    pub(super) fn steps(&self) -> u32 {
        self.step
    }

    pub(super) fn into_result(mut self) -> (Tally, Vec<String>) {
        self.tally.add(&self.disk.lock().tally);
        (self.tally, self.trace.unwrap_or_default())
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>5} {:>9.1?} {}", self.step, self.now, text()));
        }
    }

    fn step(&mut self) -> Result<bool, String> {
        while let Some(at) =
            self.waiting.iter().position(|at| self.plan.sessions[*at].start <= self.step)
        {
            let session = self.waiting.remove(at);
            self.connect(session);
        }
        while self.faults.last().is_some_and(|fault| fault.at <= self.step) {
            self.next_fault(true)?;
        }
        let mut moves = Vec::with_capacity(12);
        for (at, connection) in self.connections.iter().enumerate() {
            if let Some(connection) = connection {
                moves.extend(connection.moves(self.now).map(|what| (at, what)));
            }
        }
        if moves.is_empty() {
            return self.let_time_pass();
        }
        match self.random.pick(&moves) {
            (at, Move::Act(end)) => self.act(at, end)?,
            (at, Move::Deliver(end)) => self.deliver(at, end),
        }
        Ok(true)
    }

    /// Nothing can happen now, so the next session or fault comes, or time passes.
    fn let_time_pass(&mut self) -> Result<bool, String> {
        if !self.faults.is_empty() && self.random.one_in(2) {
            self.next_fault(false)?;
            return Ok(true);
        }
        if let Some(session) = self.waiting.pop() {
            self.connect(session);
            return Ok(true);
        }
        let all = self.connections.iter().flatten();
        let next = all.filter_map(|connection| connection.wakes_at(self.now, self.planted)).min();
        if let Some(next) = next {
            self.now = self.now.max(next);
            self.connections.iter_mut().flatten().for_each(Connection::wake);
            return Ok(true);
        }
        let fault = !self.faults.is_empty();
        if fault {
            self.next_fault(false)?;
        }
        Ok(fault)
    }

    /// Injects the next fault. If it hits a served file and there is none, it may wait a little for one.
    fn next_fault(&mut self, may_wait: bool) -> Result<(), String> {
        let Some(fault) = self.faults.pop() else { return Ok(()) };
        let met = self.inject(fault.session, fault.fault)?;
        if !met && may_wait && fault.fault.waits_for_a_reader() {
            let again = FaultPlan { at: self.step + 3, ..fault };
            let place = self.faults.partition_point(|other| other.at > again.at);
            self.faults.insert(place, again);
        }
        Ok(())
    }

    fn connect(&mut self, at: usize) {
        let plan: &SessionPlan = &self.plan.sessions[at];
        let server = if plan.peers == Peers::HostileServer {
            Actor::Hostile(Hostile::server(&plan.tasks, &mut self.random))
        } else {
            let store =
                SimStore { disk: self.disk.clone(), session: at, durable: self.plan.durable };
            Actor::Server(Box::new(ServerSide::new(&self.config, store, self.draining)))
        };
        let client = if plan.peers == Peers::HostileClient {
            Actor::Hostile(Hostile::client(&mut self.random))
        } else {
            let config = ClientConfig {
                limits: Limits { chunk: self.plan.chunk * 2, ..Limits::default() },
                durable: self.random.one_in(2),
                pass_through: self.plan.pass_through,
                early: self.random.one_in(2),
                ..ClientConfig::default()
            };
            Actor::Client(Box::new(ClientSide::new(config, plan.clone(), at, self.disk.clone())))
        };
        let mut connection = Connection::new(client, server, self.plan.room);
        connection.touched = self.draining;
        self.connections[at] = Some(connection);
        self.tell(|| format!("session {at} begins"));
    }

    fn act(&mut self, at: usize, end: End) -> Result<(), String> {
        let Some(connection) = &mut self.connections[at] else { return Ok(()) };
        let context = Context {
            oracle: &mut self.oracle,
            random: &mut self.random,
            tally: &mut self.tally,
            planted: self.planted,
            now: self.now,
        };
        let turn = connection.act(end, context)?;
        let (mut made, mut took) = (None, Duration::ZERO);
        match &mut connection.endpoint(end).actor {
            Actor::Client(client) => {
                let finished = client.take_finished()?;
                for (id, result) in finished {
                    self.tell(|| format!("session {at}: request {} ends with {result:?}", id.0));
                    let Some(connection) = &mut self.connections[at] else { continue };
                    let files = (&self.disk, &mut self.oracle);
                    check_result(self.plan, connection, files, (at, id), &result)
                        .map_err(|reason| format!("session {at}, request {}: {reason}", id.0))?;
                }
            }
            Actor::Server(server) => {
                (made, took) = server.take_made();
            }
            Actor::Hostile(_) | Actor::Gone => {}
        }
        if !took.is_zero() {
            self.tell(|| format!("session {at}: an effect takes {took:?}"));
            self.pass(took);
        }
        if turn == Turn::Over
            && let Some(connection) = &mut self.connections[at]
        {
            connection.leave(end);
            self.tell(|| format!("session {at}: the {end:?} is over"));
        }
        let by = match self.plan.sessions[at].peers {
            Peers::Honest => By::Session(at),
            Peers::HostileClient | Peers::HostileServer => By::Anybody,
        };
        self.look_at_disk(made.map(|made| (by, made)))
    }

    /// Time passes that nobody waited for.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        for connection in self.connections.iter_mut().flatten() {
            connection.touched = true;
            connection.wake();
        }
    }

    fn deliver(&mut self, at: usize, end: End) {
        let Some(connection) = &mut self.connections[at] else { return };
        let (pipe, fault) = match end {
            End::Client => (&mut connection.up, Fault::FlipUp),
            End::Server => (&mut connection.down, Fault::FlipDown),
        };
        let flips = pipe.deliver(&mut self.random);
        connection.wake();
        if flips > 0 {
            (connection.touched, connection.flipped) = (true, true);
            if end == End::Client {
                self.oracle.flipped.insert(at);
            }
            self.tally.note(fault);
            self.tell(|| format!("session {at}: {}", fault.name()));
        }
    }

    /// Checks the files, as after every step, and what was `made` of them.
    pub(super) fn look_at_disk(&mut self, made: Option<(By, Made)>) -> Result<(), String> {
        let mut disk = self.disk.lock();
        if let Some(breach) = disk.breach.take() {
            return Err(breach);
        }
        if std::mem::take(&mut disk.touched) || made.is_some() {
            self.oracle.observe(&disk, made)?;
        }
        Ok(())
    }

    fn check_end(&mut self) -> Result<(), String> {
        for (at, connection) in self.connections.iter_mut().enumerate() {
            let Some(connection) = connection else { continue };
            match &connection.client.actor {
                Actor::Client(client) if !client.is_done() => {
                    return Err(format!("session {at}: the client waits for ever"));
                }
                _ => connection.client.actor = Actor::Gone,
            }
            if matches!(connection.server.actor, Actor::Server(_)) {
                let room = connection.down.room() != Io::Blocked;
                return Err(format!(
                    "session {at}: the server waits for ever, room to write: {room}"
                ));
            }
        }
        let (staged, leftovers) = {
            let disk = self.disk.lock();
            (disk.staging.len(), disk.leftovers)
        };
        if staged != leftovers {
            return Err(format!("{staged} files are left in staging"));
        }
        // Without durability nothing is promised after a power cut.
        if self.plan.last_cut && self.plan.durable {
            self.cut_power()?;
        }
        Ok(())
    }
}

//! What happens in a run: drawn from a seed, and shrunk when it fails.

use std::fmt;

use haul_core::FilePath;
use haul_harness::Random;

use crate::fault::Fault;

/// The names that clients use. Those of [`FOUND`] exist from the beginning.
pub(super) const NAMES: &[&str] = &["a", "b", "d/c", "d/e f", "new", "d/other", "f/g", "h/c"];
const FOUND: usize = 3;
/// Names that directories have, or shall have.
pub(super) const DIRECTORIES: &[&str] = &["d", "f", "h", "h/i"];

pub(super) fn path(name: &str) -> FilePath {
    FilePath::parse(name).expect("the simulation's names keep the rules")
}

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn on its own")]
pub struct Plan {
    /// Decides contents, sizes and the order of turns.
    pub(super) schedule: u64,
    /// Whether the server syncs uploads.
    pub(super) durable: bool,
    /// Whether payload passes by the machines.
    pub(super) pass_through: bool,
    pub(super) chunk: usize,
    pub(super) pipeline: u64,
    /// The most changes that are committed together.
    pub(super) commit_batch: usize,
    pub(super) max_data: u64,
    /// The capacity of one direction of a connection.
    pub(super) room: usize,
    /// The sizes of the files that exist from the beginning.
    pub(super) found: Vec<usize>,
    pub(super) sessions: Vec<SessionPlan>,
    /// The faults, by the step at which they happen.
    pub(super) faults: Vec<FaultPlan>,
    /// Whether the power is cut at the end.
    pub(super) last_cut: bool,
    /// Whether half of the files are executable, a directory cannot be read, and listings are asked for what they leave
    /// out.
    pub(super) oddities: bool,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionPlan {
    /// The step at which it begins.
    pub(super) start: u32,
    pub(super) peers: Peers,
    /// The most requests at once.
    pub(super) window: usize,
    pub(super) tasks: Vec<Task>,
    pub(super) leave: Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    Honest,
    HostileClient,
    HostileServer,
}

/// What a client does after its last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Exit,
    Close,
    Stay,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) what: What,
    /// The number of turns of the client after which it cancels.
    pub(super) cancel: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    List { all: bool },
    Help,
    Download { name: &'static str, offset: u64, length: Option<u64>, wanted: Wanted },
    Upload { name: &'static str, size: usize, known_size: bool, create: bool, wanted: Wanted },
    Delete { name: &'static str, wanted: Wanted },
    MakeDirectory { name: &'static str },
    Move { from: &'static str, to: &'static str, create: bool, wanted: Wanted },
    Copy { from: &'static str, to: &'static str, create: bool, wanted: Wanted },
    Checksum { name: &'static str, offset: u64, length: Option<u64>, wanted: Wanted },
}

/// The version that a file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    /// That which it has when the client asks.
    Present,
    /// One that no file has.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FaultPlan {
    pub(super) at: u32,
    pub(super) session: usize,
    pub(super) fault: Fault,
}

/// Faults for which few sessions have an opportunity, so that they must be planned more often to happen as often as
/// others: some of them as often as they stand here.
const SELDOM: &[Fault] = &[
    Fault::NoRoom,
    Fault::NoRoom,
    Fault::NoRoom,
    Fault::ListFails,
    Fault::NextEntriesFails,
    Fault::CopyFails,
    Fault::CopyFails,
    Fault::DeleteFails,
    Fault::MakeDirectoryFails,
    Fault::MoveFails,
    Fault::LocalWriteFails,
    Fault::LocalPublishFails,
];

fn file_size(random: &mut Random) -> usize {
    match random.below(64) {
        0..8 => random.below(2),
        8..24 => random.between(2, 100),
        24..63 => random.between(100, 6000),
        // More than may wait to be sent before a machine only writes.
        _ => random.between(66_000, 80_000),
    }
}

fn wanted(random: &mut Random) -> Wanted {
    match random.below(16) {
        0..4 => Wanted::Present,
        4 => Wanted::Other,
        _ => Wanted::Any,
    }
}

fn upload(random: &mut Random) -> What {
    let create = random.one_in(5);
    What::Upload {
        name: random.pick(NAMES),
        size: file_size(random),
        known_size: !random.one_in(3),
        create,
        wanted: if create { Wanted::Any } else { wanted(random) },
    }
}

/// A name that is rather there than not.
fn present(random: &mut Random) -> &'static str {
    if random.one_in(4) { random.pick(NAMES) } else { NAMES[random.below(FOUND)] }
}

fn name_of_anything(random: &mut Random) -> &'static str {
    if random.one_in(4) { random.pick(DIRECTORIES) } else { random.pick(NAMES) }
}

/// What is committed together with others.
fn change(random: &mut Random) -> What {
    let create = random.one_in(5);
    let from = if random.one_in(4) { name_of_anything(random) } else { present(random) };
    let to = name_of_anything(random);
    match random.below(10) {
        0..2 => What::Delete { name: from, wanted: wanted(random) },
        2..4 => What::MakeDirectory { name: to },
        4..7 => What::Move { from, to, create, wanted: wanted(random) },
        _ => What::Copy { from, to, create, wanted: wanted(random) },
    }
}

fn task(random: &mut Random) -> Task {
    let offset = if random.one_in(2) { 0 } else { random.below(3000) as u64 };
    let length = random.one_in(3).then(|| random.below(3000) as u64);
    let what = match random.below(16) {
        0..2 => What::List { all: random.one_in(2) },
        2 => What::Help,
        3..7 => What::Download { name: present(random), offset, length, wanted: wanted(random) },
        7 => What::Checksum { name: present(random), offset, length, wanted: wanted(random) },
        8..12 => change(random),
        _ => upload(random),
    };
    let cancel = random.one_in(10).then(|| u32::try_from(random.below(60)).unwrap_or(0));
    Task { what, cancel }
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        // Narrow pipes suffice for one command at a time only.
        let narrow = random.one_in(4);
        let sessions: Vec<SessionPlan> = (0..random.between(1, 3))
            .map(|at| {
                // Changes in sequence are committed together.
                let changes = random.one_in(4);
                SessionPlan {
                    start: if at == 0 { 0 } else { step(random) / 2 },
                    peers: match random.below(8) {
                        0 => Peers::HostileClient,
                        1 => Peers::HostileServer,
                        _ => Peers::Honest,
                    },
                    window: if changes { random.between(3, 8) } else { random.between(1, 4) },
                    tasks: if changes {
                        let whats = (0..random.between(2, 8)).map(|_| {
                            if random.one_in(3) { change(random) } else { upload(random) }
                        });
                        whats.map(|what| Task { what, cancel: None }).collect()
                    } else {
                        (0..random.between(1, 5)).map(|_| task(random)).collect()
                    },
                    leave: random.pick(&[Leave::Exit, Leave::Exit, Leave::Close, Leave::Stay]),
                }
            })
            .collect();
        let mut faults: Vec<FaultPlan> = (0..random.below(13))
            .map(|_| {
                let kinds = if random.one_in(5) { SELDOM } else { Fault::ALL };
                let fault = random.pick(kinds);
                // A fault that waits for an effect must not come after the last one.
                let at = step(random) / if fault.waits_for_an_effect() { 6 } else { 1 };
                FaultPlan { at, session: random.below(sessions.len()), fault }
            })
            .collect();
        faults.sort_by_key(|fault| fault.at);
        Self {
            schedule: random.next_u64(),
            durable: !random.one_in(10),
            pass_through: random.one_in(3),
            chunk: if random.one_in(2) {
                random.between(300, 1000)
            } else {
                random.between(300, 9000)
            },
            pipeline: if narrow { 1 } else { random.between(1, 8) as u64 },
            commit_batch: random.between(1, 5),
            max_data: random.pick(&[700, 3000, 1 << 24]),
            room: if narrow { random.between(300, 900) } else { random.between(17_000, 30_000) },
            found: (0..FOUND).map(|_| file_size(random)).collect(),
            sessions,
            faults,
            last_cut: random.one_in(2),
            oddities: !random.one_in(2),
        }
    }

    /// Plans that are one step smaller.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut plans = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            if plan != *self {
                plans.push(plan);
            }
        };
        with(&|plan| plan.faults.clear());
        for fault in Fault::ALL {
            with(&|plan| plan.faults.retain(|planned| planned.fault != *fault));
        }
        with(&|plan| plan.last_cut = false);
        with(&|plan| plan.oddities = false);
        for at in 0..self.faults.len() {
            with(&|plan| {
                plan.faults.remove(at);
            });
        }
        for at in 0..self.sessions.len() {
            // Sessions are known by their number, so this one keeps its place.
            with(&|plan| plan.sessions[at].tasks.clear());
            for task in 0..self.sessions[at].tasks.len() {
                with(&|plan| {
                    plan.sessions[at].tasks.remove(task);
                });
                with(&|plan| plan.sessions[at].tasks[task].cancel = None);
            }
            with(&|plan| plan.sessions[at].window = 1);
            with(&|plan| plan.sessions[at].start = 0);
        }
        with(&|plan| plan.pass_through = false);
        with(&|plan| plan.commit_batch = 1);
        plans
    }
}

/// Most runs are over after a few hundred steps.
fn step(random: &mut Random) -> u32 {
    let most = random.pick(&[30, 80, 150, 400]);
    u32::try_from(random.below(most)).unwrap_or(0)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule, durable, pass_through, chunk, pipeline, commit_batch, .. } = self;
        let Self { max_data, room, .. } = self;
        writeln!(
            f,
            "  schedule={schedule:#x} durable={durable} pass-through={pass_through} chunk={chunk}"
        )?;
        writeln!(
            f,
            "  pipeline={pipeline} commit-batch={commit_batch} max-data={max_data} room={room} last-cut={} oddities={}",
            self.last_cut, self.oddities
        )?;
        for (name, size) in NAMES.iter().zip(&self.found) {
            writeln!(f, "  file {name:?}: {size} bytes")?;
        }
        for (at, session) in self.sessions.iter().enumerate() {
            let SessionPlan { start, peers, window, tasks, leave } = session;
            writeln!(
                f,
                "  session {at}: {peers:?} from step {start}, {window} at once, then {leave:?}"
            )?;
            for Task { what, cancel } in tasks {
                write!(f, "    {what:?}")?;
                match cancel {
                    Some(turns) => writeln!(f, ", cancelled after {turns} turns")?,
                    None => writeln!(f)?,
                }
            }
        }
        for FaultPlan { at, session, fault } in &self.faults {
            writeln!(f, "  step {at}: {} (session {session})", fault.name())?;
        }
        Ok(())
    }
}

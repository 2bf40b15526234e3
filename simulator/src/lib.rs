//! A simulation of clients and sessions of one server, hostile peers, a store that can lose power, and faults, in one
//! process.
//!
//! A seed decides a [`Plan`], and a plan decides a run, byte for byte: who connects and requests what, when [`Fault`]s
//! happen, the order of turns, the size of each read and write, and what survives a power cut. The machines are those
//! of `haul-core`, the sessions and the client's files those of `haul-store`. Sockets, clock and disk are simulated.
//!
//! In every run these invariants hold:
//!
//! - The files are those that the server's effects make of what was there before, and somebody asked for each effect.
//!   Names only ever show whole contents, and no version is that of two contents.
//! - After a power cut no name shows anything older than the last change of it that was acknowledged, and what was moved
//!   has one of its names.
//! - What a client is told is true: an `OK` for a change, which was made once and to the version that was meant; a
//!   refusal, which what was there explains; the bytes of a download, a checksum, the lines of a listing.
//! - Each request ends once, and replies come in the order of requests. No request fails because of the connection
//!   without a fault that explains it.
//! - No machine reads or writes more at once than its limits allow.
//! - Every session ends, and leaves no staged file.
//!
//! A failing run is [shrunk](check) before it is reported. [`Planted`] bugs show that a violation of each invariant is
//! detected.

mod changes;
mod check;
mod client;
mod connection;
mod disk;
mod drive;
mod fault;
mod history;
mod hostile;
mod inject;
mod local;
mod op;
mod oracle;
mod pipe;
mod plan;
mod planted;
mod refusal;
mod server;
mod store;
mod tree;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use fault::{Fault, Tally};
pub use plan::Plan;
pub use planted::Planted;

use world::World;

/// The most runs for shrinking.
const SHRINKING: usize = 2000;

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The invariant that was broken, if one was.
    pub failure: Option<String>,
    /// The faults that happened.
    pub tally: Tally,
    /// The number of steps.
    pub steps: u32,
    /// What happened, if a trace was asked for.
    pub trace: Vec<String>,
}

/// A seed that failed, with the smallest plan found that fails as well.
pub struct Report {
    seed: u64,
    failure: String,
    plan: Plan,
    smallest: Outcome,
}

/// Runs a plan. A machine that panics has failed.
pub fn run(plan: &Plan, planted: Option<Planted>, traced: bool) -> Outcome {
    let mut world = World::new(plan, planted, traced);
    let failure = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("panic: {}", text.unwrap_or_default()))
        }
    };
    let steps = world.steps();
    let (tally, trace) = world.into_result();
    Outcome { failure, tally, steps, trace }
}

/// Runs the plan of a seed. If it fails, removes from the plan whatever is not needed to fail.
pub fn check(seed: u64, planted: Option<Planted>) -> Result<Outcome, Box<Report>> {
    let plan = Plan::new(seed);
    let outcome = run(&plan, planted, false);
    match outcome.failure {
        None => Ok(outcome),
        Some(failure) => {
            let plan = shrink(plan, planted);
            let smallest = run(&plan, planted, true);
            Err(Box::new(Report { seed, failure, plan, smallest }))
        }
    }
}

fn shrink(mut plan: Plan, planted: Option<Planted>) -> Plan {
    let mut left = SHRINKING;
    'smaller: loop {
        for smaller in plan.smaller() {
            if left == 0 {
                return plan;
            }
            left -= 1;
            if run(&smaller, planted, false).failure.is_some() {
                plan = smaller;
                continue 'smaller;
            }
        }
        return plan;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.failure)?;
        let failure = self.smallest.failure.as_deref().unwrap_or("nothing");
        writeln!(f, "shrunk, {} steps: {failure}", self.smallest.steps)?;
        write!(f, "{}", self.plan)?;
        self.smallest.trace.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! A simulation of everything at once: several clients and sessions of one server, hostile peers, a store that can lose power, and faults.
//!
//! A seed decides a [`Plan`], and a plan decides a run, to the byte: who connects and asks for what, which [`Fault`]s happen when, the order of all turns, the size of each read
//! and write, and what survives a power cut. The machines are those of `haul-core`, the sessions and own files those of `haul-store`; sockets, clock and disk are simulated.
//!
//! In every run it must hold that
//!
//! - a name only ever shows whole versions, and after a power cut none that is older than the last acknowledged one;
//! - what a client was told is true: an `OK` for an upload, its refusal, the bytes of a download, the lines of a listing;
//! - each request ends once, those that are answered in their order; without a fault that explains it none fails for the connection's sake;
//! - no machine wants to read or to write more at once than its limits allow;
//! - every session ends, and leaves nothing in the staging area.
//!
//! A failing run is [shrunk](check) before it is told of. [`Planted`] bugs show that each of these can be broken and is noticed.

mod check;
mod client;
mod connection;
mod disk;
mod drive;
mod fault;
mod hostile;
mod inject;
mod local;
mod oracle;
mod pipe;
mod plan;
mod planted;
mod server;
mod store;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use fault::{Fault, Tally};
pub use plan::Plan;
pub use planted::Planted;

use world::World;

/// How many runs shrinking may take.
const SHRINKING: usize = 2000;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The invariant that was broken, if one was.
    pub failure: Option<String>,
    /// Faults that happened.
    pub tally: Tally,
    /// Steps that it took.
    pub steps: u32,
    /// What happened, if it was to be told.
    pub trace: Vec<String>,
}

/// A seed that failed, with the smallest plan that was found to fail too.
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

/// Runs the plan of a seed. If it fails, drops from it whatever it fails without.
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

//! The same uses of a program on one file system after the other, as the share and as the client's own files.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

mod checks;
mod systems;

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use self::checks::CHECKS;
use self::systems::{Place, SYSTEMS, System};
use crate::process::Bench;
use crate::requirements::or_skip;
use crate::unfinished::unfinished;

/// The file systems of the matrix.
pub fn matrix_names() -> impl Iterator<Item = &'static str> {
    SYSTEMS.iter().map(|system| system.name)
}

/// The result of a check on a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Held,
    /// The file system is known not to do this, for this reason.
    Weaker(&'static str),
    Failed(String),
}

/// The results of a program on one file system.
#[derive(Debug)]
pub struct Row {
    name: &'static str,
    /// In the order of the checks, or why this file system is not available here.
    outcomes: Result<Vec<Outcome>, String>,
}

impl Row {
    /// Runs all checks on the file system of this name.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn of(program: &Path, name: &str) -> Self {
        let system = SYSTEMS.iter().find(|system| system.name == name).expect("it has a row");
        let outcomes = Place::new(system).map(|place| {
            let run = |check: &checks::Check| outcome(program, system, &place, check);
            CHECKS.iter().map(run).collect()
        });
        Self { name: system.name, outcomes }
    }

    /// The names of the columns.
    pub fn head() -> String {
        let mut head = format!("{:18}", "");
        for check in CHECKS {
            let _ = write!(head, " {:>10}", check.name);
        }
        head
    }

    /// Whether nothing failed.
    pub fn held(&self) -> bool {
        self.failures().next().is_none()
    }

    fn failures(&self) -> impl Iterator<Item = String> {
        let outcomes = self.outcomes.iter().flatten().zip(CHECKS);
        outcomes.filter_map(|(outcome, check)| match outcome {
            Outcome::Failed(reason) => Some(format!("{}, {}: {reason}", self.name, check.name)),
            Outcome::Held | Outcome::Weaker(_) => None,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:18}", self.name)?;
        let outcomes = match &self.outcomes {
            Ok(outcomes) => outcomes,
            Err(reason) => return write!(f, " cannot be had here: {reason}"),
        };
        for outcome in outcomes {
            let word = match outcome {
                Outcome::Held => "ok",
                Outcome::Weaker(_) => "weaker",
                Outcome::Failed(_) => "FAILED",
            };
            write!(f, " {word:>10}")?;
        }
        for (outcome, check) in outcomes.iter().zip(CHECKS) {
            if let Outcome::Weaker(reason) = outcome {
                write!(f, "\n    {}: {reason}", check.name)?;
            }
        }
        self.failures().try_for_each(|failure| write!(f, "\n    {failure}"))
    }
}

fn outcome(program: &Path, system: &System, place: &Place, check: &checks::Check) -> Outcome {
    let known = system.weaker.iter().find(|(name, _)| *name == check.name);
    // A check is a test, so its panic is its result.
    let held = catch_unwind(AssertUnwindSafe(|| {
        let bench = Bench::within(program, &place.root());
        (check.run)(&bench);
        let left = unfinished(&place.root());
        assert!(left.is_empty(), "left unfinished: {left:?}");
    }));
    match (held, known) {
        (Ok(()), _) => Outcome::Held,
        (Err(_), Some((_, reason))) => Outcome::Weaker(reason),
        (Err(reason), None) => {
            let text = reason.downcast_ref::<String>().cloned();
            let text = text.or_else(|| reason.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Outcome::Failed(text.unwrap_or_default().replace('\n', " "))
        }
    }
}

/// "file system with neither `RENAME_NOREPLACE` nor links: `get` fails", and others: the part of the matrix that runs
/// at each change, with the file systems that differ most and are available on most machines.
pub fn what_people_do_works_on_other_file_systems(program: &Path) {
    for name in ["ext2", "ext4-no-journal", "overlay", "bindfs", "exfat"] {
        let row = Row::of(program, name);
        if or_skip(row.outcomes.as_ref().map(drop).map_err(Clone::clone)).is_some() {
            eprintln!("{row}");
            assert!(row.held(), "{row}");
        }
    }
}

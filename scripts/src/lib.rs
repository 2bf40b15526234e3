//! Scripts that every HAUL server must answer alike, whatever carries its bytes and in whatever pieces they come.
//!
//! The scripts stand in `scripts/*.haul`, or are [`generated`] from the state table of `docs/PROTOCOL.md`; [`script`] tells how they are written. Each is a conversation: the tree that is served, what a client sends, what the server must
//! answer byte for byte, and the tree that must be left. There are two ways to hold it:
//!
//! - [`memory::check`]: the state machine of `haul-core` over a directory of `haul-store`, in one thread, with a virtual clock and hostile sizes of reads, writes and pipes.
//! - [`tcp::check`]: any server that can be started in the test, over real sockets.
//!
//! Both hand the same [`Player`](player::Player) what the server sends, and compare [`Transcripts`], which must be equal for all of them.
//!
//! [`rules`] are the rules of `docs/PROTOCOL.md`.

pub mod generated;
pub mod memory;
pub mod player;
pub mod rules;
mod schedule;
pub mod script;
mod setup;
pub mod tcp;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use schedule::Schedule;
use script::Script;

pub use setup::Setup;

/// What the servers said, by the title of the script: loose parts (the order of a listing, the cut of payload into chunks) are normalised, so that transcripts of two
/// transports or two schedules can be compared.
pub type Transcripts = BTreeMap<String, String>;

/// Scripts that went wrong.
pub struct Failures(Vec<Failure>);

/// A script that went wrong.
struct Failure {
    script: String,
    schedule: String,
    reason: String,
}

impl Failure {
    /// Keeps the outcome of a script under one schedule. All schedules must give the same transcript.
    fn sort(
        script: &Script,
        schedule: &Schedule,
        outcome: Result<String, String>,
        transcripts: &mut Transcripts,
        failures: &mut Vec<Self>,
    ) {
        let reason = match outcome {
            Ok(transcript) => {
                let first =
                    transcripts.entry(script.title.clone()).or_insert_with(|| transcript.clone());
                if *first == transcript {
                    return;
                }
                format!("another transcript:\n{transcript}instead of\n{first}")
            }
            Err(reason) => reason,
        };
        let (script, schedule) = (script.title.clone(), schedule.name.to_owned());
        failures.push(Self { script, schedule, reason });
    }
}

/// Runs every script with every schedule, several scripts at a time: most of the time they wait for the disk.
fn run_all(
    schedules: &[Schedule],
    run: impl Fn(&Script, &Schedule) -> Result<String, String> + Sync,
) -> Result<Transcripts, Failures> {
    const WORKERS: usize = 8;
    let scripts = script::all().expect("the scripts of this crate are well-formed");
    let next = AtomicUsize::new(0);
    let collected = Mutex::new((Transcripts::new(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for schedule in schedules {
                        let outcome = run(script, schedule);
                        let mut collected =
                            collected.lock().unwrap_or_else(PoisonError::into_inner);
                        let (transcripts, failures) = &mut *collected;
                        Failure::sort(script, schedule, outcome, transcripts, failures);
                    }
                }
            });
        }
    });
    let (transcripts, failures) = collected.into_inner().unwrap_or_else(PoisonError::into_inner);
    Failures::collect(failures, transcripts)
}

impl Failures {
    /// The titles of the scripts that went wrong at least once.
    pub fn titles(&self) -> BTreeSet<&str> {
        self.0.iter().map(|failure| failure.script.as_str()).collect()
    }

    /// The scripts of which the transcripts differ.
    fn between(found: &Transcripts, expected: &Transcripts) -> Result<(), Self> {
        let titles: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
        let different = titles.into_iter().filter_map(|script| {
            let (found, expected) = (found.get(script), expected.get(script));
            let reason = format!("the transcript\n{found:#?}\ninstead of\n{expected:#?}");
            let schedule = String::from("beside the bare machine");
            (found != expected).then(|| Failure { script: script.clone(), schedule, reason })
        });
        let different: Vec<Failure> = different.collect();
        if different.is_empty() { Ok(()) } else { Err(Self(different)) }
    }

    fn collect(failures: Vec<Failure>, transcripts: Transcripts) -> Result<Transcripts, Self> {
        if failures.is_empty() { Ok(transcripts) } else { Err(Self(failures)) }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} failed:", self.0.len())?;
        for Failure { script, schedule, reason } in &self.0 {
            writeln!(f, "- {script} [{schedule}]: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failures {}

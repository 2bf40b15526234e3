//! Scripts: conversations that every HAUL server must answer alike, over any transport, and however the bytes are cut.
//!
//! The scripts are in `suite/*.haul`, or are [`generated`] from the state table of `docs/PROTOCOL.md`. [`script`]
//! describes their language. A script has the files that the server shares, what the client sends, what the server must
//! reply byte for byte, and the files that must be there at the end. There are two ways to play it:
//!
//! - [`memory::check`]: the state machine of `haul-core` on a directory of `haul-store`, in one thread, with a virtual
//!   clock and with unfavourable sizes of reads, writes and pipes.
//! - [`tcp::check`]: any server that a test can start, over real sockets.
//!
//! Both pass what the server sends to a [`Player`](player::Player), and compare the [`Transcripts`], which must be the
//! same for all servers.
//!
//! [`rules`] has the names of the rules of `docs/PROTOCOL.md`.

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

/// What the servers sent, by the title of the script. What may differ (the order of a listing, the sizes of chunks) is
/// normalised, so that transcripts of two transports or two schedules can be compared.
pub type Transcripts = BTreeMap<String, String>;

/// Scripts that failed.
pub struct Failures(Vec<Failure>);

/// A script that failed.
struct Failure {
    script: String,
    schedule: String,
    reason: String,
}

impl Failure {
    /// Records the outcome of a script under one schedule. All schedules must give the same transcript.
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

/// Runs the scripts with every schedule, several at a time, because they mostly wait for the disk.
fn run_all(
    schedules: &[Schedule],
    which: fn(&Script) -> bool,
    run: impl Fn(&Script, &Schedule) -> Result<String, String> + Sync,
) -> Result<Transcripts, Failures> {
    const WORKERS: usize = 8;
    let mut scripts = script::all().expect("the scripts of this crate are well-formed");
    scripts.retain(which);
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
    /// The titles of the scripts that failed at least once.
    pub fn titles(&self) -> BTreeSet<&str> {
        self.0.iter().map(|failure| failure.script.as_str()).collect()
    }

    /// The scripts whose transcripts differ.
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

//! System calls of server and client fail, one at a time. Nobody hangs, the peer gets an error, and no file is lost,
//! torn or left behind.
//!
//! The tracer counts the occurrences of a call by thread, so the k-th one may fail once in each thread of a server.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

mod calls;
mod client;
mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::requirements::can_inject;
use calls::{CLIENT, Call, SERVER, Touches};
use client::ClientUnderTest;
use server::ServerUnderTest;

/// The longest interval between repeated failures, in calls.
const STEPS: u64 = 6;

/// The size of the larger file, in bytes: enough for a pipe, and for reserving its blocks.
const LARGE: usize = 1_200_000;

/// One kind of failure: the call number `first` to `call` fails with `errno`, and if there is a `step`, every `step`-th
/// call after it.
#[derive(Debug, Clone, Copy)]
struct Fault {
    call: &'static str,
    touches: Touches,
    errno: &'static str,
    first: u64,
    step: Option<u64>,
}

impl Fault {
    /// The options of the tracer.
    fn options(&self) -> [String; 4] {
        let Self { call, errno, first, .. } = self;
        let then = self.step.map_or(String::new(), |step| format!("+{step}"));
        [
            String::from("-e"),
            format!("trace={call}"),
            String::from("-e"),
            format!("inject={call}:error={errno}:when={first}{then}"),
        ]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, errno, first, .. } = self;
        write!(f, "{call} number {first} fails with {errno}")?;
        self.step.map_or(Ok(()), |step| write!(f, ", and each {step} calls later again"))
    }
}

/// What a campaign of failing system calls found.
#[derive(Debug, Default)]
pub struct Injected {
    /// The number of failures, by side, call and error.
    pub counts: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// What went wrong after one.
    pub violations: Vec<String>,
    /// The longest time that a session or a command took, its checks and its tracer included.
    pub longest: Duration,
}

impl Injected {
    /// The number of failures.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Injects the first `errors` errors of each call, at its first occurrence and at each one after that, until the
    /// call does not occur any more or `depth` is reached. If `depth` is above 1, it then makes every second call fail,
    /// every third, and so on, so that retries, cleaning up and error replies fail as well.
    fn run(
        &mut self,
        side: &'static str,
        calls: &'static [Call],
        (depth, errors): (u64, usize),
        mut inject: impl FnMut(&Fault) -> Result<u64, String>,
    ) {
        for &(call, touches, errnos) in calls {
            for &errno in errnos.iter().take(errors) {
                for first in 1..=depth {
                    let fault = Fault { call, touches, errno, first, step: None };
                    if !self.count(side, &fault, &mut inject) {
                        break;
                    }
                }
                for step in 2..=STEPS.min(depth) {
                    let fault = Fault { call, touches, errno, first: step, step: Some(step) };
                    if !self.count(side, &fault, &mut inject) {
                        break;
                    }
                }
            }
        }
    }

    /// Counts a failure and notes a violation. Returns whether there was either.
    fn count(
        &mut self,
        side: &'static str,
        fault: &Fault,
        inject: impl FnOnce(&Fault) -> Result<u64, String>,
    ) -> bool {
        let began = Instant::now();
        let injected = inject(fault);
        self.longest = self.longest.max(began.elapsed());
        match injected {
            Ok(0) => return false,
            Ok(times) => *self.counts.entry((side, fault.call, fault.errno)).or_default() += times,
            Err(reason) => self.violations.push(format!("{side}: {fault}: {reason}")),
        }
        true
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((side, call, errno), count) in &self.counts {
            writeln!(f, "{side} {call} {errno} {count}")?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        write!(
            f,
            "{} system calls failed, {} violations; the longest session took {:.1} s",
            self.total(),
            self.violations.len(),
            self.longest.as_secs_f64()
        )
    }
}

/// A sample of [`injected_failures`]: two errors of each call, at its first occurrence.
pub fn failing_system_calls_are_told_and_outlived(program: &Path) {
    if !can_inject() {
        return;
    }
    let injected = injected_failures(program, 1, 2);
    assert!(injected.violations.is_empty(), "{injected}");
    // The calls that every program makes. Which of them gives a file its name depends on the file system.
    let renames = ["renameat", "renameat2"];
    for calls in
        [&["openat2"][..], &["pwrite64"], &["fsync"], &renames, &["accept4"], &["recvfrom"]]
    {
        let failed = |&(side, failed, _): &_| side == "server" && calls.contains(&failed);
        assert!(injected.counts.keys().any(failed), "none of {calls:?} failed: {injected}");
    }
}

/// Makes the system calls of server and client of `program` fail, each up to its `depth`-th occurrence, with up to
/// `errors` different errors.
pub fn injected_failures(program: &Path, depth: u64, errors: usize) -> Injected {
    let mut injected = Injected::default();
    let mut server = ServerUnderTest::new(program);
    injected.run("server", SERVER, (depth, errors), |fault| {
        server.inject(fault).inspect_err(|_| server = ServerUnderTest::new(program))
    });
    for command in ["put", "get", "ls"] {
        let mut client = ClientUnderTest::new(program, command);
        injected.run(command, CLIENT, (depth, errors), |fault| {
            client.inject(fault).inspect_err(|_| client = ClientUnderTest::new(program, command))
        });
    }
    injected
}

//! System calls of server and client that fail, one at a time: nobody hangs, the peer is told, and nothing is lost, torn or left.
//!
//! The tracer counts the occurrences of a call in each thread of its own, so the k-th one may fail once in every thread of a server that has several.

// That is what a check is for.
#![allow(clippy::missing_panics_doc)]

mod calls;
mod client;
mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::faults::can_inject;
use calls::{CLIENT, Call, SERVER, Touches};
use client::ClientUnderTest;
use server::ServerUnderTest;

/// The widest gap between failures that come again and again, in calls.
const STEPS: u64 = 6;

/// The size of the larger file: worth a pipe, and worth having its blocks reserved.
const LARGE: usize = 1_200_000;

/// Failures of one kind: the `first` time that `call` is made, it fails with `errno`, and if there is a `step`, so many calls later again and again.
#[derive(Debug, Clone, Copy)]
struct Fault {
    call: &'static str,
    touches: Touches,
    errno: &'static str,
    first: u64,
    step: Option<u64>,
}

impl Fault {
    /// What the tracer is told.
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

/// What a campaign of failing system calls met.
#[derive(Debug, Default)]
pub struct Injected {
    /// How many failures there were, by side, call and error.
    pub counts: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// What should not have followed.
    pub violations: Vec<String>,
    /// The longest that a session or a command took, with what came after it and with its tracer.
    pub longest: Duration,
}

impl Injected {
    /// How many failures there were.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Injects the first `errors` errors of every call, at its first occurrence and at each one after that, until it occurs no more or `depth` is reached; then, for a depth above
    /// 1, at every other one, every third and so on: what fails is tried again, cleaned up or told while more fails.
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

    /// Whether there was a failure, or what should not have followed.
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

/// A sample of [`injected_failures`]: two errors of each call, the first time that it is made.
pub fn failing_system_calls_are_told_and_outlived(program: &Path) {
    if !can_inject() {
        return;
    }
    let injected = injected_failures(program, 1, 2);
    assert!(injected.violations.is_empty(), "{injected}");
    // Those that every program makes. Which one gives a file its name depends on the file system.
    let renames = ["renameat", "renameat2"];
    for calls in
        [&["openat2"][..], &["pwrite64"], &["fsync"], &renames, &["accept4"], &["recvfrom"]]
    {
        let failed = |&(side, failed, _): &_| side == "server" && calls.contains(&failed);
        assert!(injected.counts.keys().any(failed), "none of {calls:?} failed: {injected}");
    }
}

/// Lets the system calls of server and client of `program` fail, each one up to its `depth`-th occurrence, with up to `errors` different errors.
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

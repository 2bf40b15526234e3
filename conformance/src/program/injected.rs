//! System calls of server and client that fail, one at a time: nobody hangs, the peer is told, and nothing is lost, torn or left.
//!
//! The tracer counts the occurrences of a call in each thread of its own, so the k-th one may fail once in every thread of a server that has several.

// That is what a check is for.
#![allow(clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::calls::{CLIENT, Call, SERVER, Touches};
use super::faults::can_inject;
use super::injected_client::ClientUnderTest;
use super::injected_server::ServerUnderTest;

/// One failure: the `at`-th time that `call` is made, it fails with `errno`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) call: &'static str,
    pub(super) touches: Touches,
    pub(super) errno: &'static str,
    pub(super) at: u64,
}

impl Fault {
    /// What the tracer is told.
    pub(super) fn options(&self) -> [String; 4] {
        let Self { call, errno, at, .. } = self;
        [
            String::from("-e"),
            format!("trace={call}"),
            String::from("-e"),
            format!("inject={call}:error={errno}:when={at}"),
        ]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, errno, at, .. } = self;
        write!(f, "{call} number {at} fails with {errno}")
    }
}

/// What a campaign of failing system calls met.
#[derive(Debug, Default)]
pub struct Injected {
    /// How many failures there were, by side, call and error.
    pub counts: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// What should not have followed.
    pub violations: Vec<String>,
}

impl Injected {
    /// How many failures there were.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Injects the first `errors` errors of every call, at its first occurrence and at each one after that, until it occurs no more or `depth` is reached.
    fn run(
        &mut self,
        side: &'static str,
        calls: &'static [Call],
        (depth, errors): (u64, usize),
        mut inject: impl FnMut(&Fault) -> Result<u64, String>,
    ) {
        for &(call, touches, errnos) in calls {
            for &errno in errnos.iter().take(errors) {
                for at in 1..=depth {
                    let fault = Fault { call, touches, errno, at };
                    match inject(&fault) {
                        Ok(0) => break,
                        Ok(times) => *self.counts.entry((side, call, errno)).or_default() += times,
                        Err(reason) => self.violations.push(format!("{side}: {fault}: {reason}")),
                    }
                }
            }
        }
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
        write!(f, "{} system calls failed, {} violations", self.total(), self.violations.len())
    }
}

/// A sample of [`injected_failures`]: two errors of each call, the first time that it is made.
pub fn failing_system_calls_are_told_and_outlived(program: &Path) {
    if !can_inject() {
        return;
    }
    let injected = injected_failures(program, 1, 2);
    assert!(injected.violations.is_empty(), "{injected}");
    // Those that every program makes.
    for call in ["openat2", "pwrite64", "fsync", "renameat", "accept4", "recvfrom"] {
        let failed = |&(side, failed, _): &_| (side, failed) == ("server", call);
        assert!(injected.counts.keys().any(failed), "{call} never failed: {injected}");
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

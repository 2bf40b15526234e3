//! A server whose system calls fail. Each check panics when the program does not do what it should.

// That is what all of them are for.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, Signal};

use crate::cases::assert_nothing_is_unfinished;
use crate::process::{Bench, Raw, Serving};

/// Set where a check must not be skipped for want of a tool.
const MUST_RUN: &str = "HAUL_TESTS_MUST_RUN";

/// What a check needs, if this machine has it; otherwise the check is skipped, and says why.
///
/// # Panics
/// When it cannot be had, and `HAUL_TESTS_MUST_RUN` is set.
pub(super) fn or_skip<T>(needed: Result<T, String>) -> Option<T> {
    needed
        .inspect_err(|reason| {
            assert!(std::env::var_os(MUST_RUN).is_none(), "{reason}");
            eprintln!("skipped: {reason}");
        })
        .ok()
}

/// Whether system calls can be made to fail here.
///
/// # Panics
/// When they cannot, and `HAUL_TESTS_MUST_RUN` is set.
pub(super) fn can_inject() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let runs = traced.is_ok_and(|status| status.success());
    or_skip(runs.then_some(()).ok_or_else(|| String::from("strace does not run here"))).is_some()
}

/// A server whose `call` fails as `injected` says, on every file or on one; its calls are logged in `here/calls`. The tracer is a process of its own, so signals reach the
/// server. Calls can only be counted by thread, and which thread works on a file is the server's matter.
fn serve_with(bench: &Bench, call: &str, injected: &str, only: Option<&Path>) -> Serving {
    let log = bench.here().join("calls");
    let log = log.to_str().expect("the place has a plain name");
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{injected}");
    let mut launcher = vec!["strace", "-D", "-f", "-o", log, "-e", &trace, "-e", &inject];
    if let Some(path) = only {
        launcher.extend(["-P", path.to_str().expect("the place has a plain name")]);
    }
    bench.serve_under(&launcher, &[])
}

/// Uploads `new` over `old`; the server's reply.
fn replace(bench: &Bench, server: &Serving) -> (Raw, String) {
    let mut raw = server.connect();
    assert!(raw.line().starts_with("HAUL/1 "));
    raw.send(b"UPLOAD a\nDATA 3\nnewEND\n");
    assert_eq!(raw.line(), "READY");
    let reply = raw.line();
    assert_nothing_is_unfinished(bench);
    (raw, reply)
}

fn bench_with_old_file(program: &Path) -> Bench {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "old").unwrap();
    bench
}

fn assert_lives(mut raw: Raw, listed: &str) {
    raw.send(b"LIST a\nEXIT\n");
    let rest = raw.rest();
    assert!(rest.contains(listed) && rest.ends_with("OK \"bye\"\r\n"), "{rest}");
}

/// `fsync` of the file fails: `ERR io`, not tried again, the old file stays.
pub fn a_failing_fsync_is_final(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = bench_with_old_file(program);
    let mut server = serve_with(&bench, "fsync", "error=EIO", None);
    let (raw, reply) = replace(&bench, &server);
    assert!(reply.starts_with("ERR io \""), "{reply}");
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old");
    assert_lives(raw, "FILE \"a\" size=3");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
    let calls = fs::read_to_string(bench.here().join("calls")).unwrap();
    assert_eq!(calls.matches("(INJECTED)").count(), 1, "{calls}");
}

/// `fsync` of the directory fails: the file has its name, and the client is told that nobody knows for how long.
pub fn an_unconfirmed_name_is_told(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = bench_with_old_file(program);
    let server = serve_with(&bench, "fsync", "error=EIO", Some(&bench.share()));
    let (raw, reply) = replace(&bench, &server);
    assert!(reply.starts_with("ERR outcome-unknown \""), "{reply}");
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"new");
    assert_lives(raw, "FILE \"a\" size=3");
}

/// `rename` and `write` fail with a full disk: `ERR no-space`, the old file stays.
pub fn a_full_disk_publishes_nothing(program: &Path) {
    if !can_inject() {
        return;
    }
    for call in ["renameat,renameat2", "pwrite64"] {
        let bench = bench_with_old_file(program);
        let server = serve_with(&bench, call, "error=ENOSPC", None);
        let (raw, reply) = replace(&bench, &server);
        assert!(reply.starts_with("ERR no-space \""), "{call}: {reply}");
        assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old", "{call}");
        assert_lives(raw, "FILE \"a\" size=3");
    }
}

/// The limit of `ulimit -f`: `ERR too-large`, and its signal does not end the server. Its log cannot be written either, which hurts nobody.
pub fn a_file_size_limit_is_outlived(program: &Path) {
    let bench = bench_with_old_file(program);
    let server = bench.serve(&[]);
    server.limit(Resource::Fsize, Rlimit { current: Some(2), maximum: Some(2) });
    let (raw, reply) = replace(&bench, &server);
    assert!(reply.starts_with("ERR too-large \""), "{reply}");
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old");
    assert_lives(raw, "FILE \"a\" size=3");
}

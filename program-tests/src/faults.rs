//! A server whose system calls fail. Each check panics when the program does something wrong.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, Signal};

use crate::cases::assert_nothing_is_unfinished;
use crate::process::{Bench, Raw, Serving};
use crate::requirements::can_inject;

/// A server whose `call` fails as `injected` says, on every file or on one. Its calls are logged in `here/calls`. The
/// tracer is a process of its own, so signals reach the server. `strace` counts calls by thread, and any thread of the
/// server may work on a file.
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

/// Uploads `new` over `old` and returns the server's reply.
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

/// `fsync` of the file fails: the reply is `ERR io`, the server does not retry, and the old file stays.
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

/// `fsync` of the directory fails: the new file has its name, and the reply says that the outcome is unknown.
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

/// `rename` and `write` fail because the disk is full: the reply is `ERR no-space`, and the old file stays.
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

/// A file exceeds `ulimit -f`: the reply is `ERR too-large`, and SIGXFSZ does not end the server. It goes on though it
/// cannot write its log either.
pub fn a_file_size_limit_is_outlived(program: &Path) {
    let bench = bench_with_old_file(program);
    let server = bench.serve(&[]);
    server.limit(Resource::Fsize, Rlimit { current: Some(2), maximum: Some(2) });
    let (raw, reply) = replace(&bench, &server);
    assert!(reply.starts_with("ERR too-large \""), "{reply}");
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old");
    assert_lives(raw, "FILE \"a\" size=3");
}

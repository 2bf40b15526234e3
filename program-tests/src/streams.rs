//! What the program's stdin, stdout and stderr may be.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use crate::cases::names_in;
use crate::process::Bench;
use crate::running::Ended;

/// Runs the program with its streams redirected by a shell.
fn run(bench: &Bench, redirections: &str, args: &[&str]) -> Ended {
    let line = format!("exec \"$0\" \"$@\" {redirections}");
    bench.run_under(&["sh", "-c", &line], args, b"typed")
}

/// If stdin or stdout is closed, or is open in the wrong direction, the program reports an error before it stores or
/// downloads anything.
pub fn a_closed_stream_is_an_error_before_anything_is_done(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    fs::write(bench.here().join("b"), "here").unwrap();
    let server = bench.serve(&[]);
    let url = server.url();
    let shared = names_in(&bench.share());
    for (redirection, args, message) in [
        ("<&-", &["put", "-", "--as", "empty"][..], "stdin is closed"),
        ("0>>b", &["put", "-", "--as", "empty"], "stdin is not open for reading"),
        ("<&-", &["put", "/dev/stdin", "--as", "empty"], "stdin is closed"),
        ("<&-", &["shell"], "stdin is closed"),
        (">&-", &["get", "a", "-o", "-"], "stdout is closed"),
        (">&-", &["get", "a", "-qo", "-"], "stdout is closed"),
        (">&- 2>&-", &["get", "a", "-o", "-"], ""),
        ("<&- >&-", &["get", "a", "-o", "-"], "stdout is closed"),
        ("1<b", &["get", "a", "-o", "-"], "stdout is not open for writing"),
        (">&-", &["get", "a"], "stdout is closed"),
        (">&-", &["put", "b"], "stdout is closed"),
        (">&-", &["ls"], "stdout is closed"),
        (">&-", &["--help"], "stdout is closed"),
        (">&-", &["completions", "bash"], "stdout is closed"),
    ] {
        let all = [args, &["--server", &url]].concat();
        let ended = run(&bench, redirection, if args[0] == "--help" { args } else { &all });
        ended.assert_code(7);
        assert!(ended.stderr.contains(message), "{redirection} {args:?}: {}", ended.stderr);
        if !redirection.contains("2>") {
            ended.assert_one_clear_line();
        }
        assert_eq!(names_in(&bench.share()), shared, "{redirection} {args:?}");
        assert_eq!(names_in(&bench.here()), ["b"], "{redirection} {args:?}");
    }
    assert_eq!(fs::read(bench.here().join("b")).unwrap(), b"here");
}

/// A stream that a command does not use may be closed, and /dev/null may be open in any mode.
pub fn a_stream_that_is_not_used_may_be_closed(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    fs::write(bench.here().join("b"), "here").unwrap();
    fs::write(bench.here().join("script"), "UPLOAD b as c\n").unwrap();
    let closed = ["sh", "-c", "exec \"$0\" \"$@\" <&- 2>&-"];
    let server = bench.serve_under(&closed, &[]);
    let url = server.url();
    for (redirections, args) in [
        ("<&- 2>&-", &["get", "a", "-fo", "c"][..]),
        ("<&- >&- 2>&-", &["get", "a", "-qfo", "c"]),
        (">&-", &["put", "-q", "b"]),
        (">&-", &["shell", "-q", "script"]),
        ("1<>/dev/null", &["get", "a", "-o", "-"]),
        ("0<>/dev/null", &["put", "-", "--as", "empty"]),
        ("</dev/null >/dev/null", &["put", "-", "--as", "empty"]),
    ] {
        let ended = run(&bench, redirections, &[args, &["--server", &url]].concat());
        ended.assert_code(0);
        assert_eq!(ended.stderr, "", "{redirections} {args:?}");
    }
    assert_eq!(fs::read(bench.here().join("c")).unwrap(), b"hello");
    assert_eq!(fs::read(bench.share().join("b")).unwrap(), b"here");
}

//! System calls that a file system or a sandbox does not support. Each has a fallback.

use std::fs;
use std::path::Path;

use super::{client, client_under, failing};
use crate::process::Bench;
use crate::requirements::can_inject;

/// "times cannot be set: the whole transfer fails": the transfer succeeds without the time.
pub fn times_that_cannot_be_set_fail_no_transfer(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = Bench::new(program);
    fs::write(bench.share().join("f"), "x").unwrap();
    fs::write(bench.here().join("g"), "y").unwrap();
    let launcher = failing(&["inject=utimensat:error=EPERM"]);
    let server = bench.serve_under(&launcher, &[]);
    client(&bench, &server, "put g").assert_code(0);
    assert_eq!(fs::read(bench.share().join("g")).unwrap(), b"y");
    let got = client_under(&launcher, &bench, &server, "get f");
    got.assert_code(0);
    assert_eq!(fs::read(bench.here().join("f")).unwrap(), b"x");
    // The user reads the warning in the words of the program, not in those of a log.
    let name = program.file_name().unwrap().to_str().unwrap();
    let note = format!("{name}: the file system ");
    assert!(got.stderr.starts_with(&note), "{}", got.stderr);
}

/// "openat2 forbidden by seccomp with EPERM": a client does without it, and a server does too or names the call.
pub fn a_client_without_openat2_works(program: &Path) {
    if !can_inject() {
        return;
    }
    for error in ["EPERM", "ENOSYS"] {
        let injection = format!("inject=openat2:error={error}");
        let launcher = failing(&[&injection]);
        let bench = Bench::new(program);
        fs::create_dir_all(bench.here().join("t/sub")).unwrap();
        fs::write(bench.here().join("t/x"), "x").unwrap();
        fs::write(bench.here().join("t/sub/y"), "y").unwrap();
        if let Err(ended) = bench.try_serve_under(&launcher, &[]) {
            ended.assert_code(7).assert_one_clear_line();
            assert!(ended.stderr.contains("openat2"), "{error}: {}", ended.stderr);
        }
        let server = bench.serve(&[]);
        for words in ["put -r t", "put t/x --as one", "get -r t -o got", "get one"] {
            client_under(&launcher, &bench, &server, words).assert_code(0);
        }
        for root in [bench.share().join("t"), bench.here().join("got")] {
            assert_eq!(fs::read(root.join("sub/y")).unwrap(), b"y", "{error}: {}", root.display());
        }
    }
}

/// "splice refused by a file system: no fallback, "choose another name"": the bytes are copied.
pub fn a_file_that_cannot_be_spliced_is_copied(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = Bench::new(program);
    for directory in [bench.share(), bench.here()] {
        fs::write(directory.join("big"), vec![7; 5 << 20]).unwrap();
    }
    let launcher = failing(&["inject=splice:error=EINVAL", "inject=sendfile:error=EINVAL"]);
    for (of_server, of_client) in [(&launcher[..], &[][..]), (&[], &launcher)] {
        let server = bench.serve_under(of_server, &[]);
        for words in ["put big --as up", "get -f big -o down"] {
            client_under(of_client, &bench, &server, words).assert_code(0);
        }
        for file in [bench.share().join("up"), bench.here().join("down")] {
            assert!(fs::read(file).unwrap() == vec![7; 5 << 20]);
        }
    }
}

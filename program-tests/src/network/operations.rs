//! Servers that stop under load, and start again.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;
use std::process::Command;

use haul_harness::Content;
use rustix::process::Signal;

use super::limits::Small;
use crate::cases::{assert_nothing_is_unfinished, names_in};
use crate::disk::run;
use crate::process::{Bench, Raw, Serving};

/// More than the buffers of a connection hold, in bytes.
const LARGE: usize = 12 << 20;
const CLIENTS: usize = 12;

fn connect(server: &Serving) -> Raw {
    let mut raw = server.connect();
    assert!(raw.line().starts_with("HAUL/1 "));
    raw
}

/// SIGTERM during many uploads and downloads: all of them finish and are acknowledged, then every client gets
/// `shutting-down`.
pub fn a_signal_under_load_loses_nothing(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("large"), Content::pattern(LARGE).to_vec()).unwrap();
    let mut server = bench.serve(&[]);
    let mut uploads: Vec<Raw> = (0..CLIENTS).map(|_| connect(&server)).collect();
    for (number, raw) in uploads.iter_mut().enumerate() {
        raw.send(format!("UPLOAD up-{number}\nDATA 5\nhe").as_bytes());
        assert_eq!(raw.line(), "READY");
    }
    let mut downloads: Vec<Raw> = (0..CLIENTS).map(|_| connect(&server)).collect();
    for raw in &mut downloads {
        raw.send(b"DOWNLOAD large\n");
        assert!(raw.line().starts_with("SENDING "));
    }
    let mut idle = connect(&server);
    server.signal(Signal::TERM);
    // Once one client has this, all sessions know of the shutdown.
    assert!(idle.line().starts_with("ERR shutting-down \""));
    drop(idle);
    for raw in &mut uploads {
        raw.send(b"lloEND\n");
        assert!(raw.line().starts_with("OK size=5 crc64nvme=3377857006524257 version="));
        assert!(raw.line().starts_with("ERR shutting-down \""));
        assert_eq!(raw.rest(), "");
    }
    let whole = format!("OK length={LARGE} crc64nvme={}\r\n", Content::pattern(LARGE).checksum());
    for raw in &mut downloads {
        let rest = raw.rest_bytes();
        let told = String::from_utf8_lossy(&rest[rest.len() - 400..]).into_owned();
        assert!(told.contains(&whole), "{told}");
        let (_, last) = told.trim_end().rsplit_once('\n').expect("two lines");
        assert!(last.starts_with("ERR shutting-down \""), "{last}");
    }
    drop((uploads, downloads));
    assert_eq!(server.ended().code(), Some(0));
    for number in 0..CLIENTS {
        assert_eq!(fs::read(bench.share().join(format!("up-{number}"))).unwrap(), b"hello");
    }
    assert_nothing_is_unfinished(&bench);
}

/// An upload that does not end within the grace period is not published, and does not keep the server running.
pub fn a_transfer_that_does_not_end_is_cut_after_the_grace(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "old").unwrap();
    let mut server = bench.serve(&["--grace", "0"]);
    let mut raw = connect(&server);
    raw.send(b"UPLOAD a\nDATA 5\nhe");
    assert_eq!(raw.line(), "READY");
    server.signal(Signal::TERM);
    let rest = raw.rest();
    assert!(rest.is_empty() || rest.starts_with("ERR "), "{rest}");
    drop(raw);
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old");
    assert_nothing_is_unfinished(&bench);
}

/// A server listens at its port again though the kernel still has connections of its predecessor (`TIME_WAIT`).
pub fn a_server_starts_again_at_once(program: &Path) {
    let bench = Bench::new(program);
    let mut server = bench.serve(&[]);
    let address = server.address();
    let mut raw = connect(&server);
    server.signal(Signal::TERM);
    assert!(raw.rest().starts_with("ERR shutting-down \""));
    drop(raw);
    assert_eq!(server.ended().code(), Some(0));
    // The server closed first, so its end of the connection is the one in `TIME_WAIT`: state 06.
    let port = format!(":{:04X} ", address.port());
    let connections = fs::read_to_string("/proc/net/tcp").unwrap();
    let waits = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} ", words[1]).ends_with(&port) && words[3] == "06"
    };
    assert!(connections.lines().skip(1).any(waits), "nothing waits: {connections}");
    let again = bench.serve_at(&address.to_string(), &[], &[]);
    bench.run(&["ls", "--server", &again.url()]).assert_code(0);
}

/// On a read-only file system the server does not start. With `--read-only` it refuses uploads and serves the files.
pub fn a_directory_that_cannot_be_written_is_told(program: &Path) {
    let bench = Bench::new(program);
    let Some(_small) = Small::tmpfs(&bench.share(), "size=1m") else { return };
    fs::write(bench.share().join("served"), "hello").unwrap();
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(bench.share())).unwrap();
    let Err(ended) = bench.try_serve_under(&[], &[]) else { panic!("it serves") };
    ended.assert_code(7).assert_one_clear_line();
    assert!(ended.stderr.contains("--read-only"), "{}", ended.stderr);
    let server = bench.serve(&["--read-only"]);
    let url = server.url();
    bench.run(&["get", "--server", &url, "served"]).assert_code(0);
    let refused = bench.run(&["put", "--server", &url, "served", "--as", "new"]);
    refused.assert_code(4).assert_one_clear_line();
    bench.run(&["ls", "--server", &url]).assert_code(0);
    assert_eq!(names_in(&bench.share()), ["served"]);
}

/// With `--read-only` a server refuses uploads and writes nothing, though it could.
pub fn a_server_that_only_reads_writes_nothing(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("served"), "hello").unwrap();
    let server = bench.serve(&["--read-only"]);
    let mut raw = connect(&server);
    raw.send(b"UPLOAD served\nDATA 1\nxEND\nDOWNLOAD served\nEXIT\n");
    assert!(raw.line().starts_with("ERR denied "));
    let rest = raw.rest();
    assert!(rest.contains("\r\nDATA 5\r\nhello") && rest.ends_with("OK \"bye\"\r\n"), "{rest}");
    assert_eq!(names_in(&bench.share()), ["served"]);
}

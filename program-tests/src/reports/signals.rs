//! Terminals that close, less usual signals, clients that are stopped for a while, and readers that wait.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use super::Mounted;
use crate::cases::names_in;
use crate::process::Bench;
use crate::running::wait;

/// "SIGHUP: server dies without drain; client leaves `.haul-…`": a client cleans up, and exits with the signal's code.
pub fn each_signal_lets_a_client_clean_up(program: &Path) {
    let bench = Bench::new(program);
    let target = bench.here().join("d");
    fs::create_dir(&target).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&target) else { return };
    let stalling = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("haul://{}", stalling.local_addr().unwrap());
    let signals =
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)];
    for (signal, code) in signals {
        let launcher = ["env", "--default-signal=INT,TERM,HUP,QUIT"];
        let client = bench.start_under(&launcher, &["get", "f", "-o", "d/f", "--server", &url]);
        let (stream, _) = stalling.accept().unwrap();
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"HAUL/1 \"x\" max-data=16777216 pipeline=256\r\n").unwrap();
        stream.read_line(&mut String::new()).unwrap();
        let half = vec![b'a'; 1 << 20];
        let head = "SENDING size=2097152 offset=0 length=2097152 modified=2026-01-01T00:00:00Z\r\nDATA 2097152\r\n";
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        stream.get_mut().write_all(&half).unwrap();
        let within = Instant::now() + Duration::from_secs(10);
        while names_in(&target).is_empty() && Instant::now() < within {
            // There is no event to wait for.
            std::thread::sleep(Duration::from_millis(1));
        }
        client.signal(signal);
        client.ended().assert_code(code);
        assert!(names_in(&target).is_empty(), "{signal:?}: {:?}", names_in(&target));
    }
}

/// "Ctrl-C while `put -` waits for input, or while who reads a pipe stands still: it ends without a word": the client
/// says that it was interrupted.
pub fn a_client_that_waits_for_a_pipe_says_that_it_was_interrupted(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("big"), vec![7; 4 << 20]).unwrap();
    let server = bench.serve(&[]);
    let url = server.url();
    let fifo = |name: &str| {
        let path = bench.here().join(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        path
    };
    let launcher = ["env", "--default-signal=INT,TERM"];
    let writer = fifo("in");
    let put = ["put", "in", "--as", "x", "--server", &url];
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let client = bench.start_under(&launcher, &put);
        // This blocks until the client has opened the other end.
        let silent = OpenOptions::new().write(true).open(&writer).unwrap();
        client.signal(signal);
        let ended = client.ended();
        ended.assert_code(code).assert_one_clear_line();
        assert!(ended.stderr.ends_with(": interrupted\n"), "{}", ended.stderr);
        drop(silent);
    }
    let reader = fifo("out");
    let client = bench.start_under(&launcher, &["get", "big", "-o", "out", "--server", &url]);
    let mut standing = File::open(&reader).unwrap();
    standing.read_exact(&mut [0]).unwrap();
    client.signal(Signal::INT);
    let ended = client.ended();
    ended.assert_code(130).assert_one_clear_line();
    assert!(ended.stderr.ends_with(": interrupted\n"), "{}", ended.stderr);
}

/// "a client that was stopped for a while (Ctrl-Z, a lid) is cut": while there are free places the server waits for it,
/// and the client goes on.
pub fn a_stopped_client_goes_on(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&["--patience", "1"]);
    let clock = bench.serve(&["--patience", "1", "--idle", "3"]);
    let mut client = bench.command(&[]);
    client.args(["put", "-", "--as", "big", "--server", &server.url()]).stdin(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    // More than the pipe holds: once it is written, the client has begun.
    input.write_all(&vec![7; 4 << 20]).unwrap();
    let pid = rustix::process::Pid::from_child(&client);
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    // Three times the time that slow peers get where places are scarce. Another server's idle timeout measures it.
    let mut idle = clock.connect();
    assert!(idle.line().starts_with("HAUL/1 "));
    assert!(idle.line().starts_with("ERR timeout "));
    rustix::process::kill_process(pid, Signal::CONT).unwrap();
    input.write_all(&vec![7; 4 << 20]).unwrap();
    drop(input);
    assert_eq!(wait(&mut client).code(), Some(0));
    assert!(fs::read(bench.share().join("big")).unwrap() == vec![7; 8 << 20]);
}

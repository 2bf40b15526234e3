//! Connections that close while people wait, and servers that never reply.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::abuse::Meter;
use crate::process::{Bench, LINGERING};
use crate::running::wait;

/// "shell after an idle disconnect: the command fails, a script ends": the shell connects again for the next command.
pub fn a_shell_connects_again_after_an_idle_time(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "x").unwrap();
    let server = bench.serve(&["--idle", "1"]);
    let mut shell = bench.command(&[]);
    shell.args(["shell", "--server", &server.url()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    let (mut stdin, stdout) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    for (sessions, (asked, begin)) in (1..).zip([
        ("LIST a\n", "a\n"),
        ("LIST a\n", "a\n"),
        ("DOWNLOAD a\n", "a  1 byte "),
        ("UPLOAD a as b\n", "a -> b  1 byte "),
        ("UPLOAD --create a as c\n", "a -> c  1 byte "),
    ]) {
        stdin.write_all(asked.as_bytes()).unwrap();
        line.clear();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with(begin), "{asked}: {line}");
        // The session of this command is over.
        let within = Instant::now() + LINGERING;
        while server.log().matches("outcome=timeout").count() < sessions {
            assert!(Instant::now() < within, "{}", server.log());
            // There is no event to wait for.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    stdin.write_all(b"LIST a\nEXIT\n").unwrap();
    drop(stdin);
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "a\n");
    assert_eq!(wait(&mut shell).code(), Some(0));
}

/// "server restarts in the middle of a batch: the rest is not tried": unconfirmed files are sent again, and all arrive.
pub fn a_batch_goes_on_after_a_restart(program: &Path) {
    const FILES: usize = 4000;
    let bench = Bench::new(program);
    fs::create_dir(bench.here().join("t")).unwrap();
    for number in 0..FILES {
        fs::write(bench.here().join(format!("t/f{number}")), number.to_string()).unwrap();
    }
    let stored = || fs::read_dir(bench.share().join("t")).map_or(0, Iterator::count);
    let address = Bench::own_address();
    let mut server = bench.serve_at(&address, &[], &[]);
    let address = server.address().to_string();
    let url = server.url();
    let put = bench.start(&["put", "-rq", "t", "--server", &url]);
    let within = Instant::now() + LINGERING;
    while stored() < 100 && Instant::now() < within {
        // There is no event to wait for.
        std::thread::sleep(Duration::from_millis(1));
    }
    server.signal(Signal::KILL);
    server.ended();
    assert!(stored() < FILES, "it was over before");
    let _server = bench.serve_at(&address, &[], &[]);
    let put = put.ended();
    put.assert_code(0);
    for number in 0..FILES {
        let file = bench.share().join(format!("t/f{number}"));
        assert_eq!(fs::read_to_string(file).unwrap(), number.to_string());
    }
}

/// "silent server: 5 minutes, no option": the client gives up soon, and `--connect-timeout` says when.
pub fn a_server_that_never_greets_is_given_up(program: &Path) {
    let bench = Bench::new(program);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("haul://{}", silent.local_addr().unwrap());
    fs::write(bench.here().join("f"), "x").unwrap();
    let started = [
        &["ls", "--server", &url][..],
        &["ls", "--server", &url, "--timeout", "1"],
        &["get", "f", "-o", "g", "--server", &url, "--connect-timeout", "1"],
        &["put", "f", "--server", &url, "--connect-timeout", "1"],
    ]
    .map(|args| bench.start(args));
    for client in started {
        let ended = client.ended();
        ended.assert_code(5).assert_one_clear_line();
    }
}

/// "a transfer that is done hangs until the timeout": the client soon leaves a server that ignores EXIT, and its exit
/// code is that of the transfer.
pub fn a_server_that_does_not_say_goodbye_is_left(program: &Path) {
    const SENDS: &[u8] = b"SENDING size=5 offset=0 length=5 modified=2026-01-01T00:00:00Z\r\nDATA 5\r\nhelloOK length=5 crc64nvme=3377857006524257\r\n";
    for (answer, code) in [(SENDS, 0), (b"ERR not-found \"no\"\r\n", 3)] {
        let bench = Bench::new(program);
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("haul://{}", mute.local_addr().unwrap());
        let client = bench.start(&["get", "f", "--server", &url]);
        let (stream, _) = mute.accept().unwrap();
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"HAUL/1 \"x\" max-data=16777216 pipeline=256\r\n").unwrap();
        let mut lines = String::new();
        stream.read_line(&mut lines).unwrap();
        stream.get_mut().write_all(answer).unwrap();
        // This server reads until the client is gone, and sends nothing.
        stream.read_to_string(&mut lines).unwrap();
        assert_eq!(lines, "DOWNLOAD \"f\"\r\nEXIT\r\n");
        client.ended().assert_code(code);
        let come = fs::read(bench.here().join("f")).ok();
        assert_eq!(come.as_deref(), (code == 0).then_some(&b"hello"[..]));
    }
}

/// "memory of `get -r` grows with the tree; an endless listing kills the client": the client refuses it, or processes
/// it as it arrives.
pub fn a_listing_without_end_takes_no_memory(program: &Path) {
    /// A client that kept all entries would need twice the memory that it may have.
    const ENTRIES: usize = 2_000_000;
    const MOST: u64 = 100 << 20;
    let bench = Bench::new(program);
    for words in [&["get", "-rq", ".", "-o", "g"][..], &["ls", "-rq"]] {
        let hostile = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("haul://{}", hostile.local_addr().unwrap());
        let client = bench.start(&[words, &["--server", &url]].concat());
        let (stream, _) = hostile.accept().unwrap();
        stream.set_write_timeout(Some(LINGERING)).unwrap();
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"HAUL/1 \"x\" max-data=16777216 pipeline=256\r\n").unwrap();
        stream.read_line(&mut String::new()).unwrap();
        let mut lines = Vec::new();
        for number in 0..ENTRIES {
            writeln!(lines, "FILE \"a-name-of-usual-length-{number}.txt\" size=1 modified=2026-01-01T00:00:00Z\r").unwrap();
            if lines.len() > 1 << 20 {
                // A client that gives up has closed, or stopped reading.
                if stream.get_mut().write_all(&lines).is_err() {
                    break;
                }
                lines.clear();
            }
        }
        let most = Meter::new(client.id()).peak_while_it_lives().unwrap_or(0);
        assert!(most < MOST, "{words:?}: {most} bytes");
        drop(stream);
        drop(hostile);
        assert_ne!(client.ended().status.code(), Some(0));
    }
}

/// The same report: `get -r` takes the memory that a small tree takes.
pub fn memory_does_not_grow_with_the_tree(program: &Path) {
    let bench = Bench::new(program);
    for (directory, files) in [("small", 2_000), ("large", 30_000)] {
        fs::create_dir(bench.share().join(directory)).unwrap();
        for number in 0..files {
            let name = format!("{directory}/a-name-of-usual-length-{number}.txt");
            fs::write(bench.share().join(name), "").unwrap();
        }
    }
    let server = bench.serve(&[]);
    let url = server.url();
    let peak = |tree: &str| {
        // Each further connection takes memory too, and how many there are depends on the moment.
        let client =
            bench.start(&["get", "-rq", tree, "-o", tree, "--jobs", "1", "--server", &url]);
        let meter = Meter::new(client.id());
        let mut peak = 0;
        while !client.ends_within(Duration::from_millis(1)) {
            peak = meter.peak_while_it_lives().unwrap_or(peak);
        }
        client.ended().assert_code(0);
        peak
    };
    let (small, large) = (peak("small"), peak("large"));
    assert!(large < small + (3 << 20), "{small} bytes of 2,000 files, {large} bytes of 30,000");
}

//! The log of a server: what it contains, how much of it there is, and that the server works though nobody reads it.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::pipe::fcntl_setpipe_size;
use rustix::process::Signal;

use crate::process::Bench;
use crate::process::{Raw, Serving};

/// So many requests that their log lines fit neither into a pipe nor into the server's queue.
const MANY: usize = 10_000;
/// Commands that are sent before their replies are read.
const AT_ONCE: usize = 200;

/// A pipe of minimal size. The writing end becomes a server's log.
fn narrow_pipe() -> (PipeReader, File) {
    let (reader, writer) = pipe().expect("a pipe can be made");
    fcntl_setpipe_size(&writer, 4096).expect("a pipe can be made smaller");
    (reader, File::from(OwnedFd::from(writer)))
}

/// Sends a line `times` times, and reads the reply to each. The connection stays open.
fn repeat(server: &Serving, line: &str, times: usize, reply: &str) -> Raw {
    let mut raw = server.connect();
    raw.line();
    for _ in 0..times / AT_ONCE {
        raw.send(format!("{line}\n").repeat(AT_ONCE).as_bytes());
        for _ in 0..AT_ONCE {
            let line = raw.line();
            assert!(line.starts_with(reply), "{line}");
        }
    }
    raw
}

/// Stderr is a pipe that nobody reads. The server still serves sessions, greets new clients, and ends on a signal.
pub fn a_log_that_nobody_reads_blocks_nobody(program: &Path) {
    let bench = Bench::new(program);
    let (_unread, log) = narrow_pipe();
    let mut server = bench.serve_logging_to(log, &[]);
    repeat(&server, "DOWNLOAD nothing", MANY, "ERR not-found ");
    fs::write(bench.here().join("a"), "a").unwrap();
    bench.run(&["put", "a", "--server", &server.url()]).assert_code(0);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

/// When somebody reads the log again, each line is there or is counted as dropped.
pub fn lines_that_were_dropped_are_counted(program: &Path) {
    let bench = Bench::new(program);
    let (unread, log) = narrow_pipe();
    let mut server = bench.serve_logging_to(log, &[]);
    drop(repeat(&server, "DOWNLOAD nothing", MANY, "ERR not-found "));
    let told = " log lines were dropped because nobody read them";
    let (mut there, mut dropped) = (0, 0);
    for line in BufReader::new(unread).lines() {
        let line = line.expect("the log is text");
        if let Some((before, "")) = line.split_once(told) {
            let number = before.rsplit(' ').next().and_then(|number| number.parse::<usize>().ok());
            dropped += number.expect("it is a number");
            server.signal(Signal::TERM);
        }
        there += usize::from(line.contains(" outcome=not-found "));
        if line.ends_with(": stopped") {
            break;
        }
    }
    assert!(there > 0 && dropped > 0, "{there} and {dropped}");
    assert_eq!(there + dropped, MANY);
    assert_eq!(server.ended().code(), Some(0));
}

/// Stderr is closed, or is on a full disk. The server works without a log.
pub fn a_log_that_cannot_be_written_is_done_without(program: &Path) {
    for redirection in ["2>&-", "2>/dev/full", "2</dev/null"] {
        let bench = Bench::new(program);
        let line = format!("exec \"$0\" \"$@\" {redirection}");
        let mut server = bench.serve_under(&["sh", "-c", &line], &[]);
        fs::write(bench.here().join("a"), "a").unwrap();
        bench.run(&["put", "a", "--server", &server.url()]).assert_code(0);
        server.signal(Signal::TERM);
        assert_eq!(server.ended().code(), Some(0), "{redirection}");
    }
}

/// The fields of a log line, as a program reads them that knows quotes and backslashes.
fn fields(line: &str) -> Vec<(&str, String)> {
    let mut fields = Vec::new();
    let mut rest = line;
    while let Some((name, value)) = rest.split_once('=') {
        let (value, behind) = if let Some(quoted) = value.strip_prefix('"') {
            unquote(quoted)
        } else {
            let end = value.find(' ').unwrap_or(value.len());
            (value[..end].to_owned(), &value[end..])
        };
        fields.push((name, value));
        rest = behind.strip_prefix(' ').unwrap_or_else(|| {
            assert_eq!(behind, "", "{line}");
            behind
        });
    }
    assert_eq!(rest, "", "{line}");
    fields
}

/// The content of a quoted text, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut said = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().expect("it has an end") {
            '"' => return (said, chars.as_str()),
            '\\' => match chars.next().expect("something follows") {
                'n' => said.push('\n'),
                't' => said.push('\t'),
                'u' => {
                    let (code, rest) = chars.as_str()[1..].split_once('}').expect("it has an end");
                    said.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
                    chars = rest.chars();
                }
                c => said.push(c),
            },
            c => said.push(c),
        }
    }
}

/// Names that look like fields, ends of quotes, lines or terminal commands.
const HOSTILE_NAMES: &[&str] = &[
    "x peer=1.2.3.4:5 outcome=ok",
    "a\" outcome=ok path=\"b",
    "\"",
    "a'b",
    "ends in=",
    "session{peer=1.2.3.4:5 number=1}: haul_transport::log: request=1",
    "right\u{202e}left",
    "unseen\u{3164}\u{2800}\u{034f}\u{fe0f}",
];

/// A request is one log line. The names in its fields can be read back exactly, and a refusal has its reason.
pub fn a_request_is_one_line_of_the_log(program: &Path) {
    let bench = Bench::new(program);
    let mut server = bench.serve(&[]);
    let mut raw = server.connect();
    raw.line();
    let mut expected = Vec::new();
    for name in HOSTILE_NAMES {
        let quoted = name.replace('"', "\\\"");
        let lines = format!(
            "UPLOAD \"{quoted}\"\nDATA 3\nabcEND\nDOWNLOAD \"{quoted}/x\"\nMOVE \"{quoted}\" \"to {quoted}\"\n"
        );
        raw.send(lines.as_bytes());
        assert_eq!(raw.line(), "READY");
        assert!(raw.line().starts_with("OK "));
        assert!(raw.line().starts_with("ERR "));
        assert_eq!(raw.line(), "OK");
        expected.push(("UPLOAD", (*name).to_owned()));
        expected.push(("DOWNLOAD", format!("{name}/x")));
        expected.push(("MOVE", (*name).to_owned()));
    }
    raw.send(b"FETCH\" outcome=ok peer=\"1.2.3.4\nHELP\nEXIT\n");
    raw.rest();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));

    let log = server.log();
    assert!(!log.contains(|c: char| c != '\n' && (c.is_control() || !(' '..='~').contains(&c))));
    let (marker, peer) = ("}: haul_transport::log: ", "  INFO session{peer=127.0.0.1:");
    let mut lines = log.lines().filter(|line| line.contains(marker));
    for (at, (verb, path)) in expected.into_iter().enumerate() {
        let line = lines.next().expect("there is one");
        assert!(line[27..].starts_with(peer), "{line}");
        let fields = fields(line.split_once(marker).expect("it was looked for").1);
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let value = |name: &str| {
            &fields.iter().find(|field| field.0 == name).unwrap_or_else(|| panic!("{line}")).1
        };
        assert_eq!((value("verb").as_str(), value("path")), (verb, &path));
        assert_eq!(*value("request"), (at + 1).to_string());
        // Each of them works on files.
        assert!(value("ms").parse::<f64>().is_ok_and(|ms| ms > 0.0), "{line}");
        if verb == "UPLOAD" {
            assert_eq!(names, ["request", "verb", "path", "outcome", "bytes", "crc64nvme", "ms"]);
            assert_eq!((value("outcome").as_str(), value("bytes").as_str()), ("ok", "3"));
        } else if verb == "MOVE" {
            assert_eq!(names, ["request", "verb", "path", "to", "outcome", "ms"]);
            assert_eq!(*value("to"), format!("to {path}"));
        } else {
            assert_eq!(names, ["request", "verb", "path", "outcome", "ms", "cause"]);
            assert_eq!(value("outcome"), "not-a-file");
            assert!(!value("cause").is_empty());
        }
    }
    let last = lines.next().expect("what was no request has a line too");
    let fields = fields(last.split_once(marker).expect("it was looked for").1);
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["request", "outcome", "ms", "cause"]);
    assert_eq!(fields[1].1, "unknown-command");
    assert_eq!(lines.next(), None);
}

/// The time of a malformed line, which ends its session at once, does not count from the start of the server.
pub fn the_time_of_a_malformed_line_is_its_own(program: &Path) {
    const LATER: Duration = Duration::from_millis(500);
    let bench = Bench::new(program);
    let mut server = bench.serve(&[]);
    thread::sleep(LATER);
    for line in ["A".repeat(5000).as_bytes(), b"\xff\n"] {
        let mut raw = server.connect();
        raw.line();
        raw.send(line);
        assert!(raw.line().starts_with("ERR protocol "));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
    let log = server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" outcome=protocol ")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for line in lines {
        let ms = line.split_once(" ms=").and_then(|(_, rest)| rest.split(' ').next());
        let ms = ms.and_then(|ms| ms.parse::<f64>().ok()).expect("it has a time");
        assert!(ms < LATER.as_secs_f64() * 1000.0, "{line}");
    }
}

/// Malformed lines and refused clients add a bounded number of lines to the log. The others are counted.
pub fn one_client_does_not_fill_the_log(program: &Path) {
    let bench = Bench::new(program);
    let mut server = bench.serve(&["--max-clients", "1"]);
    let _only_place = repeat(&server, "", MANY, "ERR ");
    let refused = 300;
    for _ in 0..refused {
        let first = server.connect().line();
        assert!(first.starts_with("ERR busy ") || first.is_empty(), "{first}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
    let log = server.log();
    let there = log.matches(" outcome=").count();
    let left_out =
        log.lines().filter_map(|line| line.split_once(": left out: ")?.1.split_once(" lines="));
    let left_out: usize = left_out.filter_map(|(_, lines)| lines.parse::<usize>().ok()).sum();
    assert_eq!(there + left_out, MANY + refused);
    assert!(log.len() < 40_000, "{} bytes", log.len());
    assert!(log.contains(" INFO haul_transport::log: peer=127.0.0.1:"), "{log}");
}

//! Every state of a client with every line that a server may send in it.

use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::{Depth, Limits, Mode};
use haul_harness::{End, LocalFiles, MemoryFiles, Single};

use crate::joined::path;

const GREETING: &str = "HAUL/1 \"\" max-data=99 pipeline=9\n";
const READY: &str = "READY\n";
const OK: &str = "OK\n";
const DATA: &str = "DATA 2\nab";
const SENDING: &str = "SENDING size=3 offset=0 length=3 modified=2026-11-22T08:31:25Z\n";

/// What a server may send.
const LINES: &[(&str, &str)] = &[
    ("greeting", GREETING),
    ("entry", "FILE f size=1 modified=2026-11-22T08:31:25Z\n"),
    ("sending", SENDING),
    ("sending another range", "SENDING size=3 offset=1 length=2 modified=2026-11-22T08:31:25Z\n"),
    ("ready", READY),
    ("data", DATA),
    ("too much data", "DATA 4\nabcd"),
    ("info", "INFO \"i\"\n"),
    ("ok", OK),
    ("ok of a listing", "OK entries=0\n"),
    ("ok of nothing sent", "OK size=0 length=0 crc64nvme=0000000000000000\n"),
    ("err", "ERR io \"x\"\n"),
    ("err unknown", "ERR new-code \"x\"\n"),
    ("err that closes", "ERR shutting-down \"x\"\n"),
    ("garbage", "WHAT\n"),
    ("end", ""),
];

/// A state: the requests, the input before, and a letter for each of [`LINES`].
///
/// `V` the server broke the protocol; `R` the request is refused and the session goes on; `O` the request succeeded;
/// `L` the connection is over for the server's reason; `D` it ended before the reply; `E` it ended as it should; `.`
/// the session goes on.
const TABLE: &[(&str, Option<&str>, &[&str], &str)] = &[
    ("new", Some("list"), &[], ".VVVVVVVVVVLLLVD"),
    ("idle", None, &[GREETING], "VVVVVVVVVVVVVLVD"),
    ("list", Some("list"), &[GREETING], "V.VVVVVVVOVRRLVD"),
    ("download", Some("download"), &[GREETING], "VV.VVVVVVVVRRLVD"),
    ("receiving", Some("download"), &[GREETING, SENDING], "VVVVV.VVVVVRRLVD"),
    ("within a download", Some("download"), &[GREETING, SENDING, DATA], "VVVVVVVVVVVRRLVD"),
    ("large upload", Some("large"), &[GREETING], "VVVV.VVVVVVRRLVD"),
    ("sending unasked", Some("small"), &[GREETING], "VVVV.VVVVVVRRLVD"),
    ("sending", Some("large"), &[GREETING, READY], "VVVVVVVVVVVRRLVD"),
    ("sent", Some("none"), &[GREETING, READY], "VVVVVVVVVVORRLVD"),
    ("help", Some("help"), &[GREETING], "VVVVVVV.OOORRLVD"),
    ("exit", Some("exit"), &[GREETING], "VVVVVVVVEEERRLVD"),
    ("leaving", Some("exit"), &[GREETING, OK], "EEEEEEEEEEEEEEEE"),
];

fn request(name: &str) -> Request {
    match name {
        "list" => Request::List { path: None, depth: Depth::ONE, omitted: false },
        "download" => Request::Download {
            path: path("f"),
            offset: 0,
            length: None,
            mode: Mode::Replace,
            if_match: None,
        },
        "help" => Request::Help,
        "exit" => Request::Exit,
        source => Request::Upload { path: path(source), mode: Mode::Replace, if_match: None },
    }
}

fn observe(asked: Option<&str>, before: &[&str], line: &str, is_end: bool) -> char {
    let sources = MemoryFiles::new(false)
        .with_file("none", &b""[..])
        .with_file("small", vec![1; 1000])
        .with_file("large", vec![1; 100_000]);
    let mut files = LocalFiles { sources, targets: MemoryFiles::new(false) };
    let limits = Limits { chunk: 99, ..Limits::default() };
    let mut client = Client::new(ClientConfig { limits, ..ClientConfig::default() });
    if let Some(asked) = asked {
        client.request(request(asked));
    }
    let before = before.concat();
    let said = format!("{before}{line}");
    let end = if is_end { End::HangUp } else { End::Silence };
    let run = Single::new(said.as_bytes()).by_line().ending(end).play(&mut client, &mut files);
    assert!(!files.has_open(), "something is left open");
    assert!(run.taken > before.len() || is_end, "the line was not taken: {said:?}");
    assert!(files.targets.all().is_empty(), "nothing was whole");
    let lost = run.events.iter().find_map(|event| match event {
        ClientEvent::Lost(failure) => Some(failure),
        _ => None,
    });
    let finished = run.events.iter().find_map(|event| match event {
        ClientEvent::Finished { result, .. } => Some(result),
        _ => None,
    });
    match (lost, finished) {
        (Some(Failure::Violation(_)), _) => 'V',
        (Some(Failure::Refused(_)), _) => 'L',
        (Some(Failure::Disconnected), _) => 'D',
        (_, Some(Err(Failure::Refused(_)))) => 'R',
        (None, Some(Ok(_))) if run.over => 'E',
        (None, Some(Ok(_))) => 'O',
        (Some(Failure::NoGreeting | Failure::TimedOut), _) => '.',
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_state_meets_every_line() {
    let mut wrong = Vec::new();
    for (state, asked, before, expected) in TABLE {
        let seen: String = LINES
            .iter()
            .map(|(name, line)| observe(*asked, before, line, *name == "end"))
            .collect();
        if seen != *expected {
            wrong.push(format!("{state}: {seen} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

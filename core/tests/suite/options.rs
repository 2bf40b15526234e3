//! Later additions to the protocol: omitted names of a listing, and executable files.

use std::sync::Arc;

use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::server::{Server, ServerConfig};
use haul_core::{Depth, Entry, ErrorCode, Mode, Omission};
use haul_harness::{End, LocalFiles, MemoryFiles, Pair, Run, Single, Standstill};

use crate::joined::{path, results};

const GREETING: &str = "HAUL/1 \"\" max-data=1000 pipeline=9\n";
const REFUSED: &str = "ERR bad-argument \"omitted= is not an option here\"\n";

fn list(omitted: bool) -> Request {
    Request::List { path: None, depth: Depth::All, omitted }
}

fn upload(name: &str) -> Request {
    Request::Upload { path: path(name), mode: Mode::Replace, if_match: None }
}

fn local() -> LocalFiles {
    let sources = MemoryFiles::new(false)
        .with_program("tool", &b"#!/bin/sh\n"[..])
        .with_program("other", &b"#!"[..])
        .with_file("text", &b"hello"[..]);
    LocalFiles { sources, targets: MemoryFiles::new(false) }
}

/// What a client does if a server sends `said` after the greeting, a line at a time.
fn meet(requests: &[Request], said: &str) -> Run<ClientEvent> {
    let mut client = Client::new(ClientConfig::default());
    for request in requests {
        client.request(request.clone());
    }
    let said = format!("{GREETING}{said}");
    let single = Single::new(said.as_bytes()).by_line().ending(End::HangUp);
    single.play(&mut client, &mut local())
}

/// The lines that it sent.
fn lines(run: &Run<ClientEvent>) -> Vec<String> {
    run.text().lines().map(str::to_owned).collect()
}

fn entries(told: &[ClientEvent]) -> Vec<Entry> {
    let entry = |event: &ClientEvent| match event {
        ClientEvent::Entry { entry, .. } => Some(entry.clone()),
        _ => None,
    };
    told.iter().filter_map(entry).collect()
}

/// Gets the full listing of a server of `shared`.
fn listed(shared: MemoryFiles, omitted: bool) -> Vec<Entry> {
    let client = Client::new(ClientConfig::default());
    let server = Server::new(Arc::new(ServerConfig { durable: false, ..ServerConfig::default() }));
    let mut pair = Pair::new(client, LocalFiles::default(), server, shared, 1 << 16, &[]);
    pair.client.request(list(omitted));
    assert_eq!(pair.play(), Standstill::Idle);
    assert!(results(&pair.client_events).values().all(Result::is_ok));
    entries(&pair.client_events)
}

/// Otherwise its copy would be an empty directory, and nobody would notice.
#[test]
fn a_directory_that_cannot_be_read_is_told_from_an_empty_one() {
    let shared = MemoryFiles::new(false).with_closed("closed").with_file("open/file", &b""[..]);
    let directory = |name, error| Entry::Directory { path: path(name), error, link: false };
    let [closed, open, _] = &listed(shared, false)[..] else { panic!("there are three") };
    assert_eq!(*closed, directory("closed", Some(ErrorCode::Denied)));
    assert_eq!(*open, directory("open", None));
}

/// An older client would take the line for a violation.
#[test]
fn what_is_left_out_is_told_to_those_who_ask() {
    let shared = || MemoryFiles::new(false).with_omitted("a\u{1b}b", Omission::Name);
    let shown = r"a\u{1b}b".to_owned();
    assert_eq!(listed(shared(), true), [Entry::Omitted { shown, reason: Omission::Name }]);
    assert_eq!(listed(shared(), false), []);
}

#[test]
fn what_is_left_out_is_counted() {
    let told = "OMITTED \"pipe\" reason=special\nDIR \"d\" error=io link=yes\n";
    for (ok, good) in [
        ("OK entries=1 omitted=1", true),
        ("OK entries=1", false),
        ("OK entries=1 omitted=0", false),
        ("OK entries=1 omitted=2", false),
        ("OK entries=2 omitted=1", false),
    ] {
        let run = meet(&[list(true)], &format!("{told}{ok}\n"));
        assert_eq!(results(&run.events).values().all(Result::is_ok), good, "{ok}");
    }
    // The server ignored the option.
    let run = meet(&[list(true)], "DIR \"d\"\nOK entries=1\n");
    assert!(results(&run.events).values().all(Result::is_ok));
    // The client did not ask for it.
    let run = meet(&[list(false)], &format!("{told}OK entries=1 omitted=1\n"));
    assert!(results(&run.events).values().all(Result::is_err));
    // A server may say how many it would have listed.
    let run = meet(&[list(false)], "OK entries=0 omitted=1\n");
    assert!(results(&run.events).values().all(Result::is_ok));
}

#[test]
fn words_of_a_later_server_are_understood_as_far_as_they_matter() {
    let said = "OMITTED \"x\" reason=quarantined size=5\nDIR \"d\" error=offline since=yesterday\nOK entries=1 omitted=1\n";
    let run = meet(&[list(true)], said);
    let omitted = Entry::Omitted { shown: "x".to_owned(), reason: Omission::Unknown };
    let directory = Entry::Directory { path: path("d"), error: Some(ErrorCode::Io), link: false };
    assert_eq!(entries(&run.events), [omitted, directory]);
    for garbled in [
        "OMITTED \"x\"",
        "OMITTED reason=name",
        "DIR \"d\" link=no",
        "DIR \"d\" error=",
        "DIR \"d\" error=A",
    ] {
        let run = meet(&[list(true)], &format!("{garbled}\nOK entries=1 omitted=0\n"));
        let results = results(&run.events);
        let failed = results.values().all(|result| matches!(result, Err(Failure::Violation(_))));
        assert!(failed, "{garbled}: {results:?}");
    }
}

/// Once is enough: the next listing does not try it again.
#[test]
fn an_older_server_is_asked_without_what_it_does_not_know() {
    let said = format!("{REFUSED}DIR \"d\"\nOK entries=1\nOK entries=0\n");
    let run = meet(&[list(true), list(true)], &said);
    assert_eq!(lines(&run), ["LIST depth=all omitted=yes", "LIST depth=all", "LIST depth=all"]);
    let results = results(&run.events);
    assert!(results.values().all(|result| result.as_ref().is_ok_and(|ok| ok.omitted.is_none())));
    // A refusal of the second try is final.
    let run = meet(&[list(true)], &format!("{REFUSED}{REFUSED}"));
    let refused = crate::joined::results(&run.events).into_values().next();
    assert!(matches!(refused, Some(Err(Failure::Refused(_)))), "{refused:?}");
    assert_eq!(lines(&run).len(), 2);
}

/// The body waits until the command is known to be accepted: it is sent once.
#[test]
fn an_older_server_gets_an_executable_as_a_file() {
    let receipt = |data: &[u8]| {
        let checksum = haul_core::Checksum::of(data);
        format!("READY\nOK size={} crc64nvme={checksum}\n", data.len())
    };
    let first = receipt(b"#!/bin/sh\n");
    let second = receipt(b"#!");
    let requests = [upload("tool"), upload("other")];

    let run = meet(&requests, &format!("{REFUSED}{first}{second}"));
    assert!(results(&run.events).values().all(Result::is_ok), "{:?}", run.events);
    let sent = run.text();
    assert_eq!(sent.matches("executable=yes").count(), 1, "{sent}");
    assert_eq!(sent.matches("UPLOAD ").count(), 3, "{sent}");
    assert_eq!(sent.matches("#!/bin/sh").count(), 1, "{sent}");

    let run = meet(&requests, &format!("{first}{second}"));
    assert!(results(&run.events).values().all(Result::is_ok), "{:?}", run.events);
    assert_eq!(run.text().matches("executable=yes").count(), 2);

    // If it is refused for another reason, or was cancelled meanwhile, it is not sent again.
    let run = meet(&[upload("tool")], "ERR denied \"no\"\n");
    assert_eq!(run.text().matches("UPLOAD ").count(), 1);
    let run = meet(&[upload("text")], "ERR bad-argument \"no\"\n");
    assert_eq!(run.text().matches("UPLOAD ").count(), 1);
}

#[test]
fn what_may_be_executed_may_be_so_on_the_other_side() {
    let client = Client::new(ClientConfig::default());
    let server = Server::new(Arc::new(ServerConfig { durable: false, ..ServerConfig::default() }));
    let shared =
        MemoryFiles::new(false).with_program("run", &b"#!"[..]).with_file("read", &b"x"[..]);
    let mut pair = Pair::new(client, local(), server, shared, 1 << 16, &[]);
    for name in ["run", "read"] {
        let (path, mode) = (path(name), Mode::Replace);
        pair.client.request(Request::Download {
            path,
            offset: 0,
            length: None,
            mode,
            if_match: None,
        });
    }
    for name in ["tool", "text", "other"] {
        pair.client.request(upload(name));
    }
    assert_eq!(pair.play(), Standstill::Idle);
    assert!(results(&pair.client_events).values().all(Result::is_ok));
    let fetched = ["run", "read"].map(|name| pair.local.targets.is_executable(name));
    let stored = ["tool", "text", "other"].map(|name| pair.shared.is_executable(name));
    assert_eq!((fetched, stored), ([true, false], [true, false, true]));
}

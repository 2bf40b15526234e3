//! Servers that lie, err and ramble: the client always ends, and no wrong file gets a name.

use std::time::Duration;

use haul_core::Machine;
use haul_core::client::{Client, ClientConfig, ClientEvent, Request};
use haul_core::message::ServerLine;
use haul_core::{Checksum, Depth, Limits, Mode, Output, Wait};
use haul_harness::{End, LocalFiles, MemoryFiles, Single};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::joined::{local, path, request, results};
use crate::robust::mutate;
use crate::strategies::{any_line, choices, server_line};

const CHUNK: usize = 3000;

fn client(requests: &[Request], pass_through: bool) -> Client {
    let limits = Limits { chunk: CHUNK, ..Limits::default() };
    let mut client = Client::new(ClientConfig { limits, pass_through, ..ClientConfig::default() });
    for request in requests {
        client.request(request.clone());
    }
    client
}

/// Every request must end, whatever the server sends.
fn survive(
    requests: &[Request],
    said: &[u8],
    choices: &[u8],
    end: End,
    pass_through: bool,
) -> (Vec<ClientEvent>, LocalFiles) {
    let mut local = local();
    local.targets = MemoryFiles::new(false);
    let mut client = client(requests, pass_through);
    let run = Single::new(said).cut(choices).by_line().ending(end).play_with(
        &mut client,
        &mut local,
        |client, _, _| {
            if let Output::Write(segments) = client.poll(Duration::ZERO) {
                let queued: usize = segments.iter().map(<[u8]>::len).sum();
                assert!(
                    (1..=Limits::HIGH_WATER + 2 * CHUNK).contains(&queued),
                    "{queued} bytes are queued"
                );
            }
            let space = client.read_space().len();
            assert!(space <= CHUNK + (64 << 10), "room for {space} bytes");
        },
    );
    let ended = results(&run.events).len();
    // A client whose every request has ended may stay idle.
    assert!(run.over || ended == requests.len(), "it waits for ever");
    assert_eq!(ended, requests.len());
    assert!(!local.has_open(), "something is left open");
    (run.events, local)
}

fn end() -> impl Strategy<Value = End> {
    select(vec![End::HangUp, End::Silence, End::Broken])
}

pub(crate) const GREETING: &str = "HAUL/1 \"hi\" max-data=5000 pipeline=9\r\n";
const MODIFIED: &str = "2026-11-22T08:31:25Z";

/// A greeting, and a correct download of `data`.
fn download(data: &[u8]) -> Vec<u8> {
    [GREETING.as_bytes(), &sent(data)].concat()
}

/// A correct download of `data` in chunks.
pub(crate) fn sent(data: &[u8]) -> Vec<u8> {
    let length = data.len();
    let mut said =
        format!("SENDING size={length} offset=0 length={length} modified={MODIFIED}\r\n")
            .into_bytes();
    for chunk in data.chunks(700) {
        said.extend_from_slice(format!("DATA {}\r\n", chunk.len()).as_bytes());
        said.extend_from_slice(chunk);
    }
    said.extend_from_slice(
        format!("OK length={length} crc64nvme={}\r\n", Checksum::of(data)).as_bytes(),
    );
    said
}

pub(crate) fn fetch() -> Request {
    Request::Download {
        path: path("file"),
        offset: 0,
        length: None,
        mode: Mode::Replace,
        if_match: None,
    }
}

proptest! {
    /// Flipped bits anywhere in a correct reply: the right file, or none.
    #[test]
    fn a_damaged_download_gets_no_name(data in vec(any::<u8>(), 1..3000), flips in vec((any::<Index>(), 1..=255_u8), 0..4), choices in choices(), end in end(), pass_through in any::<bool>()) {
        let mut said = download(&data);
        mutate(&mut said, &flips);
        let (events, local) = survive(&[fetch()], &said, &choices, end, pass_through);
        let fine = results(&events).values().all(Result::is_ok);
        prop_assert_eq!(local.targets.file("file"), fine.then_some(&data[..]));
        prop_assert!(fine || !flips.is_empty());
    }

    /// A reply that stops anywhere leaves no file.
    #[test]
    fn a_cut_download_gets_no_name(data in vec(any::<u8>(), 1..3000), at in any::<Index>(), choices in choices(), end in end(), pass_through in any::<bool>()) {
        let said = download(&data);
        let (_, local) = survive(&[fetch()], &said[..at.index(said.len())], &choices, end, pass_through);
        prop_assert!(local.targets.all().is_empty());
    }

    /// However the reply is split, the client reports and does the same.
    #[test]
    fn any_cut_gives_the_same(data in vec(any::<u8>(), 0..9000), tail in any_line(), choices in choices()) {
        let mut said = download(&data);
        said.extend_from_slice(tail.as_bytes());
        let run = |choices| {
            let mut files = LocalFiles::default();
            let run = Single::new(&said).by_line().cut(choices).play(&mut client(&[fetch()], false), &mut files);
            let told: Vec<ClientEvent> = run.events.into_iter().filter(|event| !matches!(event, ClientEvent::Progress { .. })).collect();
            (run.output, told, files.targets.all())
        };
        prop_assert_eq!(run(&[]), run(&choices));
    }

    /// Well-formed lines in any order, with payload after each `DATA`.
    #[test]
    fn well_formed_nonsense_does_no_harm(requests in vec(request(), 0..5), lines in vec((server_line(), 1..2000_u64), 0..15), greeted in any::<bool>(), choices in choices(), end in end(), pass_through in any::<bool>()) {
        let mut said = if greeted { GREETING.as_bytes().to_vec() } else { Vec::new() };
        for (line, length) in &lines {
            let line = if let ServerLine::Data(_) = line { &ServerLine::Data(*length) } else { line };
            let mut out = bytes::BytesMut::new();
            line.encode(&mut out);
            said.extend_from_slice(&out);
            if let ServerLine::Data(length) = line {
                said.resize(said.len() + usize::try_from(*length)?, b'x');
            }
        }
        let (_, local) = survive(&requests, &said, &choices, end, pass_through);
        prop_assert!(local.targets.all().is_empty());
    }

    #[test]
    fn garbage_does_no_harm(requests in vec(request(), 0..5), lines in vec(prop_oneof![any_line().prop_map(String::into_bytes), vec(any::<u8>(), 0..80)], 0..10), choices in choices(), end in end()) {
        let mut said = GREETING.as_bytes().to_vec();
        said.extend_from_slice(&lines.join(&b'\n'));
        let (_, local) = survive(&requests, &said, &choices, end, false);
        prop_assert!(local.targets.all().is_empty());
    }

    /// Listings are counted.
    #[test]
    fn a_listing_must_add_up(lines in 0..20_u64, said in 0..20_u64) {
        let entries = "DIR d\n".repeat(usize::try_from(lines)?);
        let answer = format!("{GREETING}{entries}OK entries={said}\n");
        let (events, _) = survive(&[Request::List { path: None, depth: Depth::ONE, omitted: false }], answer.as_bytes(), &[], End::HangUp, false);
        prop_assert_eq!(results(&events).values().all(Result::is_ok), lines == said);
    }
}

/// A client buffers no more of an endless reply than one read, and it ends what nobody asked for.
#[test]
fn a_flood_is_not_kept() {
    let list = Request::List { path: None, depth: Depth::All, omitted: true };
    for (request, line, ends) in [
        (Some(Request::Help), format!("INFO \"{}\"\n", "x".repeat(4000)), true),
        (Some(list), format!("OMITTED \"{}\" reason=name\n", "x".repeat(4000)), false),
        (None, "INFO \"x\"\n".to_owned(), true),
        (None, GREETING.to_owned(), true),
    ] {
        let mut said = GREETING.as_bytes().to_vec();
        said.extend_from_slice(line.repeat(5000).as_bytes());
        let requests: Vec<Request> = request.into_iter().collect();
        let mut client = client(&requests, false);
        let single = Single::new(&said).by_line().ending(End::Silence);
        let run = single.play_with(&mut client, &mut local(), |client, _, _| {
            let room = client.read_space().len();
            assert!(room <= CHUNK + (64 << 10), "{line:.20}: room for {room} bytes");
        });
        let violated = run.events.iter().any(|event| {
            matches!(event, ClientEvent::Lost(haul_core::client::Failure::Violation(_)))
        });
        assert_eq!(violated, ends, "{line:.20}: {} events", run.events.len());
        if ends {
            assert!(run.events.len() <= 300, "{line:.20}: {} events", run.events.len());
        }
    }
}

/// Receipts are compared with what was sent. (The server waits for the end of the body: a read without waiting finds
/// nothing.)
#[test]
fn a_wrong_receipt_is_no_receipt() {
    let sum = Checksum::of(b"a small file");
    let other = Checksum::of(b"another file");
    for (receipt, good) in [
        (format!("OK size=12 crc64nvme={sum}"), true),
        (format!("OK size=13 crc64nvme={sum}"), false),
        (format!("OK size=12 crc64nvme={other}"), false),
        ("OK size=12".to_owned(), false),
        ("OK".to_owned(), false),
    ] {
        let said = format!("{GREETING}READY\n{receipt}\n");
        let upload = Request::Upload { path: path("small"), mode: Mode::Replace, if_match: None };
        let (events, _) = survive(&[upload], said.as_bytes(), &[200], End::HangUp, false);
        assert_eq!(results(&events).values().all(Result::is_ok), good, "{receipt}");
    }
}

/// A range that was not requested, or bytes that do not add up.
#[test]
fn a_wrong_range_gets_no_name() {
    let none = Checksum::EMPTY;
    let sum = Checksum::of(b"abc");
    for answer in [
        format!("SENDING size=9 offset=1 length=8 modified={MODIFIED}\n"),
        format!("SENDING size=9 offset=0 length=8 modified={MODIFIED}\n"),
        format!(
            "SENDING size=3 offset=0 length=3 modified={MODIFIED}\nDATA 4\nabcdOK length=4 crc64nvme={sum}\n"
        ),
        format!(
            "SENDING size=3 offset=0 length=3 modified={MODIFIED}\nDATA 2\nabOK length=2 crc64nvme={}\n",
            Checksum::of(b"ab")
        ),
        format!("SENDING size=3 offset=0 length=3 modified={MODIFIED}\nDATA 3\nabcOK length=3\n"),
        format!(
            "SENDING size=3 offset=0 length=3 modified={MODIFIED}\nDATA 3\nabcOK length=2 crc64nvme={sum}\n"
        ),
        format!(
            "SENDING size=3 offset=0 length=3 modified={MODIFIED}\nSENDING size=3 offset=0 length=3 modified={MODIFIED}\n"
        ),
        "DATA 3\nabc".to_owned(),
        format!("OK length=0 crc64nvme={none}\n"),
        format!(
            "SENDING size=9223372036854775807 offset=0 length=9223372036854775807 modified={MODIFIED}\nDATA 16777217\n"
        ),
    ] {
        let said = format!("{GREETING}{answer}");
        let (events, local) = survive(&[fetch()], said.as_bytes(), &[], End::HangUp, false);
        assert!(local.targets.all().is_empty(), "{answer}");
        assert!(results(&events).values().all(Result::is_err), "{answer}");
    }
}

/// A server that reads no more may still have sent why; the client waits for one that has not, but not for ever.
#[test]
fn a_deaf_server_is_not_waited_for_for_ever() {
    for reads_at_most in [0, 5, 30, 90, 95, 1000, 3000] {
        for reply in ["", "ERR no-space \"full\"\n", "ERR shutting-down \"x\"\n"] {
            let said = format!("{GREETING}READY\n{reply}");
            let upload =
                Request::Upload { path: path("large"), mode: Mode::Replace, if_match: None };
            let help = Request::Help;
            let mut files = local();
            let mut client = client(&[upload, help], false);
            let single =
                Single { reads_at_most: Some(reads_at_most), ..Single::new(said.as_bytes()) };
            let run = single.by_line().ending(End::Silence).play(&mut client, &mut files);
            assert!(run.over && !files.has_open(), "{reads_at_most}, {reply}");
            let results = results(&run.events);
            assert_eq!(results.len(), 2);
            assert!(results.values().all(Result::is_err));
        }
    }
}

/// A cancel while payload passes by the machine takes effect at once, even if the server is silent.
#[test]
fn a_stalled_download_can_be_cancelled() {
    for pass_through in [false, true] {
        let said = format!(
            "{GREETING}SENDING size=9000 offset=0 length=9000 modified={MODIFIED}\nDATA 9000\n"
        );
        let mut client = client(&[], pass_through);
        let id = client.request(fetch());
        let mut files = local();
        let single = Single::new(said.as_bytes()).by_line().ending(End::Silence);
        let run = single.play_with(&mut client, &mut files, |client, _, _| {
            // All input was read: the machine waits for payload.
            let waits = match client.poll(Duration::ZERO) {
                Output::Receive { .. } => true,
                Output::Read(wait) => wait == Wait::UntilDeadline && !pass_through,
                _ => false,
            };
            if waits && client.greeting().is_some() {
                client.cancel(id);
            }
        });
        assert!(run.text().ends_with("ABORT\r\n"), "{}", run.text());
        assert!(files.targets.all().is_empty() && !files.has_open());
    }
}

/// A cancel may come while an effect is carried out. Nothing stays open then if the server sends no more, and the file
/// exists if and only if the request succeeded.
#[test]
fn a_download_is_cancelled_at_any_step() {
    let body = format!("DATA 5\nhelloOK length=5 crc64nvme={}\n", Checksum::of(b"hello"));
    let sending = format!("{GREETING}SENDING size=5 offset=0 length=5 modified={MODIFIED}\n");
    let mut done = Vec::new();
    for said in [sending.clone(), sending + &body] {
        for at in 0..60 {
            let mut client = Client::new(ClientConfig { durable: true, ..ClientConfig::default() });
            let id = client.request(fetch());
            let mut files = local();
            let single = Single::new(said.as_bytes()).by_line().ending(End::Silence);
            let run = single.play_with(&mut client, &mut files, |client, files, step| {
                let waits =
                    matches!(client.poll(Duration::ZERO), Output::Read(Wait::UntilDeadline));
                assert!(step <= at || !waits || !files.has_open(), "cancelled at step {at}");
                if step == at {
                    client.cancel(id);
                }
            });
            let result = &results(&run.events)[&id];
            assert_eq!(result.is_ok(), !files.targets.all().is_empty(), "at {at}: {result:?}");
            done.push(result.is_ok());
        }
    }
    assert!(done.contains(&true) && done.contains(&false));
}

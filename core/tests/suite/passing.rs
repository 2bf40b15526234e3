//! Payload that passes by a machine: nothing differs on the wire.

use std::sync::Arc;
use std::time::Duration;

use haul_core::client::{Client, ClientConfig, ClientEvent, Request};
use haul_core::server::{Server, ServerConfig};
use haul_core::{
    Checksum, Done, Effect, ErrorCode, FilePath, Limits, Machine, Mode, Opened, Output,
    StoreErrorKind,
};
use haul_harness::{Faults, PassThrough, Single};
use proptest::prelude::*;

use crate::sessions::{config, ops, session, shared};
use crate::strategies::choices;
use crate::transcript::{check_download, replies};

const CHUNK: u64 = Limits::MAX_DATA;
/// More than 32 bits, and not a multiple of the chunk.
const HUGE: u64 = (5 << 30) + 12_345;

proptest! {
    #[test]
    fn passed_payload_changes_no_word(ops in ops(), choices in choices(), chunk in 100..70_000_usize, checksummed in any::<bool>()) {
        let input = session(&ops);
        let mut plain_files = shared();
        let plain = Single::new(&input).cut(&choices).play(&mut Server::new(config(chunk)), &mut plain_files);
        let passing = Arc::new(ServerConfig { pass_through: true, ..(*config(chunk)).clone() });
        let pass_through = checksummed.then_some(PassThrough::WithChecksum);
        let mut files = shared().with_faults(Faults { pass_through, ..Faults::default() });
        let passed = Single::new(&input).cut(&choices).play(&mut Server::new(passing), &mut files);
        prop_assert_eq!(plain.text(), passed.text());
        prop_assert_eq!(plain.output, passed.output);
        prop_assert_eq!(plain.events, passed.events);
        prop_assert_eq!(plain_files.all(), files.all());
    }

    /// The known checksum of a whole file is used; a range never has one.
    #[test]
    fn a_known_checksum_is_that_of_a_whole_file(offset in 0..3_u64, choices in choices(), chunk in 100..70_000_usize, pass_through in any::<bool>()) {
        let mut files = shared().with_faults(Faults { pass_through: Some(PassThrough::WithoutChecksum), ..Faults::default() });
        let input = format!("DOWNLOAD photos/sea.jpg offset={offset}\nHELP\n");
        let config = Arc::new(ServerConfig { pass_through, ..(*config(chunk)).clone() });
        let run = Single::new(input.as_bytes()).cut(&choices).play(&mut Server::new(config), &mut files);
        let (_, replies) = replies(&run.output);
        prop_assert_eq!(replies.len(), 2);
        check_download(&replies[0]);
    }
}

/// A file that fails while its bytes pass by the machine.
#[test]
fn failures_below_are_met() {
    let body = format!("UPLOAD notes.txt\nDATA 9000\n{}END\nHELP\n", "x".repeat(9000));
    let passing = Arc::new(ServerConfig { pass_through: true, ..(*config(1000)).clone() });
    for at in 1..5 {
        let mut files = shared()
            .with_faults(Faults { fail: Some((at, StoreErrorKind::NoSpace)), ..Faults::default() });
        let run = Single::new(body.as_bytes())
            .cut(&[160, 0, 130])
            .play(&mut Server::new(passing.clone()), &mut files);
        let (_, replies) = replies(&run.output);
        assert_eq!(replies.len(), 2, "{}", run.text());
        assert_eq!(replies[0].code(), Some(ErrorCode::NoSpace));
        assert_eq!(files.file("notes.txt"), Some(&b"hello world\n"[..]));
        assert!(!files.has_open());
    }
}

/// The checksum of this many zeros.
fn zeros(length: u64) -> Checksum {
    (0..64).rev().fold(Checksum::EMPTY, |sum, bit| {
        let known = length.checked_shr(bit + 1).unwrap_or(0);
        let doubled = sum.combine(sum, known);
        if length >> bit & 1 == 1 { doubled.combine(Checksum::of(&[0]), 1) } else { doubled }
    })
}

#[test]
fn zeros_are_counted_right() {
    for length in [0, 1, 2, 3, 1000, 4097] {
        let data = vec![0; usize::try_from(length).expect("it is small")];
        assert_eq!(zeros(length), Checksum::of(&data));
    }
}

/// Drives a machine whose payload passes by it. `next_line` gets the room for a line and returns one; payload is zeros.
/// Returns what was written to the socket, and how much payload passed.
fn drive<M: Machine>(
    machine: &mut M,
    mut next_line: impl FnMut(usize) -> Option<String>,
    mut perform: impl FnMut(&Effect) -> Done,
    mut on_event: impl FnMut(&M::Event),
) -> (Vec<u8>, u64) {
    let (mut written, mut passed) = (Vec::new(), 0);
    loop {
        match machine.poll(Duration::ZERO) {
            Output::Read(haul_core::Wait::Never) => machine.would_block(),
            Output::Read(haul_core::Wait::UntilDeadline) => {
                let space = machine.read_space();
                let line = next_line(space.len()).unwrap_or_default();
                space[..line.len()].copy_from_slice(line.as_bytes());
                machine.received(line.len())
            }
            Output::Write(segments) => {
                segments.iter().for_each(|piece| written.extend_from_slice(piece));
                let count = segments.iter().map(<[u8]>::len).sum();
                machine.sent(count)
            }
            Output::Receive { length, .. } => machine.passed_through(length),
            Output::Perform(Effect::WriteReceived { offset, length, .. }) => {
                assert_eq!(*offset, passed);
                passed += *length as u64;
                let checksum = zeros(*length as u64);
                machine.performed(Ok(Done::ReceivedWritten { checksum }))
            }
            Output::Perform(Effect::Write { offset, data, .. }) => {
                assert_eq!(*offset, passed);
                assert!(data.len() < Limits::GATHER, "{} bytes did not pass by", data.len());
                passed += data.len() as u64;
                machine.performed(Ok(Done::Written))
            }
            Output::Send { length, .. } => {
                passed += length as u64;
                machine.sent(length)
            }
            Output::Perform(effect) => {
                let done = perform(effect);
                machine.performed(Ok(done))
            }
            Output::Event(event) => {
                on_event(event);
                machine.acknowledge()
            }
            Output::CloseWrite => machine.write_closed(),
            Output::Closed => return (written, passed),
        }
        .expect("the report is right");
    }
}

/// `DATA` lines for this many bytes.
fn chunks(total: u64) -> impl Iterator<Item = String> {
    (0..total.div_ceil(CHUNK)).map(move |at| format!("DATA {}\r\n", CHUNK.min(total - at * CHUNK)))
}

#[test]
fn a_server_takes_more_than_4_gib() {
    let config = ServerConfig { pass_through: true, ..ServerConfig::default() };
    let mut lines = std::iter::once(format!("UPLOAD huge size={HUGE}\n"))
        .chain(chunks(HUGE))
        .chain(std::iter::once(format!("END crc64nvme={}\n", zeros(HUGE))));
    let perform = |effect: &Effect| match effect {
        Effect::Create { file, .. } => {
            assert_eq!(file.size, Some(HUGE));
            Done::Started
        }
        Effect::Sync { .. } | Effect::SyncDirectories { .. } => Done::Synced,
        Effect::Publish { checksum, .. } => {
            assert_eq!(*checksum, zeros(HUGE));
            Done::Published { version: None }
        }
        other => panic!("{other:?}"),
    };
    let (written, passed) =
        drive(&mut Server::new(Arc::new(config)), |_| lines.next(), perform, |_| {});
    assert_eq!(passed, HUGE);
    let said = String::from_utf8(written).expect("lines only");
    assert!(said.ends_with(&format!("OK size={HUGE} crc64nvme={}\r\n", zeros(HUGE))), "{said}");
}

#[test]
fn a_server_sends_more_than_4_gib() {
    for offset in [0, (4 << 30) + 7] {
        let mut line = Some(format!("DOWNLOAD huge offset={offset}\n"));
        let mut next = offset;
        let perform = |effect: &Effect| match effect {
            Effect::Open { .. } => Done::Opened(Opened { size: Some(HUGE), ..Opened::default() }),
            Effect::PrepareSend { offset, length, checksum: true, .. } => {
                assert_eq!(*offset, next);
                next += *length as u64;
                Done::SendPrepared { length: *length, checksum: Some(zeros(*length as u64)) }
            }
            Effect::FinishReading { offset: from, length, checksum, .. } => {
                assert_eq!((*from, *length), (offset, HUGE - offset));
                assert_eq!(*checksum, zeros(HUGE - offset));
                Done::Finished
            }
            other => panic!("{other:?}"),
        };
        let limits = Limits { pass_through_chunk: 16 << 20, ..Limits::default() };
        let config = ServerConfig { limits, pass_through: true, ..ServerConfig::default() };
        let mut server = Server::new(Arc::new(config));
        let (written, passed) = drive(&mut server, |_| line.take(), perform, |_| {});
        let length = HUGE - offset;
        assert_eq!(passed, length);
        let said = String::from_utf8(written).expect("lines only");
        assert!(
            said.ends_with(&format!("OK length={length} crc64nvme={}\r\n", zeros(length))),
            "{said}"
        );
    }
}

#[test]
fn a_client_fetches_more_than_4_gib() {
    let mut client = Client::new(ClientConfig { pass_through: true, ..ClientConfig::default() });
    let path = FilePath::parse("huge").expect("a path");
    client.request(Request::Download {
        path,
        offset: 0,
        length: None,
        mode: Mode::Replace,
        if_match: None,
    });
    let mut lines = std::iter::once("HAUL/1 \"\" max-data=1 pipeline=1\n".to_owned())
        .chain(std::iter::once(format!(
            "SENDING size={HUGE} offset=0 length={HUGE} modified=2026-11-22T08:31:25Z\n"
        )))
        .chain(chunks(HUGE))
        .chain(std::iter::once(format!("OK length={HUGE} crc64nvme={}\n", zeros(HUGE))));
    let perform = |effect: &Effect| match effect {
        Effect::Create { .. } => Done::Started,
        Effect::Publish { checksum, .. } => {
            assert_eq!(*checksum, zeros(HUGE));
            Done::Published { version: None }
        }
        Effect::Close { .. } => Done::Closed,
        other => panic!("{other:?}"),
    };
    let mut finished = 0;
    let (_, passed) = drive(
        &mut client,
        |_| lines.next(),
        perform,
        |event| {
            if let ClientEvent::Finished { result, .. } = event {
                assert_eq!(result.as_ref().map(|summary| summary.length), Ok(Some(HUGE)));
                finished += 1;
            }
        },
    );
    assert_eq!((finished, passed), (1, HUGE));
}

/// The input of a machine that takes three chunks: the first `DATA` line comes with some payload, the later ones have
/// just enough room.
fn three_chunks(before: &[&str], after: &str) -> impl FnMut(usize) -> Option<String> + use<> {
    let data = format!("DATA {CHUNK}\r\n");
    let first = data.clone() + &"\0".repeat(10);
    let said: Vec<_> = [before, &[&first, &data, &data, after]].concat();
    let said: Vec<_> = said.into_iter().map(str::to_owned).collect();
    let alone = before.len() + 1..before.len() + 3;
    let mut said = said.into_iter().enumerate();
    move |room| {
        let (number, line) = said.next()?;
        assert!(!alone.contains(&number) || room == line.len(), "room for {room} bytes");
        Some(line)
    }
}

/// Payload that came with its line is written, and the rest passes by all the same.
#[test]
fn what_comes_with_a_line_holds_up_nothing() {
    const TOTAL: u64 = 3 * CHUNK;
    let perform = |effect: &Effect| match effect {
        Effect::Create { .. } => Done::Started,
        Effect::Sync { .. } | Effect::SyncDirectories { .. } => Done::Synced,
        Effect::Publish { checksum, .. } if *checksum == zeros(TOTAL) => {
            Done::Published { version: None }
        }
        Effect::Close { .. } => Done::Closed,
        other => panic!("{other:?}"),
    };
    let config = ServerConfig { pass_through: true, ..ServerConfig::default() };
    let mut server = Server::new(Arc::new(config));
    let said = three_chunks(&[&format!("UPLOAD file size={TOTAL}\n")], "END\n");
    assert_eq!(drive(&mut server, said, perform, |_| {}).1, TOTAL);

    let mut client = Client::new(ClientConfig { pass_through: true, ..ClientConfig::default() });
    let path = FilePath::parse("file").expect("a path");
    client.request(Request::Download {
        path,
        offset: 0,
        length: None,
        mode: Mode::Replace,
        if_match: None,
    });
    let greeting = "HAUL/1 \"\" max-data=1 pipeline=1\n";
    let sending =
        format!("SENDING size={TOTAL} offset=0 length={TOTAL} modified=2026-11-22T08:31:25Z\n");
    let ok = format!("OK length={TOTAL} crc64nvme={}\n", zeros(TOTAL));
    let said = three_chunks(&[greeting, &sending], &ok);
    assert_eq!(drive(&mut client, said, perform, |_| {}).1, TOTAL);
}

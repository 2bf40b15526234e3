//! Storage that fails: one clear reply, the old file, and no leftovers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{
    Done, Effect, ErrorCode, Handle, Machine, Output, Segments, StoreError, StoreErrorKind,
};
use haul_harness::{Change, Faults, Files, MemoryFiles, Single};
use proptest::prelude::*;
use proptest::sample::select;

use crate::sessions::{config, fill, ops, session, shared};
use crate::strategies::choices;
use crate::transcript::{Reply, replies};

const SESSION: &[u8] = b"LIST depth=all\nDOWNLOAD photos/sea.jpg\nUPLOAD notes.txt\nDATA 3\nabcDATA 2\ndeEND\nDOWNLOAD notes.txt\nHELP\n";
/// The commands that change names, and that read a whole file without sending it.
const CHANGES: &[u8] = b"COPY notes.txt copies/one\nCHECKSUM photos/sea.jpg\nMKDIR made\nMOVE empty made/moved\nDELETE notes.txt\nHELP\n";

fn run(faults: Faults, pass_through: bool, durable: bool) -> (Vec<Reply>, MemoryFiles) {
    run_session(SESSION, faults, pass_through, durable)
}

fn run_session(
    session: &[u8],
    faults: Faults,
    pass_through: bool,
    durable: bool,
) -> (Vec<Reply>, MemoryFiles) {
    let config = ServerConfig { pass_through, durable, ..(*config(20_000)).clone() };
    let mut files = fill(MemoryFiles::new(durable)).with_faults(faults);
    let run = Single::new(session).play(&mut Server::new(Arc::new(config)), &mut files);
    assert!(run.over);
    (replies(&run.output).1, files)
}

/// The kinds of failures after which the session goes on.
fn kinds_that_go_on() -> Vec<StoreErrorKind> {
    StoreErrorKind::ALL.iter().copied().filter(|kind| !kind.ends_session()).collect()
}

/// Whose account is gone is told so once.
#[test]
fn a_session_ends_with_its_account() {
    let faults = Faults { fail: Some((0, StoreErrorKind::Revoked)), ..Faults::default() };
    let (replies, files) = run(faults, false, true);
    let codes: Vec<_> = replies.iter().map(Reply::code).collect();
    assert_eq!(codes, [Some(ErrorCode::Denied)]);
    assert_eq!(files.file("notes.txt"), Some(&b"hello world\n"[..]));
}

/// A peer can distinguish the kinds of failures, and learns nothing about the server's local names.
#[test]
fn each_kind_of_failure_has_its_words() {
    let mut words = BTreeSet::new();
    for &kind in StoreErrorKind::ALL {
        let faults = Faults { fail: Some((0, kind)), ..Faults::default() };
        let (replies, _) = run(faults, false, true);
        let haul_core::message::ServerLine::Err(refusal) = &replies[0].last else {
            panic!("{kind:?} is no failure");
        };
        assert!(refusal.text.len() > 10 && !refusal.text.contains("harness"), "{refusal:?}");
        words.insert(refusal.text.clone());
    }
    assert_eq!(words.len(), StoreErrorKind::ALL.len());
}

/// The text for a failed listing says nothing about publishing.
#[test]
fn a_failure_is_told_in_words_that_fit_what_was_asked() {
    let (_, files) = run(Faults::default(), false, true);
    for (effect, work) in [("list", "listing"), ("read", "file"), ("write", "published")] {
        let at = files.journal().iter().position(|record| record.name == effect);
        let at = at.expect("the session does all of these");
        let faults = Faults { fail: Some((at, StoreErrorKind::Io)), ..Faults::default() };
        let (replies, _) = run(faults, false, true);
        let texts: Vec<&str> = replies
            .iter()
            .filter_map(|reply| match &reply.last {
                haul_core::message::ServerLine::Err(refusal) => Some(&*refusal.text),
                _ => None,
            })
            .collect();
        let [text] = texts[..] else { panic!("{effect}: {texts:?}") };
        assert!(text.contains(work), "{effect}: {text}");
        assert_eq!(text.contains("published"), effect == "write", "{text}");
    }
}

/// Each effect of a session fails once, with each kind.
#[test]
fn every_failed_effect_has_its_reply() {
    for durable in [true, false] {
        let (all, files) = run(Faults::default(), false, durable);
        assert_eq!(all.iter().filter_map(Reply::code).count(), 0);
        let effects: Vec<&str> = files.journal().iter().map(|record| record.name).collect();
        for (at, effect) in effects.iter().enumerate() {
            for kind in kinds_that_go_on() {
                let faults = Faults { fail: Some((at, kind)), ..Faults::default() };
                let (replies, files) = run(faults, false, durable);
                assert!(files.failed());
                assert_eq!(replies.len(), 5, "{effect} {kind:?}");
                let codes: Vec<ErrorCode> = replies.iter().filter_map(Reply::code).collect();
                let expected = match *effect {
                    "sync-directory" => vec![ErrorCode::OutcomeUnknown],
                    // Nobody is informed: the file is published.
                    "close" => vec![],
                    _ => vec![kind.code()],
                };
                assert_eq!(codes, expected, "{effect} {kind:?}");
                assert!(!files.has_open(), "{effect} leaves something open");
                let published =
                    !matches!(replies[2].code(), Some(code) if code != ErrorCode::OutcomeUnknown);
                let content: &[u8] = if published { b"abcde" } else { b"hello world\n" };
                assert_eq!(files.file("notes.txt"), Some(content), "{effect} {kind:?}");
            }
        }
    }
}

/// Each effect of the commands that change names fails once, with each kind: the other changes are made, and the failed
/// one has changed nothing, unless its reply says that nobody knows.
#[test]
fn every_failed_change_has_its_reply() {
    for durable in [true, false] {
        let (all, files) = run_session(CHANGES, Faults::default(), false, durable);
        assert_eq!(all.iter().filter_map(Reply::code).count(), 0);
        let effects: Vec<&str> = files.journal().iter().map(|record| record.name).collect();
        for (at, effect) in effects.iter().enumerate() {
            for kind in kinds_that_go_on() {
                let faults = Faults { fail: Some((at, kind)), ..Faults::default() };
                let (replies, files) = run_session(CHANGES, faults, false, durable);
                assert_eq!(replies.len(), 6, "{effect} {kind:?}");
                assert!(!files.has_open(), "{effect} {at} {kind:?} leaves something open");
                let failed = |at: usize| replies[at].code().is_some();
                let unknown = |at: usize| replies[at].code() == Some(ErrorCode::OutcomeUnknown);
                match *effect {
                    "close" => assert_eq!(replies.iter().filter_map(Reply::code).count(), 0),
                    "sync-directory" => {
                        assert!((0..6).any(unknown) && (0..6).all(|at| unknown(at) == failed(at)));
                    }
                    _ => {
                        let codes: Vec<ErrorCode> =
                            replies.iter().filter_map(Reply::code).collect();
                        assert_eq!(codes, [kind.code()], "{effect} {kind:?}");
                    }
                }
                let made = |at: usize| !failed(at) || unknown(at);
                assert_eq!(files.file("copies/one").is_some(), made(0), "{effect} {kind:?}");
                assert_eq!(files.file("made/moved").is_some(), made(3), "{effect} {kind:?}");
                assert_eq!(files.file("empty").is_none(), made(3), "{effect} {kind:?}");
                assert_eq!(files.file("notes.txt").is_none(), made(4), "{effect} {kind:?}");
            }
        }
    }
}

/// A store that lacks a resource temporarily, from one effect on.
struct Lacking(MemoryFiles, &'static str);

impl Files for Lacking {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        if effect.name() == self.1 {
            return Err(StoreError::new(StoreErrorKind::Io, "no descriptors").passing());
        }
        self.0.perform(effect)
    }

    fn receive(&mut self, handle: Handle, bytes: &[u8]) {
        self.0.receive(handle, bytes);
    }

    fn send(&mut self, handle: Handle, count: usize) -> Bytes {
        self.0.send(handle, count)
    }
}

/// The client may come back and ask for the same. Uploads that were complete before are committed and answered.
#[test]
fn a_lack_that_passes_is_busy_and_ends_the_session() {
    const WHOLE: &str = "UPLOAD a\nDATA 1\nxEND\n";
    for (effect, command) in
        [("list", "LIST\n"), ("next-entries", "LIST\n"), ("open", "DOWNLOAD notes.txt\n")]
    {
        let mut files =
            Lacking(MemoryFiles::new(true).with_file("notes.txt", &b"hello"[..]), effect);
        let input = format!("{WHOLE}{command}UPLOAD b\nDATA 1\nxEND\n");
        let run = Single::new(input.as_bytes()).play(&mut Server::new(config(20_000)), &mut files);
        let said = run.text();
        let last = said.lines().last().unwrap_or_default();
        assert!(said.contains("\r\nOK size=1 "), "{effect}: {said}");
        assert!(last.starts_with("ERR busy ") && last.ends_with(" retry-after=5"), "{last}");
        assert!(run.over && files.0.file("a").is_some() && files.0.file("b").is_none());
        let Some(ServerEvent::Answered { cause: Some(cause), .. }) = run.events.last() else {
            panic!("{:?}", run.events);
        };
        assert_eq!(cause.detail, "no descriptors");
    }
}

fn said(segments: Segments<'_>) -> String {
    String::from_utf8_lossy(&segments.iter().collect::<Vec<_>>().concat()).into_owned()
}

/// A receipt is sent only when nothing can fail any more: these effects, in this order, precede it.
#[test]
fn a_receipt_comes_after_the_last_effect() {
    for (durable, expected) in [
        (true, &["create", "write", "sync", "publish", "sync-directory"][..]),
        (false, &["create", "write", "publish", "close"]),
    ] {
        let config = ServerConfig { durable, ..(*config(20_000)).clone() };
        let mut files = MemoryFiles::new(durable);
        let mut seen = false;
        Single::new(b"UPLOAD a\nDATA 3\nabcEND\n").play_with(
            &mut Server::new(Arc::new(config)),
            &mut files,
            |server, files, _| {
                if let Output::Write(segments) = server.poll(Duration::ZERO)
                    && said(segments).contains("OK size=3")
                {
                    let effects: Vec<_> =
                        files.journal().iter().map(|record| record.name).collect();
                    assert_eq!(effects, expected);
                    seen = true;
                }
            },
        );
        assert!(seen);
    }
}

/// A file that is truncated or written to while it is sent ends in `ERR changed`, without padding.
#[test]
fn a_file_that_changes_is_not_padded() {
    for change in [Change::Cut, Change::Replaced] {
        for at in [0, 1, 19_999, 20_000, 30_000, 49_999] {
            let faults = Faults { change: Some((at, change)), ..Faults::default() };
            let (replies, _) = run(faults, false, true);
            let reply = &replies[1];
            // A file that is read in one piece before the change is complete.
            let unseen = at > 40_000;
            assert_eq!(reply.code(), (!unseen).then_some(ErrorCode::Changed), "{change:?} at {at}");
            if change == Change::Cut && !unseen {
                assert!(
                    reply.payload.len() as u64 <= at.next_multiple_of(20_000),
                    "{} bytes",
                    reply.payload.len()
                );
            }
            assert_eq!(replies.len(), 5);
        }
    }
}

/// The rest of a `DATA` whose first part could not be written is not a command.
#[test]
fn the_rest_of_a_chunk_is_skipped() {
    let input = format!("UPLOAD notes.txt\nDATA 20000\n{}END\nHELP\n", "LIST\n".repeat(4000));
    for choices in [&[][..], &[190], &[150]] {
        for at in 1..3 {
            let fail = Some((at, StoreErrorKind::NoSpace));
            let mut files = shared().with_faults(Faults { fail, ..Faults::default() });
            let mut server = Server::new(config(5000));
            let run = Single::new(input.as_bytes()).cut(choices).play(&mut server, &mut files);
            let codes: Vec<_> = replies(&run.output).1.iter().map(Reply::code).collect();
            assert_eq!(codes, [Some(ErrorCode::NoSpace), None], "{choices:?}, {at}");
            assert!(!files.has_open());
        }
    }
}

/// Names of the storage that the protocol cannot express are counted.
#[test]
fn skipped_names_are_counted() {
    let (replies, _) = run(Faults { skipped: 3, ..Faults::default() }, false, true);
    let haul_core::message::ServerLine::Ok(summary) = &replies[0].last else {
        panic!("a listing never fails for them")
    };
    assert_eq!(summary.skipped, Some(3));
}

/// A served file of unknown size cannot be announced.
#[test]
fn a_file_without_a_size_is_refused() {
    let (replies, files) = run(Faults { unknown_size: true, ..Faults::default() }, false, true);
    assert_eq!(replies[1].code(), Some(ErrorCode::NotAFile));
    assert!(!files.has_open());
}

proptest! {
    /// In any session: one reply for each command, and only uploads with an `OK` are published.
    #[test]
    fn a_fault_costs_one_command(ops in ops(), at in 0..60_usize, kind in select(kinds_that_go_on()), choices in choices(), pass_through in any::<bool>()) {
        let config = Arc::new(ServerConfig { pass_through, ..(*config(5000)).clone() });
        let mut plain_files = shared();
        let plain = Single::new(&session(&ops)).cut(&choices).play(&mut Server::new(config.clone()), &mut plain_files);
        let mut files = shared().with_faults(Faults { fail: Some((at, kind)), ..Faults::default() });
        let faulted = Single::new(&session(&ops)).cut(&choices).play(&mut Server::new(config), &mut files);
        let (plain, faulted) = (replies(&plain.output).1, replies(&faulted.output).1);
        prop_assert_eq!(faulted.len(), ops.len());
        prop_assert!(!files.has_open());
        // Everything is the same up to the fault.
        let same = plain.iter().zip(&faulted).take_while(|(a, b)| a == b).count();
        if let (true, Some(reply)) = (files.failed(), faulted.get(same)) {
            let code = reply.code();
            prop_assert!(code == Some(kind.code()) || code == Some(ErrorCode::OutcomeUnknown), "{:?}", reply);
        }
    }
}

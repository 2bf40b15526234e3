//! Group commit: what is shared, what is not, and that no client sees it.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{ErrorCode, Limits, Machine, Output, StoreErrorKind};
use haul_harness::{End, Faults, MemoryFiles, Run, Single};
use proptest::prelude::*;

use crate::sessions::{config, ops, session, shared};
use crate::strategies::choices;
use crate::transcript::{Reply, replies};

fn uploads(names: &[&str]) -> String {
    names.iter().fold(String::new(), |mut input, name| {
        write!(input, "UPLOAD {name}\nDATA 3\nabcEND\n").expect("a string takes all");
        input
    })
}

fn play(input: &str, files: &mut MemoryFiles) -> Run<ServerEvent> {
    let run = Single::new(input.as_bytes()).play(&mut Server::new(config(20_000)), files);
    assert!(run.over && !files.has_open());
    run
}

fn codes(run: &Run<ServerEvent>) -> Vec<Option<ErrorCode>> {
    replies(&run.output).1.iter().map(Reply::code).collect()
}

fn effects(files: &MemoryFiles) -> Vec<&'static str> {
    files.journal().iter().map(|record| record.name).collect()
}

#[test]
fn uploads_without_a_pause_share_their_syncs() {
    let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    let input = uploads(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let at_once = Single::new(input.as_bytes());
    // However little each read returns, as long as there is something to read.
    for single in [at_once.clone(), at_once.by_line()] {
        let mut files = MemoryFiles::new(true);
        let run = single.play(&mut Server::new(config(20_000)), &mut files);
        assert_eq!(codes(&run), vec![None; 200]);
        assert_eq!((files.count("publish"), files.all().len()), (200, 200));
        let batches = 200_usize.div_ceil(Limits::default().commit_batch);
        assert_eq!((files.count("sync"), files.count("sync-directory")), (batches, batches));
    }
}

/// If a client waits for each reply, each upload is committed at once.
#[test]
fn nobody_waits_for_more_to_come() {
    let mut files = MemoryFiles::new(true);
    let input = uploads(&["a", "b"]) + "UPLOAD c\nDATA 9\nabc";
    let mut seen = false;
    Single::new(input.as_bytes()).ending(End::Silence).play_with(
        &mut Server::new(config(20_000)),
        &mut files,
        |server, files, _| {
            // The server waits for the client only after it has done and sent everything.
            if let Output::Read(haul_core::Wait::UntilDeadline) = server.poll(Duration::ZERO)
                && files.count("create") == 3
            {
                assert!(seen || files.all().len() == 2, "it waits with a batch");
                seen = true;
            }
        },
    );
    assert!(seen);
    let run = Single::new(input.as_bytes())
        .ending(End::Silence)
        .play(&mut Server::new(config(20_000)), &mut MemoryFiles::new(true));
    let said = run.text();
    let words: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["HAUL/1", "READY", "OK", "READY", "OK", "READY", "ERR"]);
}

/// A receipt is sent only when nothing can fail any more, for a batch as for one.
#[test]
fn no_receipt_comes_before_the_last_sync() {
    let mut files = MemoryFiles::new(true);
    let mut seen = false;
    Single::new(uploads(&["a", "b"]).as_bytes()).play_with(
        &mut Server::new(config(20_000)),
        &mut files,
        |server, files, _| {
            if let Output::Write(segments) = server.poll(Duration::ZERO)
                && segments.iter().any(|piece| String::from_utf8_lossy(piece).contains("OK size"))
            {
                let last = ["sync", "publish", "publish", "sync-directory"];
                assert!(effects(files).ends_with(&last), "{:?}", effects(files));
                seen = true;
            }
        },
    );
    assert!(seen);
}

/// A command that changes something at once follows what is still to be published, since two paths may be one file.
/// Otherwise changes of all kinds share the flushes of their commit.
#[test]
fn changes_share_their_flushes_and_keep_their_order() {
    let made = |input: &str| {
        let mut files = MemoryFiles::new(true);
        let run = play(&(uploads(&["a", "b", "c"]) + input), &mut files);
        assert!(codes(&run).iter().all(Option::is_none), "{}", run.text());
        let at = effects(&files).iter().position(|&effect| effect == "publish");
        let tail = effects(&files).split_off(at.expect("something is published"));
        (tail, files.count("sync-directory"))
    };
    let uploads = ["publish", "publish", "publish", "sync-directory"];
    let commit_after = |changes: &[&'static str]| ([&uploads, changes].concat(), 2);
    assert_eq!(
        made("DELETE a\nDELETE b\nMKDIR d\nMOVE c d/c\n"),
        commit_after(&["delete", "delete", "make-directory", "move", "sync-directory"])
    );
    assert_eq!(
        made("MKDIR d\nUPLOAD e\nEND\n"),
        commit_after(&["make-directory", "create", "sync", "publish", "sync-directory"])
    );
    let (effects, flushes) = made("COPY a d\nCOPY b e\nCOPY c f\n");
    assert_eq!(flushes, 2);
    assert!(effects.ends_with(&["sync", "publish", "publish", "publish", "sync-directory"]));
}

/// `ABORT` cancels commands that only read and copy at any time, and nothing is left of them.
#[test]
fn a_copy_and_a_checksum_can_be_cancelled() {
    for command in ["COPY big other", "CHECKSUM big"] {
        let mut outcomes = Vec::new();
        for step in 0..12 {
            let mut files = MemoryFiles::new(true).with_file("big", vec![b'x'; 5]);
            let input = format!("{command}\nABORT\nHELP\n");
            let single = Single {
                by_line: true,
                pace: Duration::from_secs(step),
                storage: Duration::from_secs(1),
                ..Single::new(input.as_bytes())
            };
            let run = single.play(&mut Server::new(config(1)), &mut files);
            let codes = codes(&run);
            assert_eq!((codes.len(), codes[1], files.has_open()), (2, None, false));
            let is_copied = command.starts_with("COPY") && codes[0].is_none();
            assert_eq!(files.file("other").is_some(), is_copied);
            outcomes.push(codes[0]);
        }
        let (cancelled, done) = outcomes.split_at(outcomes.partition_point(Option::is_some));
        assert!(cancelled.len() > 2, "{command}: {outcomes:?}");
        assert!(!done.is_empty() && done.iter().all(Option::is_none), "{command}: {outcomes:?}");
        assert!(cancelled.iter().all(|&code| code == Some(ErrorCode::Aborted)));
    }
}

/// A failed sync concerns all, a failed name its own file, and a failed sync of the directory all who have their names.
#[test]
fn failures_meet_those_that_they_are_for() {
    let input = uploads(&["a", "b", "c"]) + "HELP\n";
    let mut untouched = MemoryFiles::new(true);
    play(&input, &mut untouched);
    let all = effects(&untouched);
    let fail = |effect: &str, nth: usize| {
        let at = all.iter().enumerate().filter(|(_, name)| **name == effect).nth(nth).unwrap().0;
        let fail = Some((at, StoreErrorKind::Io));
        let mut files = MemoryFiles::new(true).with_faults(Faults { fail, ..Faults::default() });
        let run = play(&input, &mut files);
        (codes(&run), files.all().keys().cloned().collect::<String>())
    };
    let (io, unknown) = (Some(ErrorCode::Io), Some(ErrorCode::OutcomeUnknown));
    assert_eq!(fail("sync", 0), (vec![io, io, io, None], String::new()));
    assert_eq!(fail("publish", 1), (vec![None, io, None, None], "ac".into()));
    assert_eq!(
        fail("sync-directory", 0),
        (vec![unknown; 3].into_iter().chain([None]).collect(), "abc".into())
    );
    assert_eq!(fail("create", 1), (vec![None, io, None, None], "ac".into()));
    assert_eq!(fail("write", 2), (vec![None, None, io, None], "ab".into()));
}

/// An upload sees what it would have seen if each had been committed in turn.
#[test]
fn an_upload_meets_those_before_it() {
    let mut files = MemoryFiles::new(true);
    let input = uploads(&["a", "a mode=create", "a/b", "d/e", "d", "a", "A"]);
    let run = play(&input, &mut files);
    let said = run.text();
    let words: Vec<&str> =
        said.lines().skip(1).map(|line| line.split(' ').take(2).last().unwrap()).collect();
    let (ready, stored) = ("READY", "size=3");
    assert_eq!(
        words,
        [
            ready,
            stored,
            "exists",
            "not-a-file",
            ready,
            stored,
            "is-directory",
            ready,
            stored,
            ready,
            stored
        ]
    );
}

/// A commit does not wait for the whole of a large file behind it.
#[test]
fn a_large_file_keeps_nobody_waiting() {
    let mut files = MemoryFiles::new(true);
    let large = "x".repeat(200_000);
    let run =
        play(&format!("{}UPLOAD large\nDATA 200000\n{large}END\n", uploads(&["a"])), &mut files);
    assert_eq!(codes(&run), [None, None]);
    let effects = effects(&files);
    let published = effects.iter().position(|effect| *effect == "publish").unwrap();
    assert!(effects[published..].contains(&"write"), "{effects:?}");
}

/// Payload that passed by the machine is in its file before the next upload starts.
#[test]
fn what_passed_by_is_committed_with_others() {
    let config = ServerConfig { pass_through: true, ..ServerConfig::default() };
    let input = format!("UPLOAD a\nDATA 9000\n{}END\n{}", "x".repeat(9000), uploads(&["b", "c"]));
    // The first read brings the command, so that the payload has not arrived yet.
    let mut files = MemoryFiles::new(true);
    let mut server = Server::new(Arc::new(config));
    let run = Single::new(input.as_bytes()).by_line().play(&mut server, &mut files);
    assert_eq!(codes(&run), [None; 3]);
    let effects = effects(&files);
    let received = effects.iter().rposition(|effect| *effect == "write-received").unwrap();
    let second = effects.iter().skip(1).position(|effect| *effect == "create").unwrap();
    assert!(received <= second, "{effects:?}");
    assert_eq!(files.file("a").map(<[u8]>::len), Some(9000));
}

/// A store without room for one file cannot take any.
#[test]
fn a_store_without_any_room_refuses() {
    struct Full;
    impl haul_harness::Files for Full {
        fn perform(
            &mut self,
            _: &haul_core::Effect,
        ) -> Result<haul_core::Done, haul_core::StoreError> {
            Ok(haul_core::Done::Full)
        }

        fn receive(&mut self, _: haul_core::Handle, _: &[u8]) {}

        fn send(&mut self, _: haul_core::Handle, _: usize) -> bytes::Bytes {
            bytes::Bytes::new()
        }
    }
    let run = Single::new(b"UPLOAD a\n").play(&mut Server::new(config(1000)), &mut Full);
    assert_eq!(codes(&run), [Some(ErrorCode::Io)]);
}

proptest! {
    /// However many are committed together, and however few there is room for: the same replies and the same files.
    #[test]
    fn a_commit_looks_like_one_after_the_other(ops in ops(), choices in choices(), batch in 1..6_usize, room in 0..4_usize) {
        let input = session(&ops);
        let play = |commit_batch, room, choices: &[u8]| {
            let limits = Limits { commit_batch, ..config(20_000).limits.clone() };
            let config = ServerConfig { limits, ..ServerConfig::default() };
            let mut files = shared().with_faults(Faults { room, ..Faults::default() });
            let run = Single::new(&input).cut(choices).play(&mut Server::new(Arc::new(config)), &mut files);
            (run, files)
        };
        let (alone, alone_files) = play(1, 0, &[]);
        let (together, files) = play(batch, room, &choices);
        prop_assert_eq!(alone.text(), together.text());
        prop_assert_eq!(alone.events, together.events);
        prop_assert_eq!(alone_files.all(), files.all());
    }
}

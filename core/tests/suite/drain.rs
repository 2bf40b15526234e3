//! A server that drains: running commands are completed, and nothing that was acknowledged is lost.

use std::sync::Arc;
use std::time::Duration;

use haul_core::message::ServerLine;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{ErrorCode, Limits};
use haul_harness::{End, Faults, MemoryFiles, PassThrough, Run, Single};
use proptest::prelude::*;

use crate::sessions::{config, ops, session, shared};
use crate::strategies::choices;
use crate::transcript::{Reply, replies};

/// Runs a session whose server starts to drain before the step `at`.
fn play(
    input: &[u8],
    choices: &[u8],
    at: usize,
    by: Duration,
    passing: bool,
    taking: Duration,
) -> (Run<ServerEvent>, MemoryFiles) {
    let pass_through = passing.then_some(PassThrough::WithChecksum);
    let mut files = shared().with_faults(Faults { pass_through, ..Faults::default() });
    let config = ServerConfig { pass_through: passing, ..(*config(5000)).clone() };
    let mut server = Server::new(Arc::new(config));
    let single = Single { taking, ..Single::new(input).cut(choices).ending(End::Silence) };
    let run = single.play_with(&mut server, &mut files, |server, _, step| {
        if step == at {
            server.shut_down(by);
        }
    });
    (run, files)
}

proptest! {
    /// With a sufficient grace period, a drain changes nothing but the end.
    #[test]
    fn a_drain_finishes_what_is_under_way(ops in ops(), at in 0..400_usize, choices in choices(), passing in any::<bool>()) {
        let input = session(&ops);
        let long = Duration::from_hours(1000);
        let (plain, _) = play(&input, &choices, usize::MAX, long, passing, Duration::ZERO);
        let (drained, files) = play(&input, &choices, at, long, passing, Duration::ZERO);
        prop_assert!(drained.over && !files.has_open());
        let (plain, drained) = (replies(&plain.output).1, replies(&drained.output).1);
        let (last, before) = drained.split_last().expect("there is a last reply");
        prop_assert!(matches!(last.code(), Some(ErrorCode::ShuttingDown | ErrorCode::Timeout)), "{:?}", last);
        prop_assert!(plain.starts_with(before));
    }

    /// Without a grace period the current command is cut off, at a place where the client can read the reason.
    #[test]
    fn the_end_of_the_grace_cuts(ops in ops(), at in 0..400_usize, choices in choices(), passing in any::<bool>(), slow in any::<bool>()) {
        let input = session(&ops);
        let taking = if slow { Duration::from_millis(10) } else { Duration::ZERO };
        let (run, files) = play(&input, &choices, at, Duration::ZERO, passing, taking);
        prop_assert!(run.over && !files.has_open());
        let (_, replies) = replies(&run.output);
        let last = replies.last().and_then(Reply::code);
        prop_assert!(matches!(last, Some(ErrorCode::ShuttingDown | ErrorCode::Timeout)), "{:?}", last);
    }

    /// An upload exists if and only if it has its receipt.
    #[test]
    fn an_upload_is_receipted_or_not_there(at in 0..80_usize, choices in choices(), passing in any::<bool>()) {
        let input = format!("UPLOAD new\nDATA 9000\n{}END\nHELP\n", "x".repeat(9000));
        let (run, files) = play(input.as_bytes(), &choices, at, Duration::ZERO, passing, Duration::ZERO);
        let (_, replies) = replies(&run.output);
        let receipted = matches!(replies.first(), Some(Reply { last: ServerLine::Ok(_), .. }));
        prop_assert_eq!(files.file("new").is_some(), receipted);
    }
}

/// The grace period ends while a client reads slowly; prepared bytes that were announced are sent first.
#[test]
fn the_grace_ends_while_output_is_stuck() {
    for passing in [false, true] {
        let pass_through = passing.then_some(PassThrough::WithChecksum);
        let mut files = shared()
            .with_file("large", vec![b'x'; 3 * Limits::HIGH_WATER])
            .with_faults(Faults { pass_through, ..Faults::default() });
        let mut server = Server::new(config(5000));
        let single = Single {
            taking: Duration::from_secs(1),
            ..Single::new(b"DOWNLOAD large\n").cut(&[100]).ending(End::Silence)
        };
        let run = single.play_with(&mut server, &mut files, |server, files, _| {
            if files.count("read") == 1 {
                server.shut_down(Duration::from_secs(20));
            }
        });
        let (_, replies) = replies(&run.output);
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].code(), Some(ErrorCode::ShuttingDown));
        assert!(
            !replies[0].payload.is_empty() && replies[0].payload.len() < 2 * Limits::HIGH_WATER
        );
        assert!(run.steps < 1000, "{} steps: it spins", run.steps);
        assert!(!files.has_open());
    }
}

#[test]
fn a_later_drain_can_only_be_sooner() {
    let mut files = shared();
    let mut server = Server::new(config(5000));
    let run = Single::new(b"UPLOAD a\n").ending(End::Silence).play_with(
        &mut server,
        &mut files,
        |server, _, _| {
            server.shut_down(Duration::from_secs(5));
            server.shut_down(Duration::from_secs(50));
        },
    );
    assert_eq!(
        replies(&run.output).1.pop().and_then(|reply| reply.code()),
        Some(ErrorCode::ShuttingDown)
    );
    // It drained before the upload started, or at the end of the shorter grace period.
    assert!(run.now <= Duration::from_secs(8));
}

#[test]
fn a_refusing_server_says_so_and_closes() {
    let refusal = haul_core::message::Refusal {
        retry_after: Some(5),
        ..haul_core::message::Refusal::new(ErrorCode::Busy, "full")
    };
    let mut server = Server::refusing(config(1000), refusal);
    let run = Single::new(b"LIST\n").play(&mut server, &mut shared());
    assert!(run.over);
    assert_eq!(run.text(), "ERR busy \"full\" retry-after=5\r\n");
}

/// A client that always has more to send is never waited for, and is cut off all the same.
#[test]
fn the_grace_ends_for_a_client_that_never_pauses() {
    let chunk = format!("DATA 5000\n{}", "x".repeat(5000));
    let input = format!("UPLOAD a\n{}", chunk.repeat(100));
    let single = Single {
        end: End::Silence,
        storage: Duration::from_secs(1),
        ..Single::new(input.as_bytes())
    };
    let (mut files, mut server) = (shared(), Server::new(config(5000)));
    let run = single.play_with(&mut server, &mut files, |server, files, _| {
        if files.count("write") == 1 {
            server.shut_down(Duration::from_secs(10));
        }
    });
    let written = files.count("write");
    let (_, replies) = replies(&run.output);
    assert_eq!(replies.last().and_then(Reply::code), Some(ErrorCode::ShuttingDown));
    assert!(run.over && (1..20).contains(&written), "{written} writes");
}

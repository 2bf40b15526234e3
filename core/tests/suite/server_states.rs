//! Every state of a server with every input, seen from outside.

use std::time::Duration;

use haul_core::server::{Server, ServerEvent};
use haul_harness::{End, Single};

use crate::sessions::{config, shared};
use crate::transcript::whole_replies;

/// A state, and the input that leads to it.
const STATES: &[(&str, &str)] = &[
    ("ready", ""),
    ("discarding", "NO\n"),
    ("listing", "LIST depth=all\n"),
    ("sending", "DOWNLOAD photos/sea.jpg\n"),
    ("body", "UPLOAD file\n"),
];

/// An input. After a line comes another one that shows whether the session goes on.
const INPUTS: &[(&str, &str)] = &[
    ("command", "LIST\nHELP\n"),
    ("bad command", "NO\nHELP\n"),
    ("data", "DATA 1\nxEND\nHELP\n"),
    ("end", "END\nHELP\n"),
    ("abort", "ABORT\nHELP\n"),
    ("malformed", "\u{1}\nHELP\n"),
    ("hang-up", ""),
    ("drain", ""),
    ("grace over", ""),
    ("too slow", ""),
    ("broken", ""),
];

/// The expected output, in the order of [`INPUTS`]: the final replies, then `gone` if the server notices that its peer
/// disconnected.
const TABLE: &[(&str, [&str; 11])] = &[
    (
        "ready",
        [
            "OK OK",
            "unknown-command OK",
            "protocol",
            "protocol",
            "OK",
            "protocol",
            "",
            "shutting-down",
            "shutting-down",
            "timeout",
            "gone",
        ],
    ),
    (
        "discarding",
        [
            "unknown-command OK OK",
            "unknown-command unknown-command OK",
            "unknown-command OK",
            "unknown-command OK",
            "unknown-command OK",
            "unknown-command protocol",
            "unknown-command",
            "unknown-command shutting-down",
            "unknown-command shutting-down",
            "unknown-command timeout",
            "unknown-command gone",
        ],
    ),
    (
        "listing",
        [
            "OK OK OK",
            "OK unknown-command OK",
            "OK protocol",
            "OK protocol",
            "aborted OK",
            "OK protocol",
            "OK",
            "OK shutting-down",
            "shutting-down",
            "gone",
            "gone",
        ],
    ),
    (
        "sending",
        [
            "OK OK OK",
            "OK unknown-command OK",
            "OK protocol",
            "OK protocol",
            "aborted OK",
            "OK protocol",
            "OK",
            "OK shutting-down",
            "shutting-down",
            "gone",
            "gone",
        ],
    ),
    (
        "body",
        [
            "protocol",
            "protocol",
            "OK OK",
            "OK OK",
            "aborted OK",
            "protocol",
            "gone",
            "OK shutting-down",
            "shutting-down",
            "timeout",
            "gone",
        ],
    ),
];

fn observe(state: &str, prefix: &str, input: &str, lines: &str) -> String {
    let busy = matches!(state, "listing" | "sending");
    // A body that drains still needs its end.
    let lines = if (state, input) == ("body", "drain") { "END\n" } else { lines };
    let all = format!("{prefix}{lines}");
    let end = match input {
        "broken" => End::Broken,
        "drain" | "grace over" | "too slow" => End::Silence,
        _ => End::HangUp,
    };
    let stuck = busy && input == "too slow";
    let single = Single {
        taking: if stuck { Duration::from_secs(40) } else { Duration::ZERO },
        choices: if stuck { &[0] } else { &[] },
        ..Single::new(all.as_bytes()).by_line().ending(end)
    };
    // A busy server sees everything that came at once.
    let single = Single { by_line: !busy || lines.is_empty(), ..single };
    let mut files = shared();
    let mut server = Server::new(config(5000));
    let mut told = false;
    let run = single.play_with(&mut server, &mut files, |server, files, step| {
        let there = match state {
            "listing" => files.count("next-entries") == 1,
            "sending" => files.count("read") == 1,
            "body" => files.count("create") == 1,
            "discarding" => step == 4,
            _ => step == 1,
        };
        if there && !told {
            match input {
                "drain" => server.shut_down(Duration::from_hours(1)),
                "grace over" => server.shut_down(Duration::ZERO),
                _ => return,
            }
            told = true;
        }
    });
    assert!(run.over, "{state} with {input} never ends");
    assert!(!files.has_open(), "{state} with {input} leaves something open");
    let mut said: Vec<&str> = whole_replies(&run.output)
        .iter()
        .map(|reply| reply.code().map_or("OK", haul_core::ErrorCode::as_str))
        .collect();
    if run.events.iter().any(|event| matches!(event, ServerEvent::Disconnected { .. })) {
        said.push("gone");
    }
    said.join(" ")
}

#[test]
fn every_state_meets_every_input() {
    let mut wrong = Vec::new();
    for ((state, prefix), (row, expected)) in STATES.iter().zip(TABLE) {
        assert_eq!(state, row);
        for ((input, lines), expected) in INPUTS.iter().zip(expected) {
            let seen = observe(state, prefix, input, lines);
            if seen != *expected {
                wrong.push(format!("{state} with {input}: {seen:?} instead of {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

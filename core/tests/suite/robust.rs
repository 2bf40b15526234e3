//! Any input: no panic, no hang, no memory beyond the limits.

use std::sync::Arc;
use std::time::Duration;

use haul_core::server::{Server, ServerConfig};
use haul_core::{Limits, Machine, Output};
use haul_harness::{End, Single};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::sessions::{ops, session, shared};
use crate::strategies::{any_line, choices};

const CHUNK: usize = 3000;

fn config(pass_through: bool) -> Arc<ServerConfig> {
    let limits = Limits {
        chunk: CHUNK,
        list_batch: 2,
        max_discard: 100_000,
        max_linger: 50_000,
        ..Limits::default()
    };
    Arc::new(ServerConfig { limits, pass_through, ..ServerConfig::default() })
}

/// Runs a server with `input` and checks its memory before each step.
fn survive(input: &[u8], choices: &[u8], end: End, pass_through: bool) {
    let mut files = shared();
    let mut server = Server::new(config(pass_through));
    let run = Single::new(input).cut(choices).ending(end).play_with(
        &mut server,
        &mut files,
        |server, _, _| {
            if let Output::Write(segments) = server.poll(Duration::ZERO) {
                let queued: usize = segments.iter().map(<[u8]>::len).sum();
                // The high-water mark, and what one more step may add: a chunk, or a batch of entries and a reply.
                assert!(
                    (1..=Limits::HIGH_WATER + 8 * CHUNK).contains(&queued),
                    "{queued} bytes are queued"
                );
            }
            let space = server.read_space().len();
            assert!(space <= CHUNK + Limits::MAX_PIPELINED_BYTES, "room for {space} bytes");
        },
    );
    assert!(run.over, "it waits for ever");
    assert!(!files.has_open(), "something is left open");
    assert!(run.steps <= 500 + 30 * (run.taken + run.output.len()), "{} steps", run.steps);
}

fn end() -> impl Strategy<Value = End> {
    select(vec![End::HangUp, End::Silence, End::Broken])
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Remove(Index, usize),
    Double(Index, usize),
    Insert(Index, Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), 1..=255_u8).prop_map(|(at, mask)| Mutation::Flip(at, mask)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, length)| Mutation::Double(at, length)),
        (any::<Index>(), vec(any::<u8>(), 1..6))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
    ]
}

/// Damages `bytes`.
pub(crate) fn mutate(bytes: &mut [u8], mutations: &[(Index, u8)]) {
    for (at, mask) in mutations {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
    }
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let range = |at: &Index, length: usize, bytes: &Vec<u8>| {
        let at = at.index(bytes.len());
        at..bytes.len().min(at + length)
    };
    if bytes.is_empty() {
        return;
    }
    match mutation {
        Mutation::Flip(at, mask) => mutate(bytes, &[(*at, *mask)]),
        Mutation::Remove(at, length) => {
            bytes.drain(range(at, *length, bytes));
        }
        Mutation::Double(at, length) => {
            let range = range(at, *length, bytes);
            let piece = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, piece);
        }
        Mutation::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(input in vec(any::<u8>(), 0..600), choices in choices(), end in end(), pass_through in any::<bool>()) {
        survive(&input, &choices, end, pass_through);
    }

    #[test]
    fn random_lines_do_no_harm(lines in vec(any_line(), 0..40), choices in choices(), end in end(), pass_through in any::<bool>()) {
        survive(lines.join("\n").as_bytes(), &choices, end, pass_through);
    }

    #[test]
    fn damaged_sessions_do_no_harm(ops in ops(), mutations in vec(mutation(), 1..6), choices in choices(), end in end(), pass_through in any::<bool>()) {
        let mut input = session(&ops);
        for mutation in &mutations {
            apply(&mut input, mutation);
        }
        survive(&input, &choices, end, pass_through);
    }

    /// An endless line is refused at the limit, whatever it consists of and however it is split: the server waits
    /// neither for its end nor for a deadline.
    #[test]
    fn an_endless_line_is_refused(byte in any::<u8>(), length in 4096..20_000_usize, choices in choices()) {
        prop_assume!(byte != b'\n');
        let input = vec![byte; length];
        let mut files = shared();
        let single = Single::new(&input).cut(&choices).ending(End::Silence);
        let run = single.play(&mut Server::new(config(false)), &mut files);
        let text = run.text();
        let text = text.lines().last().unwrap_or_default();
        prop_assert!(text.starts_with("ERR protocol"), "{text}");
    }
}

#[test]
fn a_line_may_have_4096_bytes_and_no_more() {
    for (length, expected) in [
        (4094, "ERR bad-name"),
        (4095, "ERR bad-name"),
        (4096, "ERR protocol"),
        (9000, "ERR protocol"),
    ] {
        for choices in [&[][..], &[0], &[15], &[150]] {
            let mut input = b"LIST ".to_vec();
            input.resize(length, b'x');
            input.push(b'\n');
            let run = Single::new(&input)
                .cut(choices)
                .play(&mut Server::new(config(false)), &mut shared());
            let text = run.text();
            let reply = text.lines().nth(1).unwrap_or_default();
            assert!(reply.starts_with(expected), "{length} {choices:?}: {reply}");
        }
    }
}

/// The first fault of a line is the one that is reported, however the line is split.
#[test]
fn the_first_fault_of_a_line_is_told() {
    for (line, expected) in [
        ([&[b'x'; 10][..], b"\x01", &[b'x'; 9000], b"\n"].concat(), "control"),
        ([&[b'x'; 5000][..], b"\x01\n"].concat(), "4096"),
        ([&[b'x'; 4094][..], b"\r\rx\n"].concat(), "4096"),
        ([&[b'x'; 4093][..], b"\r\rx\n"].concat(), "control"),
        (b"a\rb\n".to_vec(), "control"),
        (b"a\r\r\n".to_vec(), "control"),
        ("a\u{85}\n".into(), "control"),
        (b"a\xff\n".to_vec(), "UTF-8"),
    ] {
        for choices in [&[][..], &[0], &[1], &[15], &[150]] {
            let run = Single::new(&line)
                .cut(choices)
                .play(&mut Server::new(config(false)), &mut shared());
            let text = run.text();
            assert!(text.contains(expected), "{choices:?}, {expected}: {text}");
        }
    }
}

/// Any number of them, anywhere in a line, is refused.
#[test]
fn control_characters_are_refused_however_many_there_are() {
    for line in ["HE\u{1}LP", "HE\u{1}\u{1}LP", "\u{0}LIST\u{0}", "LI\tST\u{1b}\u{7f}", "\r\rHELP"]
    {
        let input = format!("{line}\nHELP\n");
        let run =
            Single::new(input.as_bytes()).play(&mut Server::new(config(false)), &mut shared());
        let text = run.text();
        assert!(text.lines().last().is_some_and(|last| last.starts_with("ERR protocol")), "{text}");
    }
}

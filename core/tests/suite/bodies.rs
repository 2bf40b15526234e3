//! Bodies of uploads: every byte arrives, none is taken for a command, and tiny pieces cost little.

use std::sync::Arc;
use std::time::Duration;

use haul_core::server::{Server, ServerConfig};
use haul_core::{Checksum, ErrorCode, Limits, Machine, Output};
use haul_harness::{End, MemoryFiles, Single};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::sessions::config;
use crate::strategies::choices;
use crate::transcript::replies;

fn upload(cuts: &[usize], data: &[u8]) -> Vec<u8> {
    let mut input = b"UPLOAD file\r\n".to_vec();
    let mut rest = data;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (chunk, after) =
            rest.split_at(cuts.next().map_or(rest.len(), |cut| *cut).clamp(1, rest.len()));
        input.extend_from_slice(format!("DATA {}\r\n", chunk.len()).as_bytes());
        input.extend_from_slice(chunk);
        rest = after;
    }
    input.extend_from_slice(format!("END crc64nvme={}\r\n", Checksum::of(data)).as_bytes());
    input
}

proptest! {
    /// Every byte is stored or is framing, however `DATA` splits the body, and there are few writes.
    #[test]
    fn every_byte_is_stored(data in vec(any::<u8>(), 0..30_000), cuts in vec(prop_oneof![1..4_usize, 1..20_000_usize], 1..6), choices in choices()) {
        let input = upload(&cuts, &data);
        let mut files = MemoryFiles::new(true);
        let run = Single::new(&input).cut(&choices).play(&mut Server::new(config(256 << 10)), &mut files);
        prop_assert_eq!(replies(&run.output).1[0].code(), None);
        prop_assert_eq!(run.taken, input.len());
        prop_assert_eq!(files.file("file"), Some(&data[..]));
        // At most two for each 4 KiB: one piece that is large enough, and what was gathered before it.
        prop_assert!(files.count("write") <= 2 * data.len() / Limits::GATHER + 1);
    }

    /// A refused body is skipped as a whole even if it is full of commands.
    #[test]
    fn a_refused_body_is_never_executed(commands in vec(prop_oneof![Just("UPLOAD evil\r\nEND\r\n"), Just("EXIT\r\n"), Just("DATA 3\r\n"), Just("LIST\n"), Just("ABORT\n")], 1..20), cuts in vec(1..50_usize, 1..4), choices in choices(), known in any::<bool>()) {
        let data = commands.concat();
        let name = if known { "file mode=create" } else { "../evil" };
        let mut input = upload(&cuts, data.as_bytes());
        input.splice(..b"UPLOAD file".len(), format!("UPLOAD {name}").into_bytes());
        input.extend_from_slice(b"LIST\r\n");
        let mut files = MemoryFiles::new(true).with_file("file", &b"old"[..]);
        let run = Single::new(&input).cut(&choices).play(&mut Server::new(config(1000)), &mut files);
        let (_, replies) = replies(&run.output);
        prop_assert_eq!(replies.len(), 2);
        prop_assert_eq!(replies[0].code(), Some(if known { ErrorCode::Exists } else { ErrorCode::BadName }));
        prop_assert_eq!(replies[1].code(), None);
        prop_assert_eq!(files.all().len(), 1);
        prop_assert_eq!(files.file("file"), Some(&b"old"[..]));
    }
}

/// A flood of one-byte `DATA` is gathered, and the number of steps is proportional to its bytes.
#[test]
fn a_flood_of_single_bytes_is_gathered() {
    let data = vec![7; 100_000];
    let input = upload(&[1], &data);
    for choices in [&[][..], &[3], &[0]] {
        let mut files = MemoryFiles::new(true);
        let run =
            Single::new(&input).cut(choices).play(&mut Server::new(config(256 << 10)), &mut files);
        assert_eq!(files.file("file"), Some(&data[..]));
        assert_eq!(files.count("write"), 2);
        assert!(run.steps <= input.len() + 1000, "{} steps for {} bytes", run.steps, input.len());
    }
}

/// An upload that is cut off at any byte leaves the old file and nothing else.
#[test]
fn a_connection_cut_at_every_byte_leaves_the_old_file() {
    let data: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let input = upload(&[1, 4500, 20], &data);
    for end in [End::HangUp, End::Broken, End::Silence] {
        for cut in 0..input.len() {
            let mut files = MemoryFiles::new(true).with_file("file", &b"old"[..]);
            let run = Single::new(&input[..cut])
                .ending(end)
                .play(&mut Server::new(config(1000)), &mut files);
            assert!(run.over, "it goes on after {cut} bytes");
            assert_eq!(files.file("file"), Some(&b"old"[..]), "cut after {cut} bytes");
            assert!(!files.has_open(), "staging is left after {cut} bytes");
            assert_eq!(files.all().len(), 1);
        }
        let mut files = MemoryFiles::new(true).with_file("file", &b"old"[..]);
        let run = Single::new(&input).ending(end).play(&mut Server::new(config(1000)), &mut files);
        assert_eq!(files.file("file"), Some(&data[..]));
        assert_eq!(replies(&run.output).1[0].code(), None);
    }
}

/// Replies to the commands before a body that is cut off are sent all the same.
#[test]
fn a_cut_body_takes_no_earlier_reply_with_it() {
    let input = b"LIST\nUPLOAD file\nDATA 9\nabc";
    for choices in [&[][..], &[1], &[0]] {
        let mut files = MemoryFiles::new(true);
        let run = Single::new(input).cut(choices).play(&mut Server::new(config(1000)), &mut files);
        let text = run.text();
        assert!(text.ends_with("OK entries=0\r\nREADY\r\n"), "{choices:?}: {text}");
    }
}

/// Commands wait while their replies would pile up.
#[test]
fn replies_do_not_pile_up() {
    const LONGEST_REPLY: usize = 4096;
    let input = "HELP\n".repeat(1000);
    let (mut files, mut most) = (MemoryFiles::new(true), 0);
    let run = Single::new(input.as_bytes()).play_with(
        &mut Server::new(config(1000)),
        &mut files,
        |server, _, _| {
            if let Output::Write(segments) = server.poll(Duration::ZERO) {
                most = most.max(segments.iter().map(<[u8]>::len).sum());
            }
        },
    );
    assert_eq!(replies(&run.output).1.len(), 1000);
    assert!(run.output.len() > 4 * (Limits::HIGH_WATER + LONGEST_REPLY), "{}", run.output.len());
    assert!(most <= Limits::HIGH_WATER + LONGEST_REPLY, "{most} bytes wait");
}

/// Input after a refusal is dropped, but only up to a limit.
#[test]
fn a_server_lingers_for_so_many_bytes() {
    let limits = Limits { max_linger: 10_000, ..config(1000).limits.clone() };
    let input = format!("GET / HTTP/1.1\n{}", "x".repeat(1_000_000));
    let mut server = Server::new(Arc::new(ServerConfig { limits, ..ServerConfig::default() }));
    let run = Single::new(input.as_bytes())
        .ending(End::Silence)
        .play(&mut server, &mut MemoryFiles::new(true));
    assert!(run.over && (10_000..100_000).contains(&run.taken), "{}", run.taken);
}

#[test]
fn the_bounds_of_a_server_are_met() {
    let limits =
        Limits { max_file_size: Some(10), max_discard: 30, max_data: 20, ..Limits::default() };
    let config = Arc::new(ServerConfig { limits, ..ServerConfig::default() });
    let code = |input: &str| {
        let mut files = MemoryFiles::new(true);
        let run = Single::new(input.as_bytes()).play(&mut Server::new(config.clone()), &mut files);
        assert!(files.all().is_empty());
        replies(&run.output).1.iter().filter_map(crate::transcript::Reply::code).collect::<Vec<_>>()
    };
    assert_eq!(code("UPLOAD a size=11\n"), [ErrorCode::TooLarge]);
    assert_eq!(code("UPLOAD a size=10\nABORT\n"), [ErrorCode::Aborted]);
    assert_eq!(code("UPLOAD a\nDATA 11\nhello worldEND\n"), [ErrorCode::TooLarge]);
    assert_eq!(code("UPLOAD a\nDATA 21\n"), [ErrorCode::Protocol]);
    assert_eq!(code("NO\nDATA 21\n"), [ErrorCode::UnknownCommand, ErrorCode::Protocol]);
    let skipped = "DATA 20\n12345678901234567890";
    assert_eq!(
        code(&format!("NO\n{skipped}DATA 10\n1234567890HELP\n")),
        [ErrorCode::UnknownCommand]
    );
    assert_eq!(
        code(&format!("NO\n{skipped}DATA 11\n")),
        [ErrorCode::UnknownCommand, ErrorCode::Protocol]
    );
    // Each refusal has its own count of skipped bytes.
    let refused = format!("NO\n{skipped}");
    assert_eq!(code(&refused.repeat(3)), [ErrorCode::UnknownCommand; 3]);
    let given_up = format!("UPLOAD a\nABORT\n{skipped}");
    assert_eq!(code(&given_up.repeat(3)), [ErrorCode::Aborted; 3]);
}

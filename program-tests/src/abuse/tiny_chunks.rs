//! The smallest chunks, which cost a server the most time for a byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::load_test::{LoadTest, connect};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// Goal: how many times the processor time of a byte in large chunks a byte in the smallest chunks may cost.
const DEARER: f64 = 20.0;
/// Bytes sent at once; a multiple of the chunks below.
const BLOCK: usize = 64 << 10;
/// A chunk of one byte.
const TINY: &[u8] = b"DATA 1\nx";

/// An upload in chunks of one byte, and one of as many bytes on the wire in large chunks.
pub(super) fn tiny_chunks(program: &Path, size: Size) -> Report {
    let blocks = size.of(8 << 10, 8);
    let bench = Bench::new(program);
    let server = bench.serve(&["--sync=none"]);
    let mut test = LoadTest::start("chunks of 1 byte", bench, server, size.requests());
    let tiny = test.attack(|test| {
        let block = TINY.repeat(BLOCK / TINY.len());
        let expected = blocks * BLOCK / TINY.len();
        cost(test, || upload(test.server.address(), &block, blocks, expected))
    });
    test.recover();
    let bulk = cost(&test, || {
        let mut block = format!("DATA {BLOCK}\n").into_bytes();
        block.resize(block.len() + BLOCK, b'x');
        upload(test.server.address(), &block, blocks, blocks * BLOCK);
    });
    let ratio = tiny.as_secs_f64() / bulk.as_secs_f64();
    test.report.figures.push(format!(
        "{} MiB on the wire cost {:.2} s, in bulk {:.2} s: {ratio:.1}× a byte",
        (blocks * BLOCK) >> 20,
        tiny.as_secs_f64(),
        bulk.as_secs_f64()
    ));
    // Processor time is counted in ticks. With only a few of them there is no ratio.
    if bulk > Duration::from_millis(50) {
        test.report.aim(ratio <= DEARER, || format!("cost of a byte ≤ {DEARER}×"));
    }
    test.end(1)
}

fn cost(test: &LoadTest, work: impl FnOnce()) -> Duration {
    let before = test.meter.cpu();
    work();
    test.meter.cpu().saturating_sub(before)
}

/// Uploads `blocks` times `block`, which contains `expected` bytes of the file in all.
fn upload(server: SocketAddr, block: &[u8], blocks: usize, expected: usize) {
    let mut socket = BufReader::new(connect(server, 0));
    let stream = socket.get_mut();
    stream.write_all(b"UPLOAD flooded\n").expect("a command is taken");
    for _ in 0..blocks {
        stream.write_all(block).expect("a body is taken");
    }
    stream.write_all(b"END\nEXIT\n").expect("its end is taken");
    let mut lines = socket.by_ref().lines().skip(2);
    let receipt = lines.next().and_then(Result::ok).unwrap_or_default();
    assert!(receipt.starts_with(&format!("OK size={expected} ")), "{receipt}");
}

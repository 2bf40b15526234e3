//! Bytes that are dear to take.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::load_test::{Siege, connect};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// Goal: how many times more processor time a byte on the wire may cost in the smallest chunks.
const DEARER: f64 = 20.0;
/// Sent at once, in bytes; a multiple of what follows.
const BLOCK: usize = 64 << 10;
/// A chunk of one byte.
const TINY: &[u8] = b"DATA 1\nx";

/// A flood of chunks of one byte, beside as many bytes on the wire in large chunks.
pub(super) fn tiny_chunks(program: &Path, size: Size) -> Report {
    let blocks = size.of(8 << 10, 8);
    let bench = Bench::new(program);
    let server = bench.serve(&["--sync=none"]);
    let mut siege = Siege::lay("chunks of 1 byte", bench, server, size.requests());
    let tiny = siege.attack(|siege| {
        let block = TINY.repeat(BLOCK / TINY.len());
        let expected = blocks * BLOCK / TINY.len();
        cost(siege, || upload(siege.server.address(), &block, blocks, expected))
    });
    siege.recover();
    let bulk = cost(&siege, || {
        let mut block = format!("DATA {BLOCK}\n").into_bytes();
        block.resize(block.len() + BLOCK, b'x');
        upload(siege.server.address(), &block, blocks, blocks * BLOCK);
    });
    let ratio = tiny.as_secs_f64() / bulk.as_secs_f64();
    siege.report.figures.push(format!(
        "{} MiB on the wire cost {:.2} s, in bulk {:.2} s: {ratio:.1}× a byte",
        (blocks * BLOCK) >> 20,
        tiny.as_secs_f64(),
        bulk.as_secs_f64()
    ));
    // Below a few ticks of the clock by which it is counted there is no ratio.
    if bulk > Duration::from_millis(50) {
        siege.report.aim(ratio <= DEARER, || format!("cost of a byte ≤ {DEARER}×"));
    }
    siege.end(1)
}

fn cost(siege: &Siege, work: impl FnOnce()) -> Duration {
    let before = siege.meter.cpu();
    work();
    siege.meter.cpu().saturating_sub(before)
}

/// Uploads `blocks` times `block`, which the server takes for so many bytes of a file.
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

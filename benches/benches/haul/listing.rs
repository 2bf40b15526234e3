//! `LIST`: the lines of a listing, written by a server and read by a client.

use std::fmt::Write;
use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use haul_core::message::ServerLine;
use haul_core::{Entry, FilePath, Timestamp};

/// The number of entries of the listing.
const ENTRIES: u32 = 1_000;

pub(crate) fn listing(c: &mut Criterion) {
    let entries: Vec<ServerLine> = (0..ENTRIES).map(entry).collect();
    let lines = entries.iter().fold(String::new(), |mut lines, entry| {
        writeln!(lines, "{entry}").expect("memory takes every line");
        lines
    });
    let mut group = c.benchmark_group("listing of 1,000 files");
    group.throughput(Throughput::Elements(u64::from(ENTRIES)));
    let mut out = BytesMut::with_capacity(1 << 20);
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            for entry in black_box(&entries) {
                entry.encode(&mut out);
            }
            black_box(out.len())
        });
    });
    group.bench_function("parse", |b| {
        b.iter(|| {
            for line in black_box(&lines).lines() {
                black_box(ServerLine::parse(line)).expect("the line is well-formed");
            }
        });
    });
    group.finish();
}

fn entry(number: u32) -> ServerLine {
    let path = FilePath::parse(&format!("photos/2026/a walk by the sea {number:04}.jpg"));
    let modified = Timestamp::new(1_795_336_285 + i64::from(number), number * 1_000);
    ServerLine::Entry(Entry::File {
        path: path.expect("the path keeps the rules"),
        size: u64::from(number) * 4_097,
        modified: modified.expect("the time is within its bounds"),
        executable: false,
    })
}

//! Parsing and encoding a client's lines.
//!
//! Each group parses lines of one length, and for comparison httparse parses HTTP request lines of the same length.
//! Both get the same kind of input, a buffer of many lines, and do all that a server does before it can act: find the
//! end, refuse forbidden bytes, split the line. They do not do the same work: Haul checks numbers, times and paths, and
//! copies the path to the heap, because it outlives the read buffer. httparse checks the characters of a target and
//! returns it as a slice.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use haul_core::ClientLine;

use crate::samples::{SAMPLES, read_haul, read_http, request_line};

/// The number of lines in a buffer.
const LINES: usize = 1_000;

pub(crate) fn parse(c: &mut Criterion) {
    for (name, line) in SAMPLES {
        let mut group = c.benchmark_group(format!("parse a line/{name}"));
        group.throughput(Throughput::Elements(LINES as u64));
        let lines = format!("{line}\r\n").repeat(LINES);
        group.bench_function("haul", |b| b.iter(|| read_haul(black_box(lines.as_bytes()))));
        let requests = request_line(line.len()).repeat(LINES);
        group.bench_function("httparse", |b| b.iter(|| read_http(black_box(requests.as_bytes()))));
        group.finish();
    }
}

pub(crate) fn encode(c: &mut Criterion) {
    for (name, line) in SAMPLES {
        let line = ClientLine::parse(line).expect("the line is well-formed");
        let mut group = c.benchmark_group(format!("encode a line/{name}"));
        group.throughput(Throughput::Elements(LINES as u64));
        let mut out = BytesMut::with_capacity(1 << 20);
        group.bench_function("haul", |b| {
            b.iter(|| {
                out.clear();
                for _ in 0..LINES {
                    black_box(&line).encode(&mut out);
                }
                black_box(out.len())
            });
        });
        group.finish();
    }
}

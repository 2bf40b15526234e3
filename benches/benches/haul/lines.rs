//! Lines of a client: how many a second are read and written.
//!
//! Each group reads lines of one length, and beside it httparse reads HTTP request lines of the same length. Both sides get the same kind of input, a buffer of many lines, and
//! do all that a server does before it can act: find the end, refuse forbidden bytes, take the line apart. They do not do the same work: HAUL's numbers, times and paths come out
//! checked, and the path on the heap, for it outlives the read buffer; httparse checks what may stand in a target and hands it out as a slice.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use haul_core::ClientLine;

use crate::samples::{SAMPLES, read_haul, read_http, request_line};

/// Lines in a buffer.
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

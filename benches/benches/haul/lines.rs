//! Lines of a client: how many a second are read and written.
//!
//! Each group reads lines of one length, and beside it httparse reads HTTP request lines of the same length. Both sides get the same kind of input, a buffer of many lines, and
//! do all that a server does before it can act: find the end, refuse forbidden bytes, take the line apart. They do not do the same work: HAUL's numbers, times and paths come out
//! checked, and the path on the heap, for it outlives the read buffer; httparse checks what may stand in a target and hands it out as a slice.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use haul_core::message::ClientLine;

/// Lines in a buffer.
const LINES: usize = 1_000;

/// A name for each length of line, and the line.
const SAMPLES: [(&str, &str); 5] = [
    ("data", "DATA 262144"),
    ("list", "LIST photos/2026"),
    ("download", "DOWNLOAD \"photos/2026/the sea.jpg\" offset=1048576"),
    ("upload", "UPLOAD photos/2026/sea.jpg size=31457280 modified=2026-11-22T08:31:25.5Z"),
    (
        "long path",
        concat!(
            "UPLOAD \"archive/photos/from the old camera/2026-11-22 a walk along the shore at low tide/",
            "raw/DSC_0001 to DSC_0999/before the storm/the one that I like best, with the gulls in front.tiff\" ",
            "size=31457280 mode=create",
        ),
    ),
];

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

fn read_haul(mut bytes: &[u8]) {
    while let Some(end) = memchr::memchr(b'\n', bytes) {
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let control = line.iter().fold(false, |found, byte| found | byte.is_ascii_control());
        assert!(!control, "a line has no control characters");
        let line = std::str::from_utf8(line).expect("a line is UTF-8");
        black_box(ClientLine::parse(line)).expect("the line is well-formed");
        bytes = &bytes[end + 1..];
    }
}

fn read_http(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut request = httparse::Request::new(&mut []);
        let end = request.parse(bytes).expect("the request is well-formed").unwrap();
        black_box(&request);
        bytes = &bytes[end..];
    }
}

/// A request line of `length` bytes with the two line ends that httparse needs to be done.
fn request_line(length: usize) -> String {
    let around = "GET / HTTP/1.1".len();
    let target: String =
        "photos/2026/sea.jpg?".chars().cycle().take(length.saturating_sub(around)).collect();
    format!("GET /{target} HTTP/1.1\r\n\r\n")
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

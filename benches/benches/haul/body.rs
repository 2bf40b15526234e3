//! Bodies that pass through a server, compared with copying the bytes once.
//!
//! The server receives an upload whose bytes are already in memory, in as few reads as it asks for, and its files
//! accept every effect without doing anything. So the benchmark measures the machine: finding the chunks, the checksum,
//! and the one copy into the read buffer that a socket would make. memcpy copies the same bytes in pieces of the same
//! size.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use haul_core::server::{Server, ServerConfig};
use haul_core::{Done, Effect, Machine, Output, Wait};

const MIB: usize = 1 << 20;

pub(crate) fn body(c: &mut Criterion) {
    upload(c, "body in chunks of 1 MiB", 64 * MIB, MIB);
    upload(c, "body in chunks of 4 KiB", 16 * MIB, 4 << 10);
    // Each byte has its own line of eight bytes.
    upload(c, "body in chunks of 1 byte", MIB / 4, 1);
}

/// An upload of `size` bytes, `chunk` of them in each `DATA`.
fn upload(c: &mut Criterion, name: &str, size: usize, chunk: usize) {
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(chunk).collect();
    let mut input = b"UPLOAD file\r\n".to_vec();
    for _ in 0..size / chunk {
        input.extend_from_slice(format!("DATA {chunk}\r\n").as_bytes());
        input.extend_from_slice(&payload);
    }
    input.extend_from_slice(b"END\r\n");

    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(size as u64));
    group.bench_function("haul", |b| b.iter(|| serve(black_box(&input))));
    let mut buffer = vec![0; ServerConfig::default().limits.chunk];
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            for piece in black_box(&input[..size]).chunks(buffer.len()) {
                buffer[..piece.len()].copy_from_slice(piece);
                black_box(&buffer);
            }
        });
    });
    group.finish();
}

/// One whole session of a server whose client sends `input`.
fn serve(mut input: &[u8]) {
    let mut server = Server::new(Arc::new(ServerConfig::default()));
    let mut published = false;
    loop {
        let reported = match server.poll(Duration::ZERO) {
            Output::Read(Wait::Never) => server.would_block(),
            Output::Read(Wait::UntilDeadline) => {
                let space = server.read_space();
                let count = space.len().min(input.len());
                space[..count].copy_from_slice(&input[..count]);
                input = &input[count..];
                server.received(count)
            }
            Output::Write(segments) => {
                let count = segments.iter().map(<[u8]>::len).sum();
                server.sent(count)
            }
            Output::Perform(effect) => {
                published |= matches!(effect, Effect::Publish { .. });
                let done = perform(effect);
                server.performed(Ok(done))
            }
            Output::Event(_) => server.acknowledge(),
            Output::CloseWrite => server.write_closed(),
            Output::Receive { .. } | Output::Send { .. } => unreachable!("nothing passes by"),
            Output::Closed => break,
        };
        reported.expect("the report is right");
    }
    assert!(published, "the upload is not whole");
}

fn perform(effect: &Effect) -> Done {
    match effect {
        Effect::Create { .. } => Done::Started,
        Effect::Write { data, .. } => {
            black_box(data);
            Done::Written
        }
        Effect::Sync { .. } | Effect::SyncDirectories { .. } => Done::Synced,
        Effect::Publish { .. } => Done::Published { version: None },
        Effect::Close { .. } => Done::Closed,
        Effect::Discard { .. } => Done::Discarded,
        Effect::List { .. }
        | Effect::NextEntries { .. }
        | Effect::Open { .. }
        | Effect::Read { .. }
        | Effect::PrepareSend { .. }
        | Effect::WriteReceived { .. }
        | Effect::FinishReading { .. }
        | Effect::Copy { .. }
        | Effect::Delete { .. }
        | Effect::MakeDirectory { .. }
        | Effect::Move { .. }
        | Effect::Identify { .. }
        | Effect::WhoAmI { .. } => unreachable!("an upload needs no {}", effect.name()),
    }
}

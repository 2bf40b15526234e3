//! Complete sessions of a client and a server over pipes and files in memory.
//!
//! They include everything but sockets and disks: both machines, both checksums, every line. The pipes have the
//! capacity of a socket's buffers.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use haul_core::client::{Client, ClientConfig, ClientEvent, Request};
use haul_core::server::{Server, ServerConfig};
use haul_core::{FilePath, Mode};
use haul_harness::{LocalFiles, MemoryFiles, Pair, Standstill};

const MIB: usize = 1 << 20;
const FILES: usize = 1_000;

/// The capacity of each pipe, in bytes.
const PIPE: usize = 256 << 10;

type Session = Pair<'static, Client, Server>;

pub(crate) fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    group.throughput(Throughput::Bytes(2 * MIB as u64));
    group.bench_function("1 MiB up and down", |b| {
        b.iter_batched(|| session_with(&["file".to_owned()], MIB), play, BatchSize::LargeInput);
    });
    let names: Vec<String> = (0..FILES).map(|number| format!("files/{number}")).collect();
    group.throughput(Throughput::Elements(2 * FILES as u64));
    group.bench_function("1,000 files of 100 bytes up and down", |b| {
        b.iter_batched(|| session_with(&names, 100), play, BatchSize::LargeInput);
    });
    group.finish();
}

/// A session that uploads files of `size` bytes under these names, and downloads them.
fn session_with(names: &[String], size: usize) -> Session {
    let config = ClientConfig { durable: true, ..ClientConfig::default() };
    let mut client = Client::new(config);
    let mut sources = MemoryFiles::new(true);
    let paths =
        || names.iter().map(|name| FilePath::parse(name).expect("the path keeps the rules"));
    for path in paths() {
        sources = sources.with_file(path.as_str(), vec![b'x'; size]);
        client.request(Request::Upload { path, mode: Mode::Create, if_match: None });
    }
    for path in paths() {
        client.request(Request::Download {
            path,
            offset: 0,
            length: None,
            mode: Mode::Create,
            if_match: None,
        });
    }
    client.request(Request::Exit);
    let local = LocalFiles { sources, targets: MemoryFiles::new(true) };
    let server = Server::new(Arc::new(ServerConfig::default()));
    Pair::new(client, local, server, MemoryFiles::new(true), PIPE, &[])
}

/// Runs it to its end. Dropping it is not measured.
fn play(mut session: Session) -> Session {
    assert_eq!(black_box(&mut session).play(), Standstill::Over);
    let failed = session.client_events.iter().find(|event| {
        matches!(event, ClientEvent::Finished { result: Err(_), .. } | ClientEvent::Lost(_))
    });
    assert_eq!(failed, None);
    session
}

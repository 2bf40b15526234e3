//! A transfer reports its progress.

use haul_core::client::{Client, ClientConfig, ClientEvent, Request};
use haul_core::server::Server;
use haul_core::{FilePath, Limits, Mode};
use haul_harness::Pair;

use crate::joined::{local, results};
use crate::sessions::{config, shared};

/// The progress of a transfer.
fn told(request: Request) -> Vec<(u64, Option<u64>)> {
    let limits = Limits { chunk: 10_000, ..Limits::default() };
    let mut client = Client::new(ClientConfig { limits, durable: true, ..ClientConfig::default() });
    client.request(request);
    client.request(Request::Exit);
    let mut pair = Pair::new(client, local(), Server::new(config(10_000)), shared(), 6000, &[]);
    pair.play();
    assert!(results(&pair.client_events).values().all(Result::is_ok), "{:?}", pair.client_events);
    let progress = pair.client_events.iter().filter_map(|event| match event {
        ClientEvent::Progress { progress, .. } => Some((progress.bytes, progress.total)),
        _ => None,
    });
    progress.collect()
}

fn check(told: &[(u64, Option<u64>)], total: u64) {
    assert!(told.is_sorted() && told.iter().all(|(_, of)| *of == Some(total)), "{told:?}");
    assert_eq!(told.last(), Some(&(total, Some(total))));
    assert!(told.iter().any(|(bytes, _)| (1..total).contains(bytes)), "{told:?}");
}

#[test]
fn of_a_download() {
    let path = FilePath::parse("photos/sea.jpg").unwrap();
    check(
        &told(Request::Download {
            path,
            offset: 1,
            length: None,
            mode: Mode::Create,
            if_match: None,
        }),
        49_999,
    );
}

#[test]
fn of_an_upload() {
    let path = FilePath::parse("large").unwrap();
    check(&told(Request::Upload { path, mode: Mode::Replace, if_match: None }), 150_000);
}

//! A client and a server together.

use std::collections::BTreeMap;
use std::sync::Arc;

use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::message::Summary;
use haul_core::server::{Server, ServerConfig};
use haul_core::{Depth, FilePath, Limits, Mode, RequestId};
use haul_harness::{LocalFiles, MemoryFiles, Pair, Standstill};

use crate::Seed;
use crate::seed::pick;

/// The least capacity of socket buffers, by the rule of pipelining.
const ROOM: usize = Limits::MAX_PIPELINED_BYTES + 512;
const MOTTO: &[u8] = b"hello world\n";
/// A file of several chunks.
static PATTERN: [u8; 3_000] = {
    let mut pattern = [0; 3_000];
    let mut at = 0;
    while at < pattern.len() {
        pattern[at] = (at % 251).to_le_bytes()[0];
        at += 1;
    }
    pattern
};
const NAMES: &[&str] = &["notes.txt", "empty", "photos/the sea.jpg", "missing", "new"];

/// The client makes the requests that follow the [`Seed`], four bytes each. The seed decides what fails, when the
/// connection breaks and what is cancelled.
///
/// # Panics
/// When a request does not end exactly once, something is left open, or a request that succeeded did not do what it
/// says.
pub fn joined(data: &[u8]) {
    let Some((seed, rest)) = Seed::split(data) else { return };
    let limits = seed.limits();
    let mut client = Client::new(ClientConfig {
        limits: limits.clone(),
        durable: seed.durable(),
        pass_through: seed.pass_through(),
        // Both kinds of clients share what there is of seeds.
        early: seed.durable() != seed.pass_through(),
        ..ClientConfig::default()
    });
    let server = Server::new(Arc::new(ServerConfig {
        limits,
        durable: seed.durable(),
        pass_through: seed.pass_through(),
        ..ServerConfig::default()
    }));
    let requests: BTreeMap<RequestId, Request> = rest
        .chunks_exact(4)
        .take(12)
        .map(|bytes| request([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .map(|request| (client.request(request.clone()), request))
        .collect();
    client.request(Request::Exit);
    let sources = MemoryFiles::new(false)
        .with_file("notes.txt", b"mine\n".as_slice())
        .with_file("new", vec![b'n'; 9_000])
        .with_file("empty", Vec::new());
    let local = LocalFiles { sources, targets: MemoryFiles::new(seed.durable()) };
    let shared = MemoryFiles::new(seed.durable())
        .with_file("notes.txt", MOTTO)
        .with_file("empty", Vec::new())
        .with_file("photos/the sea.jpg", PATTERN.as_slice())
        .with_faults(seed.faults());
    let mut pair = Pair::new(client, local, server, shared, ROOM, seed.cuts());
    let (up, down) = seed.breaks();
    pair.break_after(up, down);
    let mut step = 0;
    let ended = loop {
        step += 1;
        // The EXIT is never cancelled, because without it the client would wait for more to do.
        let cancelled = RequestId(u64::from(seed.cancelled % 4) + 1);
        if seed.interferes_at(step) && requests.contains_key(&cancelled) {
            pair.client.cancel(cancelled);
        }
        if let Some(standstill) = pair.step() {
            break standstill;
        }
    };
    assert_eq!(ended, Standstill::Over, "it waits for ever");
    assert!(!pair.local.has_open() && !pair.shared.has_open(), "something is left open");
    check(&pair, &requests);
}

fn request([kind, name, from, to]: [u8; 4]) -> Request {
    let path = FilePath::parse(pick(name, NAMES)).expect("the path keeps the rules");
    let mode = if kind & 8 == 0 { Mode::Replace } else { Mode::Create };
    match kind % 5 {
        0 => Request::List {
            path: (kind & 16 != 0).then_some(path),
            depth: Depth::All,
            omitted: kind & 32 != 0,
        },
        1 => Request::Help,
        2 => Request::Download {
            path,
            offset: u64::from(from),
            length: (kind & 16 != 0).then_some(u64::from(to) * 100),
            mode,
            if_match: None,
        },
        3 => Request::Download { path, offset: 0, length: None, mode, if_match: None },
        _ => Request::Upload { path, mode, if_match: None },
    }
}

/// Each request ended once, and those that succeeded did what they say.
fn check(pair: &Pair<'_, Client, Server>, requests: &BTreeMap<RequestId, Request>) {
    let mut results: BTreeMap<RequestId, &Result<Summary, Failure>> = BTreeMap::new();
    for event in &pair.client_events {
        if let ClientEvent::Finished { id, result } = event {
            assert!(results.insert(*id, result).is_none(), "{id:?} ended twice");
        }
    }
    for (id, request) in requests {
        let result = results.get(id).unwrap_or_else(|| panic!("{id:?} never ended"));
        match (request, result) {
            (Request::Upload { path, .. }, Ok(summary)) => {
                let source = pair.local.sources.file(path.as_str()).expect("a source");
                assert_eq!(pair.shared.file(path.as_str()), Some(source), "{path:?}");
                assert_eq!(summary.size, Some(source.len() as u64));
            }
            (Request::Download { path, .. }, Ok(_)) => {
                assert!(pair.local.targets.file(path.as_str()).is_some(), "{path:?} is not there");
            }
            _ => {}
        }
    }
    for (name, data) in pair.local.targets.all() {
        let asked = |request: &&Request| request_path(request) == Some(name.as_str());
        let mut asked = requests.values().filter(asked);
        assert!(
            asked
                .any(|request| versions(pair, &name)
                    .any(|version| is_range(request, version, &data))),
            "{name:?} is no part of what was sent"
        );
    }
}

fn request_path(request: &Request) -> Option<&str> {
    match request {
        Request::Download { path, .. } => Some(path.as_str()),
        _ => None,
    }
}

/// What a name may have contained: uploads replace what downloads read.
fn versions<'a>(pair: &'a Pair<'_, Client, Server>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let now = [pair.local.sources.file(name), pair.shared.file(name)];
    now.into_iter().flatten().chain([MOTTO, &PATTERN])
}

fn is_range(request: &Request, version: &[u8], data: &[u8]) -> bool {
    let Request::Download { offset, length, .. } = request else { return false };
    let within = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    version.get(within(*offset)..).is_some_and(|rest| {
        let length = length.map_or(rest.len(), |length| rest.len().min(within(length)));
        rest[..length] == *data
    })
}

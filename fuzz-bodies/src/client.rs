//! A client against a server that sends anything.

use std::collections::BTreeMap;

use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::message::Summary;
use haul_core::{Checksum, Depth, FilePath, Limits, Mode, RequestId};
use haul_harness::{ContractChecker, LocalFiles, MemoryFiles, Run, Single};

use crate::Seed;
use crate::bounded::Bounded;
use crate::seed::pick;
use crate::transcript;

/// The most bytes that are read at once while lines are expected.
const LINES_AT_ONCE: usize = 64 << 10;

/// The server sends what follows the [`Seed`], whatever the client asks it for.
///
/// # Panics
/// When the client does not end, buffers too much, sends what is not HAUL, does not finish a request exactly once,
/// leaves something open, or publishes a file that is not the one of the server's checksum.
pub fn client(data: &[u8]) {
    let Some((seed, input)) = Seed::split(data) else { return };
    let config = ClientConfig {
        limits: seed.limits(),
        durable: seed.durable(),
        pass_through: seed.pass_through(),
        // Both kinds of clients share what there is of seeds.
        early: seed.durable() != seed.pass_through(),
        ..ClientConfig::default()
    };
    let mut local = LocalFiles {
        sources: MemoryFiles::new(true)
            .with_file("notes.txt", b"hello world\n".as_slice())
            .with_file("large", vec![b'x'; 70_000])
            .with_faults(seed.faults()),
        targets: MemoryFiles::new(config.durable).with_faults(seed.faults()),
    };
    let mut client = Bounded {
        incoming: config.limits.chunk + LINES_AT_ONCE,
        outgoing: Limits::HIGH_WATER + config.limits.chunk + 2 * Limits::MAX_LINE,
        machine: Client::new(config),
    };
    let requests: BTreeMap<RequestId, Request> = requests(seed.requests)
        .into_iter()
        .map(|request| (client.machine.request(request.clone()), request))
        .collect();
    let single = Single { by_line: seed.waits_to_be_asked(), ..seed.single(input) };
    let run = play(&single, seed, client, &mut local);
    assert!(!local.has_open(), "something is left open");
    transcript::check_client(&run.output);
    let results = results(&run, &requests);
    check_targets(&run, &requests, &results, &local.targets);
}

/// A selection of requests. Two of them are for the same file.
fn requests(wanted: u8) -> Vec<Request> {
    let path = |text| FilePath::parse(text).expect("the path keeps the rules");
    let all = [
        Request::List { path: None, depth: Depth::ONE, omitted: true },
        Request::Download {
            path: path("notes.txt"),
            offset: 0,
            length: None,
            mode: Mode::Replace,
            if_match: None,
        },
        Request::Upload { path: path("notes.txt"), mode: Mode::Replace, if_match: None },
        Request::Download {
            path: path("part"),
            offset: 6,
            length: Some(5),
            mode: Mode::Create,
            if_match: None,
        },
        Request::Upload { path: path("large"), mode: Mode::Create, if_match: None },
        Request::Help,
        Request::Upload { path: path("missing"), mode: Mode::Replace, if_match: None },
        Request::Exit,
    ];
    all.into_iter()
        .enumerate()
        .filter(|(bit, _)| wanted >> bit & 1 == 1)
        .map(|(_, request)| request)
        .collect()
}

fn play(
    single: &Single<'_>,
    seed: Seed,
    mut client: Bounded<Client>,
    local: &mut LocalFiles,
) -> Run<ClientEvent> {
    let cancelled = RequestId(pick(seed.cancelled, &[1, 2, 3, 4]));
    let cancel = |client: &mut Bounded<Client>, step| {
        if seed.interferes_at(step) {
            client.machine.cancel(cancelled);
        }
    };
    if seed.checks_contract() {
        single.play_with(&mut ContractChecker(client), local, |checked, _, step| {
            cancel(&mut checked.0, step);
        })
    } else {
        single.play_with(&mut client, local, |client, _, step| cancel(client, step))
    }
}

/// Every request finishes once, and no event names it afterwards.
fn results<'a>(
    run: &'a Run<ClientEvent>,
    requests: &BTreeMap<RequestId, Request>,
) -> BTreeMap<RequestId, &'a Result<Summary, Failure>> {
    let mut results = BTreeMap::new();
    for event in &run.events {
        let id = match event {
            ClientEvent::Greeted(_) | ClientEvent::Lost(_) => continue,
            ClientEvent::Entry { id, .. }
            | ClientEvent::Info { id, .. }
            | ClientEvent::Grant { id, .. }
            | ClientEvent::Sending { id, .. }
            | ClientEvent::Progress { id, .. } => id,
            ClientEvent::Finished { id, result } => {
                assert!(results.insert(*id, result).is_none(), "{id:?} is finished twice");
                continue;
            }
        };
        assert!(!results.contains_key(id), "{event:?} comes after the end");
    }
    assert!(
        results.keys().eq(requests.keys()),
        "{results:?} is not an end for each of {requests:?}"
    );
    results
}

/// Every published file has the server's checksum, and every file that was reported as published is there.
fn check_targets(
    run: &Run<ClientEvent>,
    requests: &BTreeMap<RequestId, Request>,
    results: &BTreeMap<RequestId, &Result<Summary, Failure>>,
    targets: &MemoryFiles,
) {
    let mut files = targets.all();
    for (id, request) in requests {
        let Request::Download { path, .. } = request else { continue };
        let file = files.remove(path.as_str());
        match (results[id], file) {
            (Ok(summary), Some(data)) => {
                let announced = run.events.iter().find_map(|event| match event {
                    ClientEvent::Sending { id: begun, sending } if begun == id => {
                        Some(sending.length)
                    }
                    _ => None,
                });
                assert_eq!(announced, Some(data.len() as u64));
                assert_eq!(summary.length, announced);
                assert_eq!(summary.checksum, Some(Checksum::of(&data)));
            }
            (Ok(_), None) => panic!("{path:?} is said to be there"),
            // The file is published, but may not survive a power cut.
            (Err(Failure::Local(_)), _) | (Err(_), None) => {}
            (Err(failure), Some(_)) => panic!("{path:?} is there in spite of {failure:?}"),
        }
    }
    assert!(files.is_empty(), "{files:?} was never asked for");
}

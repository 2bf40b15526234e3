//! A client and a server together, under any schedule: every request ends once, and files are identical.

use std::collections::BTreeMap;
use std::sync::Arc;

use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::message::Summary;
use haul_core::server::{Server, ServerConfig};
use haul_core::{Depth, ErrorCode, FilePath, Limits, Mode, RequestId};
use haul_harness::{
    Abandoning, ContractChecker, Faults, LocalFiles, MemoryFiles, Pair, PassThrough, Standstill,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::sessions::shared;
use crate::strategies::{choices, few_cases};

pub(crate) const SOURCES: &[&str] = &["small", "none", "large", "tool", "missing"];
pub(crate) const SHARED: &[&str] = &["notes.txt", "empty", "photos/sea.jpg", "photos", "missing"];
/// The minimum size of socket buffers, by the rules of pipelining, and a few `ABORT`s.
pub(crate) const ROOM: usize = Limits::MAX_PIPELINED_BYTES + 512;

pub(crate) fn path(name: &str) -> FilePath {
    FilePath::parse(name).expect("a path")
}

pub(crate) fn local() -> LocalFiles {
    let large: Vec<u8> = (0..150_000_u32).map(|i| i.to_le_bytes()[i as usize % 3]).collect();
    let sources = MemoryFiles::new(false)
        .with_file("small", &b"a small file"[..])
        .with_file("none", &b""[..])
        .with_file("large", large)
        .with_program("tool", &b"#!"[..]);
    LocalFiles { sources, targets: MemoryFiles::new(true) }
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    let mode = select(vec![Mode::Replace, Mode::Create]);
    prop_oneof![
        any::<bool>().prop_map(|omitted| Request::List { path: None, depth: Depth::All, omitted }),
        Just(Request::List { path: Some(path("missing")), depth: Depth::ONE, omitted: false }),
        Just(Request::Help),
        (select(SHARED), 0..20_u64, option::of(0..40_000_u64), mode.clone()).prop_map(
            |(name, offset, length, mode)| {
                Request::Download { path: path(name), offset, length, mode, if_match: None }
            }
        ),
        (select(SOURCES), mode).prop_map(|(name, mode)| Request::Upload {
            path: path(name),
            mode,
            if_match: None
        }),
    ]
}

/// The configuration of both sides.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) choices: Vec<u8>,
    pub(crate) chunk: usize,
    pub(crate) pipeline: u64,
    pub(crate) max_data: u64,
    pub(crate) passing: bool,
    pub(crate) unknown_size: bool,
    pub(crate) early: bool,
}

pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (
        choices(),
        500..100_000_usize,
        prop_oneof![Just(1_u64), 1..5_u64, Just(64)],
        prop_oneof![500..2000_u64, Just(Limits::MAX_DATA)],
        flags,
    )
        .prop_map(|(choices, chunk, pipeline, max_data, (passing, unknown_size, early))| {
            Setup { choices, chunk, pipeline, max_data, passing, unknown_size, early }
        })
}

impl Setup {
    /// Files in a few chunks, pipelined, each of a known size.
    pub(crate) fn plain(choices: Vec<u8>) -> Self {
        let (chunk, pipeline, max_data) = (3000, 64, 9000);
        Self {
            choices,
            chunk,
            pipeline,
            max_data,
            passing: false,
            unknown_size: false,
            early: false,
        }
    }

    pub(crate) fn client(&self) -> Client {
        let limits = Limits { chunk: self.chunk, ..Limits::default() };
        Client::new(ClientConfig {
            limits,
            durable: true,
            pass_through: self.passing,
            early: self.early,
            ..ClientConfig::default()
        })
    }

    pub(crate) fn server(&self) -> Server {
        let limits = Limits {
            chunk: self.chunk / 2 + 1,
            pipeline: self.pipeline,
            max_data: self.max_data,
            list_batch: 2,
            ..Limits::default()
        };
        Server::new(Arc::new(ServerConfig {
            limits,
            pass_through: self.passing,
            ..ServerConfig::default()
        }))
    }

    fn faults(&self) -> Faults {
        Faults {
            pass_through: self.passing.then_some(PassThrough::WithChecksum),
            ..Faults::default()
        }
    }

    pub(crate) fn local(&self) -> LocalFiles {
        let local = local();
        let sources =
            local.sources.with_faults(Faults { unknown_size: self.unknown_size, ..self.faults() });
        LocalFiles { sources, ..local }
    }

    pub(crate) fn shared(&self) -> MemoryFiles {
        shared().with_faults(self.faults())
    }

    pub(crate) fn pair(&self, room: usize) -> Pair<'_, Client, Server> {
        Pair::new(self.client(), self.local(), self.server(), self.shared(), room, &self.choices)
    }
}

/// How each request ended; panics if one ended twice.
pub(crate) fn results(told: &[ClientEvent]) -> BTreeMap<RequestId, Result<Summary, Failure>> {
    let mut results = BTreeMap::new();
    for event in told {
        if let ClientEvent::Finished { id, result } = event {
            assert!(results.insert(*id, result.clone()).is_none(), "{id:?} ended twice");
        }
    }
    results
}

/// The code of a refusal, if the failure is one.
pub(crate) fn refusal(result: &Result<Summary, Failure>) -> Option<ErrorCode> {
    match result {
        Err(Failure::Refused(refusal)) => refusal.code(),
        _ => None,
    }
}

/// Whatever succeeded did what it says, as the files at the end show. Other requests may have written the same names,
/// so sources never change.
pub(crate) fn check_files(
    requests: &[Request],
    results: &BTreeMap<RequestId, Result<Summary, Failure>>,
    local: &LocalFiles,
    remote: &MemoryFiles,
) {
    let mut fetched: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (at, request) in requests.iter().enumerate() {
        let Some(Ok(summary)) = results.get(&RequestId(at as u64 + 1)) else { continue };
        match request {
            Request::Upload { path, .. } => {
                let source = local.sources.file(path.as_str()).expect("a source");
                assert_eq!(remote.file(path.as_str()), Some(source), "{path:?}");
                assert_eq!(summary.size, Some(source.len() as u64));
                assert_eq!(remote.is_executable(path.as_str()), path.as_str() == "tool");
            }
            Request::Download { path, offset, length, .. } => {
                // Uploads write other names.
                let whole = remote.file(path.as_str()).expect("a shared file");
                let rest = &whole[usize::try_from(*offset).expect("small")..];
                let length = length.map_or(rest.len(), |length| {
                    rest.len().min(usize::try_from(length).expect("small"))
                });
                fetched.entry(path.as_str()).or_default().push(rest[..length].to_vec());
            }
            _ => {}
        }
    }
    for (name, data) in local.targets.all() {
        let versions = fetched.get(name.as_str());
        assert!(
            versions.is_some_and(|versions| versions.iter().any(|version| version == &data)),
            "{name} is not what was sent"
        );
    }
}

fn expected(
    request: &Request,
    fetched: &mut Vec<FilePath>,
    stored: &mut Vec<FilePath>,
) -> Result<(), Option<ErrorCode>> {
    match request {
        Request::List { path: Some(_), .. } => Err(Some(ErrorCode::NotFound)),
        Request::List { path: None, .. } | Request::Help | Request::Exit => Ok(()),
        Request::Download { path, offset, mode, .. } => {
            let size = match path.as_str() {
                "photos" => return Err(Some(ErrorCode::IsDirectory)),
                "missing" => return Err(Some(ErrorCode::NotFound)),
                name => shared().file(name).expect("a shared file").len() as u64,
            };
            if *offset > size {
                return Err(Some(ErrorCode::BadRange));
            }
            if *mode == Mode::Create && fetched.contains(path) {
                return Err(None);
            }
            fetched.push(path.clone());
            Ok(())
        }
        Request::Upload { path, mode, .. } => {
            if path.as_str() == "missing" {
                return Err(None);
            }
            if *mode == Mode::Create && stored.contains(path) {
                return Err(Some(ErrorCode::Exists));
            }
            stored.push(path.clone());
            Ok(())
        }
        other => unreachable!("these properties never ask for {other:?}"),
    }
}

proptest! {
    /// Every request ends as it should, whatever the schedule.
    #[test]
    fn every_request_ends_once(requests in vec(request(), 0..12), setup in setup(), exit in any::<bool>()) {
        let mut requests = requests;
        if exit {
            requests.push(Request::Exit);
        }
        let mut pair = setup.pair(ROOM);
        for request in &requests {
            pair.client.request(request.clone());
        }
        let standstill = pair.play();
        prop_assert_eq!(standstill, if exit { Standstill::Over } else { Standstill::Idle });
        let results = results(&pair.client_events);
        prop_assert_eq!(results.len(), requests.len());
        let (mut fetched, mut stored) = (Vec::new(), Vec::new());
        for (request, result) in requests.iter().zip(results.values()) {
            match expected(request, &mut fetched, &mut stored) {
                Ok(()) => prop_assert!(result.is_ok(), "{:?} ended with {:?}", request, result),
                Err(Some(code)) => prop_assert_eq!(refusal(result), Some(code), "{:?}", request),
                Err(None) => prop_assert!(matches!(result, Err(Failure::Local(_))), "{:?} ended with {:?}", request, result),
            }
        }
        check_files(&requests, &results, &pair.local, &pair.shared);
        prop_assert!(!pair.local.has_open() && !pair.shared.has_open());
    }
}

proptest! {
    #![proptest_config(few_cases())]

    /// A single request needs almost no space on the way; several need what the rules of pipelining say.
    #[test]
    fn narrow_pipes_never_stick(requests in vec(request(), 0..12), setup in setup(), room in 256..600_usize) {
        let setup = Setup { pipeline: 1, ..setup };
        let mut pair = setup.pair(room);
        for request in &requests {
            pair.client.request(request.clone());
        }
        prop_assert_eq!(pair.play(), Standstill::Idle);
        prop_assert_eq!(results(&pair.client_events).len(), requests.len());
    }

    /// Long names fill the space that pipelining may use.
    #[test]
    fn long_lines_never_stick(names in vec(200..1000_usize, 20..70), setup in setup(), uploads in any::<bool>()) {
        let mut pair = setup.pair(ROOM);
        for (at, length) in names.iter().enumerate() {
            let name = vec!["\"".repeat(length / 4); 4].join("/");
            pair.client.request(Request::Download { path: path(&name), offset: 0, length: None, mode: Mode::Replace, if_match: None });
            if uploads && at % 16 == 0 {
                pair.client.request(Request::Upload { path: path("large"), mode: Mode::Replace, if_match: None });
            }
            let length = (at % 8 != 0).then_some(10);
            pair.client.request(Request::Download { path: path("photos/sea.jpg"), offset: 0, length, mode: Mode::Replace, if_match: None });
        }
        prop_assert_eq!(pair.play(), Standstill::Idle);
        let failed = results(&pair.client_events).values().filter(|result| refusal(result) == Some(ErrorCode::NotFound)).count();
        prop_assert_eq!(failed, names.len());
    }

    /// Clumsy transports on both sides change nothing.
    #[test]
    fn clumsy_transports_change_nothing(requests in vec(request(), 0..4), setup in setup()) {
        let (mut client, server) = (Abandoning(setup.client()), Abandoning(setup.server()));
        for request in &requests {
            client.0.request(request.clone());
        }
        let mut plain = Pair::new(client, setup.local(), server, setup.shared(), ROOM, &setup.choices);
        let (mut client, server) = (ContractChecker(setup.client()), ContractChecker(setup.server()));
        for request in &requests {
            client.0.request(request.clone());
        }
        let mut checked = Pair::new(client, setup.local(), server, setup.shared(), ROOM, &setup.choices);
        prop_assert_eq!(plain.play(), checked.play());
        prop_assert_eq!(plain.client_events, checked.client_events);
        prop_assert_eq!(plain.server_events, checked.server_events);
        prop_assert_eq!(plain.shared.all(), checked.shared.all());
        prop_assert_eq!(plain.local.targets.all(), checked.local.targets.all());
    }
}

/// A request after the end is answered too.
#[test]
fn a_request_after_the_end_ends() {
    let setup = Setup::plain(vec![]);
    let mut pair = setup.pair(ROOM);
    pair.client.request(Request::Exit);
    assert_eq!(pair.play(), Standstill::Over);
    let late = pair.client.request(Request::Help);
    pair.wake_client();
    assert_eq!(pair.play(), Standstill::Over);
    assert_eq!(results(&pair.client_events)[&late], Err(Failure::Ended));
}

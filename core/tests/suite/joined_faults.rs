//! A client and a server together with faults in the files of either side and in the connection.

use haul_core::client::{ClientEvent, Failure, Request};
use haul_core::{Mode, StoreErrorKind};
use haul_harness::{Change, Faults, LocalFiles, PassThrough};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::joined::{ROOM, check_files, path, request, results, setup};
use crate::strategies::few_cases;

fn kind() -> impl Strategy<Value = StoreErrorKind> {
    select(vec![
        StoreErrorKind::Io,
        StoreErrorKind::NoSpace,
        StoreErrorKind::Changed,
        StoreErrorKind::Denied,
    ])
}

/// The bytes after which each direction breaks; at least one does.
fn break_points() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    let at = prop_oneof![0..300_u64, 0..200_000_u64];
    prop_oneof![
        at.clone().prop_map(|up| (Some(up), None)),
        at.clone().prop_map(|down| (None, Some(down))),
        (at.clone(), at).prop_map(|(up, down)| (Some(up), Some(down))),
    ]
}

proptest! {
    /// Whichever effect fails on whichever side: every request ends once, nothing is left over, and what succeeded is
    /// correct.
    #[test]
    fn failing_files_fail_their_request(
        requests in vec(request(), 1..7),
        setup in setup(),
        source in option::of((0..40_usize, kind())),
        target in option::of((0..40_usize, kind())),
        server in option::of((0..60_usize, kind())),
    ) {
        let mut pair = setup.pair(ROOM);
        let pass_through = setup.passing.then_some(PassThrough::WithChecksum);
        let fail = |fail| Faults { fail, pass_through, unknown_size: setup.unknown_size, ..Faults::default() };
        let LocalFiles { sources, targets } = std::mem::take(&mut pair.local);
        pair.local = LocalFiles { sources: sources.with_faults(fail(source)), targets: targets.with_faults(fail(target)) };
        pair.shared = std::mem::take(&mut pair.shared).with_faults(Faults { unknown_size: false, ..fail(server) });
        for request in &requests {
            pair.client.request(request.clone());
        }
        pair.play();
        let results = results(&pair.client_events);
        prop_assert_eq!(results.len(), requests.len());
        // No other request overwrites a published upload here; an `outcome-unknown` has its name too.
        check_files_if_told(&requests, &results, &pair.local, &pair.shared);
        prop_assert!(!pair.local.has_open() && !pair.shared.has_open());
    }

    /// Wherever the connection breaks: every request ends once, both machines end, and no incomplete file has a name.
    #[test]
    fn a_broken_connection_ends_all(requests in vec(request(), 1..6), setup in setup(), (up, down) in break_points()) {
        let mut pair = setup.pair(ROOM);
        pair.break_after(up, down);
        for request in &requests {
            pair.client.request(request.clone());
        }
        pair.play();
        let results = results(&pair.client_events);
        prop_assert_eq!(results.len(), requests.len());
        check_files_if_told(&requests, &results, &pair.local, &pair.shared);
        prop_assert!(!pair.local.has_open() && !pair.shared.has_open());
        let lost = pair.client_events.iter().filter(|event| matches!(event, ClientEvent::Lost(_))).count();
        prop_assert!(lost <= 1);
    }
}

proptest! {
    #![proptest_config(few_cases())]

    /// A source that is truncated or written to while it is sent is never published.
    #[test]
    fn a_changing_source_is_not_published(setup in setup(), at in 0..150_000_u64, cut in any::<bool>()) {
        let change = if cut { Change::Cut } else { Change::Replaced };
        let mut pair = setup.pair(ROOM);
        let LocalFiles { sources, targets } = std::mem::take(&mut pair.local);
        let faults = Faults { change: Some((at, change)), pass_through: setup.passing.then_some(PassThrough::WithChecksum), ..Faults::default() };
        pair.local = LocalFiles { sources: sources.with_faults(faults), targets };
        let id = pair.client.request(Request::Upload { path: path("large"), mode: Mode::Replace, if_match: None });
        let help = pair.client.request(Request::Help);
        pair.play();
        let results = results(&pair.client_events);
        prop_assert!(results[&help].is_ok());
        match &results[&id] {
            // It was read before it changed.
            Ok(_) => prop_assert_eq!(pair.shared.file("large"), pair.local.sources.file("large")),
            Err(Failure::Local(error)) => {
                prop_assert_eq!(error.kind, StoreErrorKind::Changed);
                prop_assert_eq!(pair.shared.file("large"), None);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// As [`check_files`], but a download may have its name even if its request failed at the very last step.
fn check_files_if_told(
    requests: &[Request],
    results: &std::collections::BTreeMap<
        haul_core::RequestId,
        Result<haul_core::message::Summary, Failure>,
    >,
    local: &LocalFiles,
    shared: &haul_harness::MemoryFiles,
) {
    let published_late =
        local.targets.journal().iter().any(|record| record.name == "sync-directory" && !record.ok);
    if !published_late {
        check_files(requests, results, local, shared);
    }
}

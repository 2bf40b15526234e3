//! Cancelled requests: they end, and no other request is affected.

use haul_core::client::{ClientEvent, Failure, Request};
use haul_core::{Depth, ErrorCode, Mode, RequestId};
use haul_harness::Standstill;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::joined::{ROOM, Setup, check_files, path, refusal, request, results, setup};

proptest! {
    /// Requests that are cancelled at any moment end too, and the connection can still be used.
    #[test]
    fn cancelled_requests_end_and_harm_nobody(requests in vec(request(), 1..8), cancels in vec((0..300_usize, any::<Index>()), 1..5), setup in setup()) {
        let mut pair = setup.pair(ROOM);
        for request in &requests {
            pair.client.request(request.clone());
        }
        let mut cancelled = Vec::new();
        let mut step = 0;
        loop {
            for (_, index) in cancels.iter().filter(|(at, _)| *at == step) {
                let id = RequestId(index.index(requests.len()) as u64 + 1);
                pair.client.cancel(id);
                cancelled.push(id);
            }
            step += 1;
            if pair.step().is_some() {
                break;
            }
        }
        let last = pair.client.request(Request::Help);
        prop_assert_eq!(pair.play(), Standstill::Idle);
        let results = results(&pair.client_events);
        prop_assert_eq!(results.len(), requests.len() + 1);
        prop_assert!(results[&last].is_ok(), "{:?}", results[&last]);
        for (id, result) in &results {
            let given_up = cancelled.contains(id);
            let hit = matches!(result, Err(Failure::Cancelled))
                || refusal(result) == Some(ErrorCode::Aborted);
            prop_assert!(given_up || !hit, "{:?} ended with {:?}", id, result);
        }
        check_files(&requests, &results, &pair.local, &pair.shared);
        prop_assert!(!pair.local.has_open() && !pair.shared.has_open());
    }
}

/// An `ABORT` may hit commands behind the one that it is meant for: those are sent again, and nobody notices.
#[test]
fn an_abort_hits_nobody_else() {
    let fetch = |offset| Request::Download {
        path: path("photos/sea.jpg"),
        offset,
        length: Some(9000),
        mode: Mode::Replace,
        if_match: None,
    };
    let list = Request::List { path: None, depth: Depth::All, omitted: false };
    let requests = [fetch(0), list.clone(), fetch(1), fetch(2), Request::Help, list, fetch(3)];
    for choices in [&[][..], &[7, 100, 151]] {
        for (first, at) in (0..4).flat_map(|first| (0..200).step_by(5).map(move |at| (first, at))) {
            let setup = Setup::plain(choices.to_vec());
            let mut pair = setup.pair(ROOM);
            let ids: Vec<RequestId> =
                requests.iter().map(|request| pair.client.request(request.clone())).collect();
            for _ in 0..at {
                if pair.step().is_some() {
                    break;
                }
            }
            pair.client.cancel(ids[first]);
            assert_eq!(pair.play(), Standstill::Idle);
            let ended = pair.client_events.iter().filter_map(|event| match event {
                ClientEvent::Finished { id, .. } if *id != ids[first] => Some(*id),
                _ => None,
            });
            assert!(ended.is_sorted(), "{first} at {at}: {:?}", pair.client_events);
            for (id, result) in results(&pair.client_events) {
                assert!(result.is_ok() || id == ids[first], "{first} at {at}: {id:?} {result:?}");
                let told = pair.client_events.iter().filter(
                    |event| matches!(event, ClientEvent::Entry { id: listed, .. } if *listed == id),
                );
                let listed = result.ok().and_then(|summary| summary.entries);
                assert!(listed.is_none_or(|entries| entries == told.count() as u64));
            }
            assert!(!pair.local.has_open() && !pair.shared.has_open());
        }
    }
}

/// An `EXIT` for later survives the `ABORT` of an earlier request.
#[test]
fn a_goodbye_survives_an_abort_before_it() {
    for at in 0..60 {
        let setup = Setup::plain(vec![0, 1, 100]);
        let mut pair = setup.pair(ROOM);
        let download = pair.client.request(Request::Download {
            path: path("photos/sea.jpg"),
            offset: 0,
            length: None,
            mode: Mode::Replace,
            if_match: None,
        });
        let exit = pair.client.request(Request::Exit);
        for _ in 0..at {
            assert!(pair.step().is_none());
        }
        pair.client.cancel(download);
        assert_eq!(pair.play(), Standstill::Over);
        let results = results(&pair.client_events);
        assert!(results[&exit].is_ok(), "cancelled at {at}: {:?}", results[&exit]);
        assert!(!pair.client_events.iter().any(|event| matches!(event, ClientEvent::Lost(_))));
    }
}

/// The end of a cancelled request is reported at once, even if nothing else is requested or happens.
#[test]
fn a_cancel_is_answered_without_another_request() {
    let fetch = Request::Download {
        path: path("photos/sea.jpg"),
        offset: 0,
        length: None,
        mode: Mode::Replace,
        if_match: None,
    };
    for choices in [&[][..], &[7, 100, 151]] {
        for at in 0..120 {
            let setup = Setup::plain(choices.to_vec());
            let mut pair = setup.pair(ROOM);
            let id = pair.client.request(fetch.clone());
            for _ in 0..at {
                if pair.step().is_some() {
                    break;
                }
            }
            pair.client.cancel(id);
            assert_eq!(pair.play(), Standstill::Idle);
            assert!(results(&pair.client_events).contains_key(&id), "cancelled at step {at}");
        }
    }
}

/// A request that an `ABORT` stopped by accident is sent again before anything that was requested later, especially an
/// `EXIT`.
#[test]
fn nothing_overtakes_what_an_abort_has_hit() {
    let fetch = |offset| Request::Download {
        path: path("photos/sea.jpg"),
        offset,
        length: None,
        mode: Mode::Replace,
        if_match: None,
    };
    for choices in [&[][..], &[7, 100, 151]] {
        for at in 0..200 {
            let setup = Setup { pipeline: 2, ..Setup::plain(choices.to_vec()) };
            let mut pair = setup.pair(ROOM);
            let first = pair.client.request(fetch(u64::MAX >> 1));
            pair.client.request(fetch(0));
            pair.client.request(Request::Exit);
            for _ in 0..at {
                if pair.step().is_some() {
                    break;
                }
            }
            pair.client.cancel(first);
            assert_eq!(pair.play(), Standstill::Over);
            let results = results(&pair.client_events);
            let later = results.iter().filter(|(id, _)| **id != first);
            for (id, result) in later {
                assert!(result.is_ok(), "cancelled at step {at}: {id:?} ended with {result:?}");
            }
        }
    }
}

//! Effects on what a session has open.

use std::sync::Arc;

use bytes::Bytes;
use haul_core::{Checksum, Depth, Done, Effect, Mode, RequestId, StoreErrorKind};
use haul_store::{Directory, Perform, Session};

use crate::support::{Share, path};

const ID: RequestId = RequestId(1);

fn session(share: &Share) -> Session<Directory> {
    Session::new(Arc::new(share.store.clone()))
}

pub(crate) fn create(name: &str) -> Effect {
    Effect::Create {
        id: ID,
        path: path(name),
        mode: Mode::Replace,
        size: None,
        modified: None,
        executable: false,
        durable: false,
    }
}

pub(crate) fn open(name: &str) -> Effect {
    Effect::Open { id: ID, path: path(name) }
}

/// The whole file was sent, and had these bytes.
pub(crate) fn finish_reading(content: &[u8]) -> Effect {
    let checksum = Checksum::of(content);
    Effect::FinishReading { offset: 0, length: content.len() as u64, checksum }
}

pub(crate) fn list() -> Effect {
    Effect::List { id: ID, path: None, depth: Depth::ONE, omitted: false }
}

pub(crate) fn write() -> Effect {
    Effect::Write { offset: 0, data: Bytes::from_static(b"hello") }
}

pub(crate) fn publish() -> Effect {
    Effect::Publish { checksum: Checksum::of(b"hello") }
}

#[test]
fn an_upload_a_listing_and_a_download() {
    let share = Share::new();
    let mut session = session(&share);
    let mut perform = |effect: Effect| session.perform(&effect).unwrap();
    assert_eq!(perform(create("file")), Done::Started);
    assert_eq!(perform(write()), Done::Written);
    assert_eq!(perform(Effect::Sync { files: 1 }), Done::Synced);
    assert_eq!(perform(publish()), Done::Published);
    assert_eq!(perform(Effect::SyncDirectory), Done::Synced);

    assert_eq!(perform(list()), Done::Started);
    let Done::Entries { entries, skipped: 0 } = perform(Effect::NextEntries { max: 8 }) else {
        panic!("entries")
    };
    assert_eq!(entries[0].path(), Some(&path("file")));
    let end = Done::Entries { entries: Vec::new(), skipped: 0 };
    assert_eq!(perform(Effect::NextEntries { max: 8 }), end);

    let Done::Opened(opened) = perform(open("file")) else { panic!("opened") };
    assert_eq!(opened.size, Some(5));
    let data = Done::Read(Bytes::from_static(b"hel"));
    assert_eq!(perform(Effect::Read { offset: 0, length: 3 }), data);
    assert_eq!(perform(finish_reading(b"hello")), Done::Finished);
    assert_eq!(perform(Effect::Discard), Done::Discarded);
}

#[test]
fn a_server_that_is_not_durable_goes_on_after_publication() {
    let share = Share::new();
    for next in [create("other"), open("file"), list(), Effect::Discard] {
        let mut session = session(&share);
        for effect in [create("file"), write(), publish(), next] {
            session.perform(&effect).unwrap();
        }
        drop(session);
        assert_eq!(share.read("file").unwrap(), b"hello");
        assert!(share.staged().is_empty());
    }
}

#[test]
fn an_effect_that_does_not_fit_changes_nothing() {
    let share = Share::new();
    share.put("file", "hello");
    let finish = || finish_reading(b"hello");
    let read = || Effect::Read { offset: 0, length: 1 };
    let reads = || vec![list(), open("file")];
    let begin = || [reads(), vec![create("new")]].concat();
    let two = || vec![Effect::Sync { files: 0 }, Effect::Sync { files: 2 }];
    let listing = || vec![Effect::NextEntries { max: 1 }];
    let reading = || vec![read(), finish()];
    let writing = || vec![write(), Effect::Sync { files: 1 }, publish()];
    let naming = || vec![Effect::SyncDirectory];

    let misfits = [
        (vec![], [listing(), reading(), writing(), naming()].concat()),
        (vec![list()], [begin(), reading(), writing(), naming()].concat()),
        (vec![open("file")], [begin(), listing(), writing(), naming()].concat()),
        (vec![create("new")], [reads(), listing(), reading(), naming(), two()].concat()),
        (vec![create("new"), publish()], [listing(), reading(), writing()].concat()),
    ];
    for (before, effects) in misfits {
        let mut session = session(&share);
        for effect in &before {
            session.perform(effect).unwrap();
        }
        for effect in effects {
            let error = session.perform(&effect).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Io, "{effect:?} after {before:?}");
        }
        // What was open is open still.
        let fits = match before.last() {
            None => list(),
            Some(Effect::List { .. }) => Effect::NextEntries { max: 1 },
            Some(Effect::Open { .. }) => finish(),
            Some(Effect::Create { .. }) => write(),
            Some(_) => Effect::SyncDirectory,
        };
        session.perform(&fits).unwrap();
    }
}

#[test]
fn what_is_open_is_shown() {
    let share = Share::new();
    share.put("file", "hello");
    let mut session = session(&share);
    let mut shown = |effect: &Effect| {
        session.perform(effect).unwrap();
        format!("{session:?}")
    };
    assert_eq!(shown(&create("new")), r#"Session { open: "staged", .. }"#);
    assert_eq!(shown(&publish()), r#"Session { open: "published", .. }"#);
    assert_eq!(shown(&open("file")), r#"Session { open: "source", .. }"#);
    assert_eq!(shown(&Effect::Discard), r#"Session { open: "nothing", .. }"#);
    assert_eq!(shown(&list()), r#"Session { open: "listing", .. }"#);
}

#[test]
fn failures_leave_nothing_open() {
    let share = Share::new();
    share.put("file", "hello");
    let mut session = session(&share);
    for effect in [open("missing"), create("file/below")] {
        session.perform(&effect).unwrap_err();
    }
    session.perform(&open("file")).unwrap();
    share.put("file", "cut");
    let changed = session.perform(&finish_reading(b"hello")).unwrap_err();
    assert_eq!(changed.kind, StoreErrorKind::Changed);
    session.perform(&list()).unwrap();
}

#[test]
fn a_session_that_ends_discards() {
    let share = Share::new();
    for discard in [true, false] {
        let mut session = session(&share);
        session.perform(&create("file")).unwrap();
        session.perform(&write()).unwrap();
        assert_eq!(share.staged().len(), 1);
        if discard {
            session.perform(&Effect::Discard).unwrap();
            session.perform(&Effect::Discard).unwrap();
        } else {
            drop(session);
        }
        assert!(share.staged().is_empty());
    }
    assert_eq!(share.read("file"), Err(StoreErrorKind::NotFound));
}

/// Files that are committed together: all or none of the syncs, each name for itself, and what is not whole yet stays as it is.
#[test]
fn several_files_are_committed_together() {
    let share = Share::new();
    share.put("taken", "old");
    let mut session = session(&share);
    let mut perform = |effect: Effect| session.perform(&effect);
    for name in ["a", "d/b", "taken", "d/c"] {
        assert_eq!(perform(create(name)), Ok(Done::Started));
        perform(write()).unwrap();
    }
    std::fs::remove_file(share.root().join("taken")).unwrap();
    std::fs::create_dir(share.root().join("taken")).unwrap();
    assert_eq!(perform(create("unfinished")), Ok(Done::Started));

    assert_eq!(perform(Effect::Sync { files: 4 }), Ok(Done::Synced));
    let published = [(); 4].map(|()| perform(publish()).map_err(|error| error.kind));
    let fails = Err(StoreErrorKind::IsDirectory);
    assert_eq!(published, [Ok(Done::Published), Ok(Done::Published), fails, Ok(Done::Published)]);
    assert_eq!(perform(Effect::SyncDirectory), Ok(Done::Synced));
    for name in ["a", "d/b", "d/c"] {
        assert_eq!(share.read(name).unwrap(), b"hello");
    }

    assert_eq!(share.staged().len(), 1);
    perform(write()).unwrap();
    for effect in [Effect::Sync { files: 1 }, publish(), Effect::SyncDirectory] {
        perform(effect).unwrap();
    }
    assert_eq!(share.read("unfinished").unwrap(), b"hello");
    assert!(share.staged().is_empty());
}

/// What is discarded is the newest, which is not whole.
#[test]
fn those_before_an_abandoned_one_stay() {
    let share = Share::new();
    let mut session = session(&share);
    let effects = [create("a"), write(), create("b"), write(), Effect::Discard];
    let commit = [Effect::Sync { files: 1 }, publish(), Effect::SyncDirectory];
    for effect in effects.iter().chain(&commit) {
        session.perform(effect).unwrap();
    }
    assert_eq!(share.read("a").unwrap(), b"hello");
    assert_eq!(share.read("b"), Err(StoreErrorKind::NotFound));
}

/// However many sessions have files waiting, descriptors are left: the next file is told to wait.
#[test]
fn waiting_files_leave_descriptors() {
    let share = Share::new();
    let mut sessions = Vec::new();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap();
    let most = usize::try_from(limit).unwrap() / 4;
    let mut waiting = 0;
    let full = 'all: loop {
        let mut session = session(&share);
        for number in 0..1000 {
            match session.perform(&create(&number.to_string())).unwrap() {
                Done::Started if number == 0 => {}
                Done::Started => waiting += 1,
                other => break 'all (session, other),
            }
            assert!(2 * waiting <= most, "{waiting} files wait");
        }
        sessions.push(session);
    };
    assert_eq!(full.1, Done::Full);
    // One file a session there is always room for.
    assert_eq!(session(&share).perform(&create("other")), Ok(Done::Started));
    drop(sessions.pop());
    let mut session = full.0;
    assert_eq!(session.perform(&create("next")), Ok(Done::Started));
}

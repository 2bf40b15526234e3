//! Effects on the open files of a session.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use haul_core::{Checksum, Depth, Done, Effect, Handle, RequestId, StoreError, StoreErrorKind};
use haul_store::{Directory, Identity, Perform, Session, StoreProvider};

use crate::support::{Share, new_file, path};

const ID: RequestId = RequestId(1);
/// The handle of all effects here, unless they are made [`of`] another.
pub(crate) const HANDLE: Handle = Handle(1);

pub(crate) fn session(share: &Share) -> Session<Directory> {
    Session::new(Arc::new(share.store.clone()), Identity::nobody())
}

/// The same effect for another handle.
pub(crate) fn of(number: u64, mut effect: Effect) -> Effect {
    match &mut effect {
        Effect::List { handle, .. }
        | Effect::NextEntries { handle, .. }
        | Effect::Open { handle, .. }
        | Effect::Read { handle, .. }
        | Effect::PrepareSend { handle, .. }
        | Effect::FinishReading { handle, .. }
        | Effect::Create { handle, .. }
        | Effect::Write { handle, .. }
        | Effect::WriteReceived { handle, .. }
        | Effect::Publish { handle, .. }
        | Effect::Copy { to: handle, .. }
        | Effect::Delete { handle, .. }
        | Effect::MakeDirectory { handle, .. }
        | Effect::Move { handle, .. }
        | Effect::Close { handle }
        | Effect::Discard { handle } => *handle = Handle(number),
        Effect::Sync { handles } | Effect::SyncDirectories { handles } => {
            *handles = vec![Handle(number)];
        }
        Effect::Identify { .. } | Effect::WhoAmI { .. } => {}
    }
    effect
}

pub(crate) fn create(name: &str) -> Effect {
    Effect::Create { handle: HANDLE, id: ID, file: new_file(name) }
}

pub(crate) fn open(name: &str) -> Effect {
    Effect::Open { handle: HANDLE, id: ID, path: path(name) }
}

/// The whole file was sent, with these bytes.
pub(crate) fn finish_reading(content: &[u8]) -> Effect {
    let checksum = Checksum::of(content);
    let length = content.len() as u64;
    Effect::FinishReading { handle: HANDLE, offset: 0, length, checksum }
}

pub(crate) fn list() -> Effect {
    Effect::List { handle: HANDLE, id: ID, path: None, depth: Depth::ONE, omitted: false }
}

pub(crate) fn write() -> Effect {
    Effect::Write { handle: HANDLE, offset: 0, data: Bytes::from_static(b"hello") }
}

pub(crate) fn publish() -> Effect {
    Effect::Publish { handle: HANDLE, checksum: Checksum::of(b"hello") }
}

pub(crate) fn next_entries(max: usize) -> Effect {
    Effect::NextEntries { handle: HANDLE, max }
}

pub(crate) fn read(length: usize) -> Effect {
    Effect::Read { handle: HANDLE, offset: 0, length }
}

pub(crate) fn sync() -> Effect {
    Effect::Sync { handles: vec![HANDLE] }
}

pub(crate) fn sync_directories() -> Effect {
    Effect::SyncDirectories { handles: vec![HANDLE] }
}

pub(crate) fn close() -> Effect {
    Effect::Close { handle: HANDLE }
}

pub(crate) fn discard() -> Effect {
    Effect::Discard { handle: HANDLE }
}

#[test]
fn an_upload_a_listing_and_a_download() {
    let share = Share::new();
    let mut session = session(&share);
    let mut perform = |effect: Effect| session.perform(&effect).unwrap();
    assert_eq!(perform(create("file")), Done::Started);
    assert_eq!(perform(write()), Done::Written);
    assert_eq!(perform(sync()), Done::Synced);
    let Done::Published { version } = perform(publish()) else { panic!("published") };
    assert_eq!(perform(sync_directories()), Done::Synced);

    assert_eq!(perform(list()), Done::Started);
    let Done::Entries { entries, skipped: 0 } = perform(next_entries(8)) else { panic!("entries") };
    assert_eq!(entries[0].path(), Some(&path("file")));
    let end = Done::Entries { entries: Vec::new(), skipped: 0 };
    assert_eq!(perform(next_entries(8)), end);

    let Done::Opened(opened) = perform(open("file")) else { panic!("opened") };
    assert_eq!((opened.size, opened.version), (Some(5), version));
    assert!(version.is_some());
    let data = Done::Read(Bytes::from_static(b"hel"));
    assert_eq!(perform(read(3)), data);
    assert_eq!(perform(finish_reading(b"hello")), Done::Finished);
}

#[test]
fn a_server_that_is_not_durable_goes_on_after_publication() {
    let share = Share::new();
    for next in [of(2, create("other")), of(2, open("file")), of(2, list()), close()] {
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
    let begin = || vec![list(), open("file"), create("new")];
    let sets = || {
        [vec![], vec![HANDLE, HANDLE], vec![HANDLE, Handle(2)]].into_iter().flat_map(|handles| {
            let again = handles.clone();
            [Effect::Sync { handles }, Effect::SyncDirectories { handles: again }]
        })
    };
    let listing = || vec![next_entries(1)];
    let reading = || vec![read(1), finish()];
    let writing = || vec![write(), sync(), publish(), discard()];
    let naming = || vec![sync_directories()];
    let closing = || vec![close()];

    let misfits = [
        (vec![], [listing(), reading(), writing(), naming(), closing()].concat()),
        (vec![list()], [begin(), reading(), writing(), naming()].concat()),
        (vec![open("file")], [begin(), listing(), writing(), naming()].concat()),
        (vec![create("new")], [begin(), listing(), reading(), naming(), closing()].concat()),
        (vec![create("new"), publish()], [begin(), listing(), reading(), writing()].concat()),
    ];
    let all = || [listing(), reading(), writing(), naming(), closing()].concat();
    for (before, effects) in misfits {
        let mut session = session(&share);
        for effect in &before {
            session.perform(effect).unwrap();
        }
        let elsewhere = all().into_iter().map(|effect| of(2, effect));
        for effect in effects.into_iter().chain(elsewhere).chain(sets()) {
            let error = session.perform(&effect).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Io, "{effect:?} after {before:?}");
        }
        // What was open is still open.
        let fits = match before.last() {
            None => list(),
            Some(Effect::List { .. }) => next_entries(1),
            Some(Effect::Open { .. }) => finish(),
            Some(Effect::Create { .. }) => write(),
            Some(_) => sync_directories(),
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
    assert_eq!(shown(&create("new")), r#"Session { open: {Handle(1): "staged"}, .. }"#);
    assert_eq!(shown(&publish()), r#"Session { open: {Handle(1): "published"}, .. }"#);
    assert_eq!(
        shown(&of(2, open("file"))),
        r#"Session { open: {Handle(1): "published", Handle(2): "source"}, .. }"#
    );
    assert_eq!(shown(&close()), r#"Session { open: {Handle(2): "source"}, .. }"#);
    assert_eq!(shown(&of(2, close())), "Session { open: {}, .. }");
    assert_eq!(shown(&list()), r#"Session { open: {Handle(1): "listing"}, .. }"#);
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
    for discards in [true, false] {
        let mut session = session(&share);
        session.perform(&create("file")).unwrap();
        session.perform(&write()).unwrap();
        assert_eq!(share.staged().len(), 1);
        if discards {
            assert_eq!(session.perform(&discard()), Ok(Done::Discarded));
            session.perform(&discard()).unwrap_err();
        } else {
            drop(session);
        }
        assert!(share.staged().is_empty());
    }
    assert_eq!(share.read("file"), Err(StoreErrorKind::NotFound));
}

/// Files that are committed together: all or none of the syncs, each name for itself, and incomplete files stay as they
/// are.
#[test]
fn several_files_are_committed_together() {
    let share = Share::new();
    share.put("taken", "old");
    let mut session = session(&share);
    let mut perform = |effect: Effect| session.perform(&effect);
    for (number, name) in [(1, "a"), (2, "d/b"), (3, "taken"), (4, "d/c")] {
        assert_eq!(perform(of(number, create(name))), Ok(Done::Started));
        perform(of(number, write())).unwrap();
    }
    std::fs::remove_file(share.root().join("taken")).unwrap();
    std::fs::create_dir(share.root().join("taken")).unwrap();
    assert_eq!(perform(of(5, create("unfinished"))), Ok(Done::Started));

    let handles = vec![Handle(1), Handle(2), Handle(3), Handle(4)];
    assert_eq!(perform(Effect::Sync { handles }), Ok(Done::Synced));
    let published = [1, 2, 3, 4].map(|number| perform(of(number, publish())));
    let published = published.map(|done| done.map(|done| done.name()).map_err(|error| error.kind));
    let fails = Err(StoreErrorKind::IsDirectory);
    assert_eq!(published, [Ok("published"), Ok("published"), fails, Ok("published")]);
    let handles = vec![Handle(1), Handle(2), Handle(4)];
    assert_eq!(perform(Effect::SyncDirectories { handles }), Ok(Done::Synced));
    for name in ["a", "d/b", "d/c"] {
        assert_eq!(share.read(name).unwrap(), b"hello");
    }

    assert_eq!(share.staged().len(), 1);
    for effect in [write(), sync(), publish(), sync_directories()] {
        perform(of(5, effect)).unwrap();
    }
    assert_eq!(share.read("unfinished").unwrap(), b"hello");
    assert!(share.staged().is_empty());
}

/// An effect discards the file that it names.
#[test]
fn those_before_an_abandoned_one_stay() {
    let share = Share::new();
    let mut session = session(&share);
    let effects = [create("a"), write(), of(2, create("b")), of(2, write()), of(2, discard())];
    let commit = [sync(), publish(), sync_directories()];
    for effect in effects.iter().chain(&commit) {
        session.perform(effect).unwrap();
    }
    assert_eq!(share.read("a").unwrap(), b"hello");
    assert_eq!(share.read("b"), Err(StoreErrorKind::NotFound));
}

/// A session gets its store when it needs it, and asks again if that failed.
#[test]
fn a_session_gets_its_store_at_its_first_effect() {
    struct Late(Share, Mutex<Vec<Result<(), StoreErrorKind>>>);
    impl StoreProvider for Late {
        type Store = Directory;

        fn store_for(
            self: &Arc<Self>,
            identity: &Identity,
        ) -> Result<Arc<Self::Store>, StoreError> {
            assert_eq!(*identity, Identity::nobody());
            let next = self.1.lock().unwrap().pop().expect("it is asked no more");
            next.map_err(|kind| StoreError::new(kind, "not yet"))?;
            Ok(Arc::new(self.0.store.clone()))
        }
    }
    let late = Arc::new(Late(Share::new(), Mutex::default()));
    let mut session = Session::new(Arc::clone(&late), Identity::nobody());
    *late.1.lock().unwrap() = vec![Ok(()), Err(StoreErrorKind::Denied)];
    assert_eq!(session.perform(&create("a")).unwrap_err().kind, StoreErrorKind::Denied);
    for effect in [create("a"), write(), publish(), of(2, list())] {
        session.perform(&effect).unwrap();
    }
    assert_eq!(late.0.read("a").unwrap(), b"hello");
}

/// However many sessions have files waiting, descriptors are left: the next file has to wait.
#[test]
fn waiting_files_leave_descriptors() {
    let share = Share::new();
    let mut sessions = Vec::new();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap();
    let most = usize::try_from(limit).unwrap() / 4;
    let mut waiting = 0;
    let full = 'all: loop {
        let mut session = session(&share);
        for number in 0..1000_u64 {
            match session.perform(&of(number, create(&number.to_string()))).unwrap() {
                Done::Started if number == 0 => {}
                Done::Started => waiting += 1,
                other => break 'all (session, other),
            }
            assert!(2 * waiting <= most, "{waiting} files wait");
        }
        sessions.push(session);
    };
    assert_eq!(full.1, Done::Full);
    // There is always room for one file per session.
    assert_eq!(session(&share).perform(&create("other")), Ok(Done::Started));
    drop(sessions.pop());
    let mut session = full.0;
    assert_eq!(session.perform(&of(1000, create("next"))), Ok(Done::Started));
}

//! Effects on a client's own files.

use std::fs;
use std::io::Cursor;

use bytes::Bytes;
use haul_core::{Done, Effect, Opened, RequestId, StoreErrorKind};
use haul_store::{FilesById, LocalTarget, OwnFiles, Perform, StreamSource};
use tempfile::TempDir;

use crate::session::{create, finish_reading, list, open, publish, write};
use crate::support::staged_in;

fn source() -> OwnFiles {
    OwnFiles::Source(Box::new(StreamSource::new(Cursor::new(b"hello"), "standard input")))
}

fn target(directory: &TempDir) -> OwnFiles {
    let target = LocalTarget::new(directory.path().join("mine"), true).unwrap();
    OwnFiles::Target(Box::new(target))
}

/// What is open, as a log shows it.
fn shown(files: &OwnFiles) -> String {
    format!("{files:?}")
}

#[test]
fn an_upload_reads_what_the_user_gave() {
    let mut files = source();
    let mut perform = |effect| files.perform(&effect).unwrap();
    let unknown = Opened::default();
    assert_eq!(perform(open("named/by/the/server")), Done::Opened(unknown));
    let data = Done::Read(Bytes::from_static(b"hel"));
    assert_eq!(perform(Effect::Read { offset: 0, length: 3 }), data);
    assert_eq!(perform(finish_reading(b"hello")), Done::Finished);
    assert_eq!(shown(&files), "Nothing");
}

#[test]
fn a_download_goes_where_the_user_said() {
    let directory = TempDir::new().unwrap();
    let mut files = target(&directory);
    let mut perform = |effect| files.perform(&effect).unwrap();
    assert_eq!(perform(create("named/by/the/server")), Done::Started);
    assert_eq!(perform(write()), Done::Written);
    assert_eq!(perform(Effect::Sync { files: 1 }), Done::Synced);
    assert_eq!(perform(publish()), Done::Published);
    assert_eq!(perform(Effect::SyncDirectory), Done::Synced);
    assert_eq!(shown(&files), "Nothing");
    assert_eq!(fs::read(directory.path().join("mine")).unwrap(), b"hello");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_discarded_is_closed() {
    let directory = TempDir::new().unwrap();
    let mut files = target(&directory);
    files.perform(&create("file")).unwrap();
    assert_eq!(staged_in(directory.path()).len(), 1);
    for _ in 0..2 {
        assert_eq!(files.perform(&Effect::Discard).unwrap(), Done::Discarded);
        assert_eq!(shown(&files), "Target", "a download may begin anew");
    }
    assert_eq!(staged_in(directory.path()).len(), 0);
    let mut files = source();
    files.perform(&Effect::Discard).unwrap();
    assert_eq!(shown(&files), "Nothing");
}

#[test]
fn an_effect_that_does_not_fit_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let mut staged = target(&directory);
    staged.perform(&create("file")).unwrap();
    let reading =
        || vec![open("x"), Effect::Read { offset: 0, length: 1 }, finish_reading(b"hello")];
    let beginning = || vec![create("x")];
    let writing = || vec![write(), Effect::Sync { files: 1 }, publish(), Effect::SyncDirectory];
    let listing = || vec![list(), Effect::NextEntries { max: 1 }];

    for (name, mut files, misfits) in [
        ("Nothing", OwnFiles::Nothing, [reading(), beginning(), writing(), listing()].concat()),
        ("Source", source(), [beginning(), writing(), listing()].concat()),
        ("Target", target(&directory), [reading(), writing(), listing()].concat()),
        ("Staged", staged, [reading(), beginning(), listing()].concat()),
    ] {
        for effect in misfits {
            let error = files.perform(&effect).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Io, "{effect:?} with {name}");
        }
        assert_eq!(shown(&files), name);
    }
}

#[test]
fn each_request_has_its_own_files() {
    let directory = TempDir::new().unwrap();
    let mut files = FilesById::default();
    let waiting = files.waiting();
    let id = |effect: Effect, number| match effect {
        Effect::Open { path, .. } => Effect::Open { id: RequestId(number), path },
        Effect::Create { path, mode, size, modified, executable, durable, .. } => Effect::Create {
            id: RequestId(number),
            path,
            mode,
            size,
            modified,
            executable,
            durable,
        },
        other => other,
    };
    waiting.give(RequestId(1), source());
    waiting.give(RequestId(2), target(&directory));
    let mut perform = |effect| files.perform(&effect);
    // Downloads that are stopped begin anew, whatever was done in between.
    for _ in 0..2 {
        assert_eq!(perform(id(create("x"), 2)), Ok(Done::Started));
        assert_eq!(perform(write()), Ok(Done::Written));
        assert_eq!(perform(Effect::Discard), Ok(Done::Discarded));
    }
    assert!(matches!(perform(id(open("x"), 1)), Ok(Done::Opened(_))));
    assert_eq!(perform(Effect::Discard), Ok(Done::Discarded));
    assert!(perform(id(open("x"), 1)).is_err(), "a source is read once");
    assert!(perform(id(create("x"), 3)).is_err(), "nobody gave these");
    assert_eq!(perform(id(create("x"), 2)), Ok(Done::Started));
    assert_eq!(perform(write()), Ok(Done::Written));
    assert_eq!(perform(publish()), Ok(Done::Published));
    assert!(waiting.take(RequestId(2)).is_none());
    assert_eq!(fs::read(directory.path().join("mine")).unwrap(), b"hello");
}

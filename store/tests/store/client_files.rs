//! Effects on a client's files.

use std::fs;
use std::io::Cursor;

use bytes::Bytes;
use haul_core::{Done, Effect, Opened, RequestId, StoreErrorKind};
use haul_store::{ClientFiles, FilesById, LocalTarget, Perform, StreamSource};
use tempfile::TempDir;

use crate::session::{
    close, create, discard, finish_reading, list, next_entries, of, open, publish, read, sync,
    sync_directories, write,
};
use crate::support::staged_in;

fn source() -> ClientFiles {
    ClientFiles::Source(Box::new(StreamSource::new(Cursor::new(b"hello"), "standard input")))
}

fn target(directory: &TempDir) -> ClientFiles {
    let target = LocalTarget::new(directory.path().join("mine"), true).unwrap();
    ClientFiles::Target(Box::new(target))
}

/// Files with these waiting for the first request.
fn files(own: ClientFiles) -> FilesById {
    let files = FilesById::default();
    files.waiting().give(RequestId(1), own);
    files
}

/// The open and waiting files, as a log shows them.
fn shown(files: &FilesById) -> String {
    format!("{files:?}")
}

const NOTHING: &str =
    "FilesById { waiting: Waiting(Mutex { data: {}, poisoned: false, .. }), open: {} }";
const TARGET: &str = "FilesById { waiting: Waiting(Mutex { data: {RequestId(1): Target}, poisoned: false, .. }), open: {} }";

#[test]
fn an_upload_reads_what_the_user_gave() {
    let mut files = files(source());
    let mut perform = |effect| files.perform(&effect).unwrap();
    let unknown = Opened::default();
    assert_eq!(perform(open("named/by/the/server")), Done::Opened(unknown));
    let data = Done::Read(Bytes::from_static(b"hel"));
    assert_eq!(perform(read(3)), data);
    assert_eq!(perform(finish_reading(b"hello")), Done::Finished);
    assert_eq!(shown(&files), NOTHING);
}

#[test]
fn a_download_goes_where_the_user_said() {
    let directory = TempDir::new().unwrap();
    let mut files = files(target(&directory));
    let mut perform = |effect| files.perform(&effect).unwrap();
    assert_eq!(perform(create("named/by/the/server")), Done::Started);
    assert_eq!(perform(write()), Done::Written);
    assert_eq!(perform(sync()), Done::Synced);
    assert_eq!(perform(publish()), Done::Published { version: None });
    assert_eq!(perform(sync_directories()), Done::Synced);
    assert_eq!(shown(&files), NOTHING);
    assert_eq!(fs::read(directory.path().join("mine")).unwrap(), b"hello");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_discarded_is_closed() {
    let directory = TempDir::new().unwrap();
    let mut own = files(target(&directory));
    own.perform(&create("file")).unwrap();
    assert_eq!(staged_in(directory.path()).len(), 1);
    assert_eq!(own.perform(&discard()).unwrap(), Done::Discarded);
    own.perform(&discard()).unwrap_err();
    assert_eq!(shown(&own), TARGET, "a download may begin anew");
    assert_eq!(staged_in(directory.path()).len(), 0);
    let mut own = files(source());
    own.perform(&open("file")).unwrap();
    assert_eq!(own.perform(&close()), Ok(Done::Closed));
    assert_eq!(shown(&own), NOTHING);
}

#[test]
fn an_effect_that_does_not_fit_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let reading = || vec![open("x"), read(1), finish_reading(b"hello")];
    let beginning = || vec![create("x")];
    let writing = || vec![write(), sync(), publish(), discard()];
    let naming = || vec![sync_directories()];
    let closing = || vec![close()];
    let listing = || vec![list(), next_entries(1)];
    let none =
        || vec![Effect::Sync { handles: vec![] }, Effect::SyncDirectories { handles: vec![] }];
    let all = || [writing(), naming(), closing(), listing(), none()].concat();

    for (own, begun, misfits) in [
        (ClientFiles::Nothing, vec![], [reading(), beginning(), all()].concat()),
        (source(), vec![], [beginning(), all()].concat()),
        (target(&directory), vec![], [reading(), all()].concat()),
        (
            source(),
            vec![open("x")],
            [beginning(), vec![open("x")], writing(), naming(), listing(), none()].concat(),
        ),
        (
            target(&directory),
            vec![create("file")],
            [reading(), beginning(), naming(), closing(), listing(), none()].concat(),
        ),
        (
            target(&directory),
            vec![create("file"), publish()],
            [reading(), beginning(), writing(), listing(), none()].concat(),
        ),
    ] {
        let mut files = files(own);
        for effect in begun {
            files.perform(&effect).unwrap();
        }
        let before = shown(&files);
        let elsewhere =
            [read(1), write(), sync(), publish(), sync_directories(), close(), discard()];
        for effect in misfits.into_iter().chain(elsewhere.map(|effect| of(2, effect))) {
            let error = files.perform(&effect).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Io, "{effect:?} with {before}");
        }
        assert_eq!(shown(&files), before);
    }
}

/// A sync or a publication that fails discards the file.
#[test]
fn what_fails_is_discarded() {
    let directory = TempDir::new().unwrap();
    let mut files = files(target(&directory));
    files.perform(&create("file")).unwrap();
    files.perform(&write()).unwrap();
    fs::create_dir(directory.path().join("mine")).unwrap();
    let error = files.perform(&publish()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::IsDirectory);
    assert_eq!(shown(&files), TARGET);
    assert_eq!(staged_in(directory.path()).len(), 0);
}

#[test]
fn each_request_has_its_own_files() {
    let directory = TempDir::new().unwrap();
    let mut files = FilesById::default();
    let waiting = files.waiting();
    let id = |effect: Effect, number| {
        let mut effect = effect;
        if let Effect::Open { id, .. } | Effect::Create { id, .. } = &mut effect {
            *id = RequestId(number);
        }
        effect
    };
    waiting.give(RequestId(1), source());
    waiting.give(RequestId(2), target(&directory));
    let mut perform = |effect| files.perform(&effect);
    // Stopped downloads start again, whatever was done in between.
    for number in [1, 2] {
        assert_eq!(perform(of(number, id(create("x"), 2))), Ok(Done::Started));
        assert_eq!(perform(of(number, write())), Ok(Done::Written));
        assert_eq!(perform(of(number, discard())), Ok(Done::Discarded));
    }
    assert!(matches!(perform(of(3, id(open("x"), 1))), Ok(Done::Opened(_))));
    assert_eq!(perform(of(3, close())), Ok(Done::Closed));
    assert!(perform(of(4, id(open("x"), 1))).is_err(), "a source is read once");
    assert!(perform(of(4, id(create("x"), 3))).is_err(), "nobody gave these");
    assert_eq!(perform(of(4, id(create("x"), 2))), Ok(Done::Started));
    assert_eq!(perform(of(4, write())), Ok(Done::Written));
    assert_eq!(perform(of(4, publish())), Ok(Done::Published { version: None }));
    assert!(waiting.take(RequestId(2)).is_none());
    assert_eq!(fs::read(directory.path().join("mine")).unwrap(), b"hello");
}

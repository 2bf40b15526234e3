//! Remembered checksums.

#![expect(clippy::disallowed_methods, reason = "files have the times of the wall clock")]

use std::fs::File;
use std::time::{Duration, SystemTime};

use haul_core::{Checksum, StoreErrorKind};
use haul_store::{NewFile, Source, Staged, Store};

use crate::support::{Share, long_ago, new_file, path, upload};

/// What the store knows without reading.
fn known(share: &Share) -> Option<Checksum> {
    share.store.open(&path("file")).unwrap().opened().checksum
}

fn old_file(share: &Share, content: &str) {
    let file = File::options().write(true).open(share.put("file", content)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
}

#[test]
fn a_checksum_taken_once_is_remembered() {
    let share = Share::new();
    old_file(&share, "content");
    assert_eq!(known(&share), None);
    assert_eq!(share.read("file").unwrap(), b"content");
    assert_eq!(known(&share), Some(Checksum::of(b"content")));
}

#[test]
fn an_upload_with_an_older_time_is_remembered_at_once() {
    let share = Share::new();
    let file = NewFile { modified: Some(long_ago()), ..new_file("file") };
    upload(&share.store, &file, b"content").unwrap();
    assert_eq!(known(&share), Some(Checksum::of(b"content")));
    upload(&share.store, &file, b"CONTENT").unwrap();
    assert_eq!(known(&share), Some(Checksum::of(b"CONTENT")));
}

#[test]
fn a_change_is_a_new_file() {
    let share = Share::new();
    old_file(&share, "content");
    share.read("file").unwrap();
    // Of the same size.
    old_file(&share, "CONTENT");
    assert_eq!(known(&share), None);
    assert_eq!(share.read("file").unwrap(), b"CONTENT");
}

#[test]
fn a_file_that_has_not_settled_is_not_remembered() {
    let share = Share::new();
    let file = File::create(share.root().join("file")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_hours(1)).unwrap();
    share.read("file").unwrap();
    assert_eq!(known(&share), None);
}

#[test]
fn bytes_that_changed_by_themselves_are_found_out() {
    let share = Share::new();
    let file = NewFile { modified: Some(long_ago()), ..new_file("file") };
    let mut staged = share.store.create(&file).unwrap();
    staged.write(0, b"what the disk made of it").unwrap();
    staged.publish(Checksum::of(b"what was uploaded")).unwrap();
    assert_eq!(share.read("file"), Err(StoreErrorKind::Changed));
    // Which of the two was wrong nobody knows, so what is there now is taken as it is.
    assert_eq!(share.read("file").unwrap(), b"what the disk made of it");
}

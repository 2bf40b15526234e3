//! Listings.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use haul_core::{Depth, Entry, StoreErrorKind, Timestamp};
use haul_store::{Listing, Store};

use crate::support::{Share, long_ago, path};

#[test]
fn a_file_is_listed_with_size_and_time() {
    let share = Share::new();
    let file = File::create(share.put("sub/file", "12345")).unwrap();
    file.set_len(5).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_nanos(1_500_000_000_123_456_789)).unwrap();
    let expected = Entry::File {
        path: path("sub/file"),
        size: 5,
        modified: Timestamp::new(1_500_000_000, 123_456_789).unwrap(),
        executable: false,
    };
    for name in ["sub", "sub/file"] {
        let listed = share.list(Some(name), Depth::ONE).unwrap();
        assert_eq!(listed.entries, std::slice::from_ref(&expected));
    }
}

#[test]
fn times_before_1970_are_times() {
    let share = Share::new();
    let file = File::create(share.put("old", "")).unwrap();
    file.set_modified(UNIX_EPOCH - Duration::from_millis(1_500)).unwrap();
    let listed = share.list(None, Depth::ONE).unwrap();
    let [Entry::File { modified, .. }] = listed.entries[..] else { panic!("one file") };
    assert_eq!(modified, Timestamp::new(-2, 500_000_000).unwrap());
}

#[test]
fn depth_bounds_a_listing() {
    let share = Share::new();
    share.put("a/b/c/file", "");
    share.put("a/file", "");
    let levels = |levels| Depth::Levels(NonZeroU64::new(levels).unwrap());
    let names = |name, depth| share.list(name, depth).unwrap().names();
    assert_eq!(names(None, levels(1)), ["a/"]);
    assert_eq!(names(None, levels(2)), ["a/", "a/b/", "a/file"]);
    assert_eq!(names(None, levels(3)), ["a/", "a/b/", "a/b/c/", "a/file"]);
    let all = ["a/", "a/b/", "a/b/c/", "a/b/c/file", "a/file"];
    assert_eq!(names(None, levels(4)), all);
    assert_eq!(names(None, Depth::All), all);
    assert_eq!(names(Some("a"), levels(1)), ["a/b/", "a/file"]);
    assert_eq!(names(Some("a/b/c/file"), Depth::All), ["a/b/c/file"]);
}

#[test]
fn links_are_listed_as_what_they_lead_to_and_not_descended() {
    let share = Share::new();
    share.put("directory/file", "12345");
    symlink("directory", share.root().join("to-directory")).unwrap();
    symlink("directory/file", share.root().join("to-file")).unwrap();
    symlink("nowhere", share.root().join("dangling")).unwrap();
    symlink("..", share.root().join("directory/up")).unwrap();
    let listed = share.list(None, Depth::All).unwrap();
    let names = ["directory/", "directory/file", "directory/up/", "to-directory/", "to-file"];
    assert_eq!((listed.names(), listed.skipped), (names.map(String::from).to_vec(), 0));
    assert!(matches!(listed.entries[4], Entry::File { size: 5, .. }));
    // A link that was asked for by name is another matter.
    assert_eq!(
        share.list(Some("to-directory"), Depth::All).unwrap().names(),
        ["to-directory/file", "to-directory/up/"]
    );
}

#[test]
fn names_that_break_the_rules_are_counted() {
    let share = Share::new();
    share.put("good", "");
    for bad in
        [&b"back\\slash"[..], b"new\nline", b"esc\x1b[31m", b"not\xffutf8", "c1\u{85}".as_bytes()]
    {
        File::create(share.root().join(OsStr::from_bytes(bad))).unwrap();
    }
    fs::create_dir(share.root().join("bad\tdirectory")).unwrap();
    fs::write(share.root().join("bad\tdirectory/file"), "").unwrap();
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.names(), listed.skipped), (vec!["good".to_owned()], 6));
}

#[test]
fn paths_too_long_for_the_protocol_are_counted() {
    let share = Share::new();
    let long = "d".repeat(250);
    // 4 × 250 bytes and 3 slashes: 21 bytes are left.
    let deep = [long.as_str(); 4].join("/");
    share.put(&format!("{deep}/{}", "f".repeat(20)), "");
    share.put(&format!("{deep}/{}", "f".repeat(21)), "");
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.entries.len(), listed.skipped), (5, 1));
}

#[test]
fn what_is_not_there_cannot_be_listed() {
    let share = Share::new();
    let missing = share.list(Some("missing"), Depth::ONE);
    assert_eq!(missing.err().unwrap(), StoreErrorKind::NotFound);
    assert!(share.list(None, Depth::All).unwrap().entries.is_empty());
}

#[test]
fn a_directory_that_goes_away_ends() {
    let share = Share::new();
    for number in 0..2_000 {
        share.put(&format!("sub/file-{number}"), "");
    }
    let mut listing = share.store.list(None, Depth::All, false).unwrap();
    assert_eq!(listing.next(10).unwrap().len(), 10);
    fs::remove_dir_all(share.root().join("sub")).unwrap();
    let mut rest = 0;
    loop {
        let count = listing.next(10).unwrap().len();
        if count == 0 {
            break;
        }
        rest += count;
    }
    assert!(rest < 2_000);
    assert_eq!(listing.skipped(), 0);
}

#[test]
fn a_hundred_thousand_entries_come_in_batches() {
    const FILES: usize = 100_000;
    let share = Share::new();
    fs::create_dir(share.root().join("sub")).unwrap();
    for number in 0..FILES {
        File::create(share.root().join(format!("sub/{number}"))).unwrap();
    }
    let mut listing = share.store.list(Some(&path("sub")), Depth::All, false).unwrap();
    let mut seen = Vec::new();
    loop {
        let batch = listing.next(128).unwrap();
        assert!(batch.len() <= 128);
        if batch.is_empty() {
            break;
        }
        seen.extend(batch.iter().map(|entry| entry.path().unwrap().as_str().to_owned()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), FILES);
}

#[test]
fn an_uploaded_time_is_listed() {
    let share = Share::new();
    let file =
        haul_store::NewFile { modified: Some(long_ago()), ..crate::support::new_file("file") };
    crate::support::upload(&share.store, &file, b"x").unwrap();
    let listed = share.list(None, Depth::ONE).unwrap();
    let [Entry::File { modified, size: 1, .. }] = listed.entries[..] else { panic!("one file") };
    assert_eq!(modified, long_ago());
}

//! Files that are stored.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use haul_core::{Checksum, StoreErrorKind, Timestamp};
use haul_store::{NewFile, Staged, Store};

use crate::support::{Share, create_only, long_ago, new_file, upload};

#[test]
fn nothing_is_there_until_it_is_published() {
    let share = Share::new();
    let mut staged = share.store.create(&new_file("a/b/file")).unwrap();
    staged.write(0, b"first ").unwrap();
    staged.write(6, b"second").unwrap();
    staged.sync().unwrap();
    assert!(!share.root().join("a").exists());
    staged.publish(Checksum::of(b"first second")).unwrap();
    assert_eq!(share.read("a/b/file").unwrap(), b"first second");
    staged.sync_directory().unwrap();
    assert!(share.staged().is_empty());
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let share = Share::new();
    share.put("file", "old");
    let mut staged = share.store.create(&new_file("file")).unwrap();
    staged.write(0, b"new").unwrap();
    staged.sync().unwrap();
    assert_eq!(share.staged().len(), 1);
    drop(staged);
    drop(share.store.create(&new_file("x/y/z")).unwrap());
    assert!(share.staged().is_empty());
    assert_eq!(share.read("file").unwrap(), b"old");
    assert!(!share.root().join("x").exists());
}

#[test]
fn bytes_come_from_front_to_back() {
    let share = Share::new();
    let mut staged = share.store.create(&new_file("file")).unwrap();
    staged.write(0, b"abc").unwrap();
    for offset in [0, 2, 4] {
        assert_eq!(staged.write(offset, b"x").unwrap_err().kind, StoreErrorKind::Io);
    }
    staged.write(3, b"d").unwrap();
    staged.publish(Checksum::of(b"abcd")).unwrap();
    assert_eq!(share.read("file").unwrap(), b"abcd");
}

#[test]
fn bytes_after_a_sync_are_synced_too() {
    let share = Share::new();
    let file = NewFile { modified: Some(long_ago()), ..new_file("file") };
    let mut staged = share.store.create(&file).unwrap();
    staged.write(0, b"abc").unwrap();
    staged.sync().unwrap();
    staged.write(3, b"def").unwrap();
    staged.publish(Checksum::of(b"abcdef")).unwrap();
    let opened = haul_store::Source::opened(&share.store.open(&file.path).unwrap());
    assert_eq!((opened.size, opened.modified), (Some(6), Some(long_ago())));
}

#[test]
fn times_come_back() {
    let share = Share::new();
    for text in ["1970-01-01T00:00:00Z", "2033-05-18T03:33:20.5Z", "2026-11-22T08:31:25.000000001Z"]
    {
        let modified = Timestamp::parse(text).unwrap();
        let file = NewFile { modified: Some(modified), ..new_file("file") };
        for durable in [true, false] {
            let mut staged = share.store.create(&file).unwrap();
            staged.write(0, b"x").unwrap();
            if durable {
                staged.sync().unwrap();
            }
            staged.publish(Checksum::of(b"x")).unwrap();
            let source = share.store.open(&file.path).unwrap();
            assert_eq!(haul_store::Source::opened(&source).modified, Some(modified));
        }
    }
}

#[test]
fn create_refuses_whatever_has_the_name() {
    let share = Share::new();
    share.put("file", "old");
    share.put("directory/file", "old");
    symlink("nowhere", share.root().join("link")).unwrap();
    for name in ["file", "directory", "link"] {
        let early = share.store.create(&create_only(name)).unwrap_err();
        assert_eq!(early.kind, StoreErrorKind::Exists, "{name}");
    }
    upload(&share.store, &create_only("new"), b"new").unwrap();
    assert_eq!(share.read("new").unwrap(), b"new");
}

#[test]
fn create_is_decided_when_it_is_published() {
    let share = Share::new();
    let mut staged = share.store.create(&create_only("a/file")).unwrap();
    staged.write(0, b"late").unwrap();
    staged.sync().unwrap();
    share.put("a/file", "early");
    assert_eq!(staged.publish(Checksum::of(b"late")).unwrap_err().kind, StoreErrorKind::Exists);
    drop(staged);
    assert_eq!(share.read("a/file").unwrap(), b"early");
    assert!(share.staged().is_empty());
}

#[test]
fn a_publication_that_fails_takes_its_directories_back() {
    let share = Share::on_tmpfs();
    let mut staged = share.store.create(&new_file("a/b/c/file")).unwrap();
    staged.write(0, b"x").unwrap();
    // Another program removes the staged file, so that the very last step fails.
    for file in share.staged() {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(staged.publish(Checksum::of(b"x")).unwrap_err().kind, StoreErrorKind::Io);
    assert!(!share.root().join("a").exists());
    assert_eq!(staged.sync_directory().unwrap_err().kind, StoreErrorKind::Io);
}

#[test]
fn permissions_are_those_of_the_file_that_is_replaced() {
    let share = Share::new();
    let mode = |name: &str| fs::metadata(share.root().join(name)).unwrap().mode() & 0o7777;
    let reference = mode(share.put("made-by-anyone", "").file_name().unwrap().to_str().unwrap());
    share.upload("new", b"x").unwrap();
    assert_eq!(mode("new"), reference);

    fs::set_permissions(share.put("old", "old"), Permissions::from_mode(0o6751)).unwrap();
    share.upload("old", b"x").unwrap();
    assert_eq!(mode("old"), 0o751, "but never as another user");
}

#[test]
fn a_file_too_large_is_refused_before_it_is_sent() {
    let share = Share::new();
    let file = NewFile { size: Some(1 << 62), ..new_file("file") };
    let kind = share.store.create(&file).unwrap_err().kind;
    assert!(matches!(kind, StoreErrorKind::NoSpace | StoreErrorKind::TooLarge), "{kind:?}");
    assert!(share.staged().is_empty());
}

/// The times must be on stable storage too, so they are set before the sync.
#[test]
fn a_sync_brings_the_time_with_it() {
    let share = Share::new();
    let file = NewFile { modified: Some(long_ago()), ..new_file("file") };
    let mut staged = share.store.create(&file).unwrap();
    staged.write(0, b"x").unwrap();
    staged.sync().unwrap();
    let staging_file = fs::metadata(share.staged().pop().unwrap()).unwrap();
    assert_eq!(staging_file.mtime(), long_ago().seconds());
}

#[test]
fn a_directory_that_was_made_stays_when_its_file_goes() {
    let share = Share::new();
    let mut staged = share.store.create(&new_file("a/b/file")).unwrap();
    staged.publish(Checksum::EMPTY).unwrap();
    fs::remove_file(share.root().join("a/b/file")).unwrap();
    drop(staged);
    assert!(share.root().join("a/b").is_dir());
}

/// A client that sends nothing takes no space from others.
#[test]
fn room_is_taken_by_what_has_come() {
    let share = Share::new();
    let file = NewFile { size: Some(64 << 20), ..new_file("file") };
    let mut staged = share.store.create(&file).unwrap();
    staged.write(0, &vec![1; 100_000]).unwrap();
    let taken = fs::metadata(share.staged().pop().unwrap()).unwrap().blocks() * 512;
    assert!(taken < 1 << 20, "{taken}");
}

#[test]
fn zeros_take_no_room() {
    const SIZE: usize = 1 << 20;
    let content = |index: usize| if (300_000..300_010).contains(&index) { 7 } else { 0 };
    let content: Vec<u8> = (0..SIZE).map(content).collect();
    for (name, at_once) in [("a", SIZE), ("b", 40_001), ("c", 1000)] {
        let share = Share::new();
        let mut staged = share.store.create(&new_file(name)).unwrap();
        for (number, piece) in content.chunks(at_once).enumerate() {
            staged.write((number * at_once) as u64, piece).unwrap();
        }
        staged.sync().unwrap();
        staged.publish(Checksum::of(&content)).unwrap();
        assert_eq!(share.read(name).unwrap(), content);
        let taken = fs::metadata(share.root().join(name)).unwrap().blocks() * 512;
        assert!(at_once == 1000 || taken <= 64 << 10, "{at_once}: {taken}");
    }
}

#[test]
fn a_size_that_was_announced_is_not_that_of_the_file() {
    let share = Share::new();
    let file = NewFile { size: Some(5 << 20), ..new_file("file") };
    upload(&share.store, &file, b"less").unwrap();
    assert_eq!(share.read("file").unwrap(), b"less");
}

#[test]
fn a_link_that_leads_nowhere_is_no_directory() {
    let share = Share::new();
    symlink("nowhere", share.root().join("link")).unwrap();
    assert_eq!(share.upload("link/file", b"x"), Err(StoreErrorKind::NotFound));
    assert!(!share.root().join("nowhere").exists());
}

/// By each of its paths.
#[test]
fn a_file_that_links_show_twice_is_replaced() {
    let share = Share::on_tmpfs();
    share.put("directory/other", "");
    symlink("directory", share.root().join("link")).unwrap();
    for (number, path) in ["directory/file", "link/file", "directory/file"].iter().enumerate() {
        let content = number.to_string();
        share.upload(path, content.as_bytes()).unwrap();
        assert_eq!(share.read("directory/file").unwrap(), content.as_bytes());
    }
}

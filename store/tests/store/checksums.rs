//! Remembered checksums.

#![expect(clippy::disallowed_methods, reason = "files have the times of the wall clock")]

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use haul_core::{Checksum, StoreErrorKind, Timestamp};
use haul_store::{NewFile, Source, Staged, Store};
use memmap2::MmapMut;
use rustix::fs::statfs;

use crate::support::{Share, long_ago, new_file, path, upload};

/// The checksum that the store knows without reading.
fn known(share: &Share) -> Option<Checksum> {
    share.store.open(&path("file")).unwrap().opened().checksum
}

/// The checksum that the store may know for a file that was just uploaded: on some file systems none.
fn known_after_upload(share: &Share, content: &[u8]) -> Option<Checksum> {
    // ext2, ext3 and ext4, XFS, Btrfs.
    let remembered = [0xef53, 0x5846_5342, 0x9123_683e];
    let file_system = statfs(share.root()).unwrap().f_type;
    let remembers = remembered.into_iter().any(|known| file_system == known);
    remembers.then(|| Checksum::of(content))
}

fn old_file(share: &Share, content: &str) {
    make_old(&share.put("file", content));
}

fn make_old(file: &Path) {
    let file = File::options().write(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
}

fn dated() -> NewFile {
    NewFile { modified: Some(long_ago()), ..new_file("file") }
}

#[expect(
    unsafe_code,
    reason = "no crate maps a file safely: others may write to it meanwhile, which is what is shown here"
)]
fn map(file: &Path) -> MmapMut {
    let file = File::options().read(true).write(true).open(file).unwrap();
    // SAFETY: nothing else has this file, and the store only reads it by system calls.
    unsafe { MmapMut::map_mut(&file) }.unwrap()
}

#[test]
fn what_was_only_read_is_not_remembered() {
    let share = Share::new();
    old_file(&share, "content");
    for _ in 0..2 {
        assert_eq!(share.read("file").unwrap(), b"content");
        assert_eq!(known(&share), None);
    }
}

#[test]
fn an_upload_with_an_older_time_is_remembered_at_once() {
    let share = Share::new();
    for content in [b"content", b"CONTENT"] {
        upload(&share.store, &dated(), content).unwrap();
        assert_eq!(known(&share), known_after_upload(&share, content));
        // Reading it changes nothing.
        assert_eq!(share.read("file").unwrap(), content);
        assert_eq!(known(&share), known_after_upload(&share, content));
    }
}

#[test]
fn a_change_is_a_new_file() {
    let share = Share::new();
    upload(&share.store, &dated(), b"content").unwrap();
    // Of the same size.
    old_file(&share, "CONTENT");
    assert_eq!(known(&share), None);
    assert_eq!(share.read("file").unwrap(), b"CONTENT");
}

#[test]
fn an_upload_that_has_not_settled_is_not_remembered() {
    let share = Share::new();
    upload(&share.store, &new_file("file"), b"content").unwrap();
    assert_eq!(known(&share), None);
    let modified = Timestamp::parse("2200-01-01T00:00:00Z");
    upload(&share.store, &NewFile { modified, ..new_file("file") }, b"content").unwrap();
    assert_eq!(known(&share), None);
}

/// A program that has mapped a file writes to it without changing its times.
#[test]
fn a_checksum_never_outlives_bytes_that_are_written_through_a_mapping() {
    for share in [Share::new(), Share::on_tmpfs()] {
        // It was mapped and written to before the store opened it, and the page was not written back since.
        let file = share.put("file", "content");
        let mut mapping = map(&file);
        mapping[0] = b'C';
        make_old(&file);
        share.read("file").unwrap();
        mapping[1] = b'O';
        assert_eq!(known(&share), None);
        assert_eq!(share.read("file").unwrap(), b"COntent");

        // It is mapped after it was uploaded.
        upload(&share.store, &dated(), b"content").unwrap();
        let mut mapping = map(&share.root().join("file"));
        // Reading the page makes it writable later without a page fault.
        assert_eq!(mapping[0], b'c');
        for letter in [b'k', b'K'] {
            mapping[0] = letter;
            let truth = Checksum::of(&[&[letter], &b"ontent"[..]].concat());
            assert!(known(&share).is_none_or(|known| known == truth));
        }
        assert_eq!(share.read("file").unwrap(), b"Kontent");
    }
}

#[test]
fn bytes_that_changed_by_themselves_are_found_out() {
    let share = Share::new();
    let mut staged = share.store.create(&dated()).unwrap();
    staged.write(0, b"what the disk made of it").unwrap();
    staged.publish(Checksum::of(b"what was uploaded")).unwrap();
    if known_after_upload(&share, b"").is_none() {
        return eprintln!("not shown: checksums are not remembered on this file system");
    }
    assert_eq!(share.read("file"), Err(StoreErrorKind::Changed));
    // Nobody knows which of the two was wrong, so the present content is served as it is.
    assert_eq!(share.read("file").unwrap(), b"what the disk made of it");
}

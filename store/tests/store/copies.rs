//! Copies within the share.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use haul_core::{Checksum, Hasher, StoreError, StoreErrorKind};
use haul_store::{NewFile, Source, Staged, Store};

use crate::support::{Share, long_ago, new_file, path};

/// Copies as a server does. Returns the number of pieces.
fn copy(share: &Share, from: &str, to: &str, length: usize) -> Result<usize, StoreError> {
    let mut source = share.store.open(&path(from))?;
    let size = source.opened().size.unwrap();
    let mut staged = share.store.create(&NewFile { size: Some(size), ..new_file(to) })?;
    let (mut hasher, mut pieces) = (Hasher::new(), 0);
    loop {
        let offset = hasher.length();
        let (copied, checksum) = share.store.copy(&mut source, &mut staged, offset, length)?;
        assert!(copied <= length);
        if copied == 0 {
            break;
        }
        hasher.append(checksum, copied as u64);
        pieces += 1;
    }
    let checksum = hasher.checksum();
    source.finish(0, hasher.length(), checksum)?;
    staged.sync()?;
    staged.publish(checksum)?;
    staged.sync_directory()?;
    assert_eq!(checksum, Checksum::of(&fs::read(share.root().join(to)).unwrap()));
    Ok(pieces)
}

#[test]
fn a_copy_has_the_bytes_and_the_holes() {
    for share in [Share::new(), Share::on_tmpfs()] {
        let file = File::create(share.root().join("file")).unwrap();
        file.set_len(64 << 20).unwrap();
        for (offset, length) in [(5 << 20, 100_000), (20 << 20, 1), ((30 << 20) + 7, 3 << 20)] {
            file.write_all_at(&vec![7; length], offset).unwrap();
        }
        for length in [usize::MAX, 1 << 20] {
            copy(&share, "file", "a/copy", length).unwrap();
            assert!(fs::read(share.root().join("file")).unwrap() == share.read("a/copy").unwrap());
            let [blocks, of_copy] = ["file", "a/copy"]
                .map(|name| fs::metadata(share.root().join(name)).unwrap().blocks());
            assert!(of_copy <= blocks + 64, "{of_copy} blocks, not {blocks}");
        }
    }
}

#[test]
fn every_size_can_be_copied() {
    for share in [Share::new(), Share::on_tmpfs()] {
        for size in [0, 1, 4095, 4096, 4097, 65_536, 300_001] {
            let content: Vec<u8> = (1..=251).cycle().take(size).collect();
            share.put("file", &content);
            for length in [1 << 20, 65_537, 70_000] {
                copy(&share, "file", "copy", length).unwrap();
                assert!(share.read("copy").unwrap() == content, "{size} {length}");
            }
        }
    }
}

/// Another program changes the source meanwhile.
#[test]
fn a_source_that_changes_is_not_copied() {
    let share = Share::new();
    let file = share.put("file", vec![1; 100_000]);
    let mut source = share.store.open(&path("file")).unwrap();
    let mut staged = share.store.create(&new_file("copy")).unwrap();
    let (copied, checksum) = share.store.copy(&mut source, &mut staged, 0, 50_000).unwrap();
    assert_eq!((copied, checksum), (50_000, Checksum::of(&vec![1; 50_000])));
    fs::write(&file, vec![2; 70_000]).unwrap();
    let (copied, second) = share.store.copy(&mut source, &mut staged, 50_000, 50_000).unwrap();
    assert_eq!((copied, second), (20_000, Checksum::of(&vec![2; 20_000])));
    let end = share.store.copy(&mut source, &mut staged, 70_000, 50_000);
    assert_eq!(end.unwrap_err().kind, StoreErrorKind::Changed);
    let whole = checksum.combine(second, copied as u64);
    assert_eq!(source.finish(0, 70_000, whole).unwrap_err().kind, StoreErrorKind::Changed);
    drop(staged);
    assert!(share.staged().is_empty());
}

#[test]
fn pieces_come_in_their_order() {
    let share = Share::new();
    share.put("file", "content");
    let mut source = share.store.open(&path("file")).unwrap();
    let mut staged = share.store.create(&new_file("copy")).unwrap();
    let skipped = share.store.copy(&mut source, &mut staged, 1, 3);
    assert_eq!(skipped.unwrap_err().kind, StoreErrorKind::Io);
    share.store.copy(&mut source, &mut staged, 0, 3).unwrap();
    staged.write(3, b"xyz").unwrap();
    share.store.copy(&mut source, &mut staged, 6, 3).unwrap();
    staged.publish(Checksum::of(b"conxyzt")).unwrap();
    assert_eq!(share.read("copy").unwrap(), b"conxyzt");
}

/// The checksum of an upload with an older time is remembered, so its copy need not be read.
#[test]
fn a_known_checksum_is_that_of_the_copy() {
    let share = Share::new();
    let content = vec![9; 1 << 20];
    let file = NewFile { modified: Some(long_ago()), ..new_file("file") };
    crate::support::upload(&share.store, &file, &content).unwrap();
    copy(&share, "file", "copy", usize::MAX).unwrap();
    assert!(share.read("copy").unwrap() == content);
}

//! Files being read.

#![expect(clippy::disallowed_methods, reason = "files have the times of the wall clock")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, SystemTime};

use haul_core::{Checksum, StoreErrorKind};
use haul_store::{Source, Store};

use crate::support::{Share, path};

fn open(share: &Share) -> impl Source {
    share.store.open(&path("file")).unwrap()
}

/// Waits until the clock of the file system has gone on since the file changed: within one tick no two changes can be told apart.
fn wait_for_tick(share: &Share) {
    let changed = |name: &str| {
        let metadata = fs::metadata(share.root().join(name)).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    while {
        share.put("probe", "");
        changed("probe") == changed("file")
    } {
        thread::yield_now();
    }
}

#[test]
fn ranges_are_read() {
    let share = Share::new();
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    share.put("file", &content);
    let mut source = open(&share);
    assert_eq!(source.opened().size, Some(content.len() as u64));
    for (offset, length) in [(0, 1), (799_999, 10), (400_000, 256 << 10), (3, 256 << 10)] {
        let bytes = source.read(offset, length).unwrap();
        let start = usize::try_from(offset).unwrap();
        assert_eq!(bytes, content[start..(start + length).min(content.len())]);
    }
    assert!(source.read(800_000, 1).unwrap().is_empty());
    assert!(source.read(u64::MAX, 1).unwrap().is_empty());
    source.finish(0, 800_000, Checksum::of(&content)).unwrap();
}

#[test]
fn bytes_stay_as_they_were_read() {
    let share = Share::new();
    share.put("file", b"aaabbbccc");
    let mut source = open(&share);
    let first = source.read(0, 3).unwrap();
    let second = source.read(3, 3).unwrap();
    let pointer = second.as_ptr();
    drop(second);
    let third = source.read(6, 3).unwrap();
    assert_eq!((&first[..], &third[..]), (&b"aaa"[..], &b"ccc"[..]));
    assert_eq!(third.as_ptr(), pointer, "the buffer that nobody held was used again");
}

#[test]
fn an_empty_file_is_whole() {
    let share = Share::new();
    share.put("file", "");
    assert_eq!(share.read("file").unwrap(), b"");
}

#[test]
fn every_change_is_found_out() {
    type Change = fn(&Share);
    let changes: [(&str, Change); 5] = [
        ("cut", |share| {
            File::options()
                .write(true)
                .open(share.root().join("file"))
                .unwrap()
                .set_len(3)
                .unwrap();
        }),
        ("grown", |share| {
            let mut file = File::options().append(true).open(share.root().join("file")).unwrap();
            file.write_all(b"more").unwrap();
        }),
        ("written to, with its time put back", |share| {
            let file = File::options().write(true).open(share.root().join("file")).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            (&file).write_all(b"C").unwrap();
            file.set_modified(modified).unwrap();
        }),
        ("replaced", |share| share.upload("file", b"CONTENT").unwrap()),
        ("removed", |share| fs::remove_file(share.root().join("file")).unwrap()),
    ];
    for (how, change) in changes {
        let share = Share::new();
        let file = File::options().write(true).open(share.put("file", "content")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
        wait_for_tick(&share);
        let mut source = open(&share);
        assert_eq!(source.read(0, 4).unwrap(), &b"cont"[..]);
        change(&share);
        // No byte beyond what was opened, none that are not there, and in the end the truth.
        let rest = source.read(4, 100);
        if how == "cut" {
            assert_eq!(rest.unwrap_err().kind, StoreErrorKind::Changed);
        } else {
            assert_eq!(rest.unwrap(), &b"ent"[..], "{how}");
            assert!(source.read(7, 100).unwrap().is_empty());
        }
        let finished = source.finish(0, 7, Checksum::of(b"content"));
        assert_eq!(finished.unwrap_err().kind, StoreErrorKind::Changed, "{how}");
    }
}

#[test]
fn what_is_not_there_cannot_be_opened() {
    let share = Share::new();
    assert_eq!(share.read("missing"), Err(StoreErrorKind::NotFound));
    assert_eq!(share.read("missing/missing"), Err(StoreErrorKind::NotFound));
}

//! Files that change while they are read: only other bytes count as a change.

#![expect(clippy::disallowed_methods, reason = "files have the times of the wall clock")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use haul_core::{Checksum, StoreError, StoreErrorKind};
use haul_store::{LocalDirectory, LocalSource, Source, Store};
use rustix::fs::{XattrFlags, setxattr};

use crate::support::{Share, path};

/// Large enough to be spliced where possible.
const LENGTH: usize = 200_000;

type Open = fn(&Share) -> Box<dyn Source>;

/// A server's file, and a client's two kinds.
const SIDES: [(&str, Open); 3] = [
    ("served", |share| Box::new(share.store.open(&path("file")).unwrap())),
    ("named", |share| Box::new(LocalSource::open(share.root().join("file")).unwrap())),
    ("walked", |share| {
        let directory = LocalDirectory::open(share.root()).unwrap();
        Box::new(directory.source(&path("file")).unwrap())
    }),
];

type Change = fn(&Path);

fn content() -> Vec<u8> {
    (0..LENGTH).map(|at| (at / 251 + at * 7).to_le_bytes()[0]).collect()
}

/// Waits until the file system's clock has advanced since the file changed: two changes within one tick have the same
/// time.
fn wait_for_tick(file: &Path) {
    let changed = |file: &Path| {
        let metadata = fs::metadata(file).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    let probe = file.with_file_name("probe");
    while {
        fs::write(&probe, "").unwrap();
        changed(&probe) == changed(file)
    } {
        thread::yield_now();
    }
}

/// Reads a range, half of it before `change` and half after it, and finishes.
fn read_around(
    open: Open,
    change: Change,
    offset: usize,
    length: usize,
) -> Result<Vec<u8>, StoreError> {
    let share = Share::new();
    let file = share.put("file", content());
    let handle = File::options().write(true).open(&file).unwrap();
    handle.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
    wait_for_tick(&file);
    let mut source = open(&share);
    assert_eq!(source.opened().size, Some(LENGTH as u64));
    let mut sent = Vec::new();
    while sent.len() < length {
        if sent.len() == length / 2 {
            change(&file);
        }
        let most = if sent.len() < length / 2 { length / 2 } else { length };
        let bytes = source.read((offset + sent.len()) as u64, most - sent.len())?;
        assert!(!bytes.is_empty());
        sent.extend_from_slice(&bytes);
    }
    source.finish(offset as u64, length as u64, Checksum::of(&sent))?;
    Ok(sent)
}

#[test]
fn what_leaves_the_bytes_alone_voids_no_transfer() {
    let changes: [(&str, Change); 8] = [
        ("linked", |file| fs::hard_link(file, file.with_file_name("other")).unwrap()),
        ("made private", |file| fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap()),
        ("renamed", |file| fs::rename(file, file.with_file_name("other")).unwrap()),
        ("replaced", |file| {
            let new = file.with_file_name("new");
            fs::write(&new, "a new version").unwrap();
            fs::rename(new, file).unwrap();
        }),
        ("removed", |file| fs::remove_file(file).unwrap()),
        ("touched", |file| {
            File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(SystemTime::now())
                .unwrap();
        }),
        ("labelled", |file| {
            setxattr(file, "user.label", b"red", XattrFlags::empty()).unwrap();
        }),
        ("grown", |file| {
            File::options().append(true).open(file).unwrap().write_all(b"more").unwrap();
        }),
    ];
    for (how, change) in changes {
        for (side, open) in SIDES {
            for (offset, length) in [(0, LENGTH), (777, 1000)] {
                let sent = read_around(open, change, offset, length);
                let sent = sent.unwrap_or_else(|error| panic!("{side}, {how}: {error}"));
                assert!(sent == content()[offset..][..length], "{side}, {how}");
            }
        }
    }
}

#[test]
fn other_bytes_are_a_change() {
    let changes: [(&str, Change); 4] = [
        ("cut", |file| {
            File::options().write(true).open(file).unwrap().set_len(3).unwrap();
        }),
        ("written to, with its time put back", |file| {
            let file = File::options().write(true).open(file).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            rustix::io::pwrite(&file, b"!", 1000).unwrap();
            file.set_modified(modified).unwrap();
        }),
        ("written anew, and longer", |file| fs::write(file, vec![b'!'; 2 * LENGTH]).unwrap()),
        ("cut at its end", |file| {
            File::options().write(true).open(file).unwrap().set_len(LENGTH as u64 - 1).unwrap();
        }),
    ];
    for (how, change) in changes {
        for (side, open) in SIDES {
            for (offset, length) in [(0, LENGTH), (777, 1000)] {
                let error = read_around(open, change, offset, length).unwrap_err();
                assert_eq!(error.kind, StoreErrorKind::Changed, "{side}, {how}");
            }
        }
    }
    // Only the range that was sent is checked.
    for (side, open) in SIDES {
        let sent = read_around(open, changes[1].1, 2000, 1000);
        assert!(sent.is_ok_and(|sent| sent == content()[2000..3000]), "{side}");
    }
}

//! Many at once.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use haul_core::StoreErrorKind;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::{Running, Share, create_only, upload};

#[test]
fn readers_see_one_whole_version() {
    const WRITERS: u8 = 4;
    const ROUNDS: usize = 60;
    let share = Share::new();
    let version = |writer: u8| vec![writer; 150_000 + usize::from(writer)];
    share.upload("file", &version(0)).unwrap();
    let writing = AtomicUsize::new(0);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (share, running) = (&share, Running::new(&writing));
            scope.spawn(move || {
                let _running = running;
                for _ in 0..ROUNDS {
                    share.upload("file", &version(writer)).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while writing.load(Ordering::Acquire) > 0 {
                    match share.read("file") {
                        Ok(content) => assert!(content == version(content[0])),
                        Err(kind) => assert_eq!(kind, StoreErrorKind::Changed),
                    }
                }
            });
        }
    });
    let last = share.read("file").unwrap();
    assert!(last == version(last[0]));
    assert!(share.staged().is_empty());
}

#[test]
fn one_of_many_creates() {
    let share = Share::new();
    let created = AtomicUsize::new(0);
    thread::scope(|scope| {
        for writer in 0..8_u8 {
            let (share, created) = (&share, &created);
            scope.spawn(move || {
                match upload(&share.store, &create_only("new/directory/file"), &[writer; 100]) {
                    Ok(()) => created.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        assert_eq!(error.kind, StoreErrorKind::Exists);
                        0
                    }
                };
            });
        }
    });
    assert_eq!(created.into_inner(), 1);
    assert_eq!(share.read("new/directory/file").unwrap().len(), 100);
}

#[test]
fn directories_made_and_removed_by_others_do_not_fail_an_upload() {
    let share = Share::new();
    let directory = share.root().join("a/b");
    let uploading = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running = Running::new(&uploading);
        scope.spawn(|| {
            while uploading.load(Ordering::Acquire) > 0 {
                let _ = std::fs::remove_dir(&directory);
                let _ = std::fs::remove_dir(share.root().join("a"));
                thread::yield_now();
            }
        });
        let mut refused = 0;
        for number in 0..100 {
            match share.upload("a/b/file", format!("{number}").as_bytes()) {
                Ok(()) => std::fs::remove_file(directory.join("file")).unwrap(),
                // Only if it was removed each of so many times.
                Err(kind) => {
                    assert_eq!(kind, StoreErrorKind::Io);
                    refused += 1;
                }
            }
        }
        assert!(refused < 100);
        drop(running);
    });
}

/// Where a path leads up again, the kernel cannot tell whether it left the share if any name at all changed on the way.
#[test]
fn names_that_change_elsewhere_do_not_fail_a_read() {
    const FLIPS: usize = 30_000;
    let share = Share::on_tmpfs();
    share.put("a/b/file", "inside");
    symlink(["../a/b"; 10].join("/../"), share.root().join("a/up-and-down")).unwrap();
    let [one, other] = ["one", "other"].map(|name| share.put(name, ""));
    let flipping = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running = Running::new(&flipping);
        scope.spawn(move || {
            let _running = running;
            for _ in 0..FLIPS {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        while flipping.load(Ordering::Acquire) > 0 {
            assert_eq!(share.read("a/up-and-down/file").unwrap(), b"inside");
        }
    });
}

//! Concurrent use.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::thread;

use haul_core::StoreErrorKind;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::{Running, Share, create_only, new_file, upload};

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

/// Each removal costs an upload at most one attempt, and there are more of them.
#[test]
fn directories_made_and_removed_by_others_do_not_fail_an_upload() {
    const REMOVALS: isize = 48;
    let share = Share::new();
    let [outer, inner] = ["a", "a/b"].map(|name| share.root().join(name));
    std::fs::create_dir_all(&inner).unwrap();
    let (uploading, left) = (AtomicUsize::new(0), AtomicIsize::new(REMOVALS));
    thread::scope(|scope| {
        let running = Running::new(&uploading);
        scope.spawn(|| {
            while uploading.load(Ordering::Acquire) > 0 {
                for directory in [&inner, &outer] {
                    if left.load(Ordering::Acquire) > 0 && std::fs::remove_dir(directory).is_ok() {
                        left.fetch_sub(1, Ordering::AcqRel);
                    }
                }
                thread::yield_now();
            }
        });
        while outer.exists() {
            thread::yield_now();
        }
        for number in 0..100 {
            left.store(REMOVALS, Ordering::Release);
            let content = format!("{number}");
            upload(&share.store, &new_file("a/b/file"), content.as_bytes()).unwrap();
            left.store(0, Ordering::Release);
            std::fs::remove_file(inner.join("file")).unwrap();
        }
        drop(running);
    });
}

/// Where a path contains `..`, the kernel cannot know whether it left the share if any name at all changed meanwhile.
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

/// The kernel decides whether a name is new, because local programs take names too.
#[test]
fn a_rename_to_a_new_name_replaces_nothing() {
    const ROUNDS: usize = 20_000;
    let share = Share::on_tmpfs();
    let name = share.root().join("new");
    let taking = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running = Running::new(&taking);
        let name = &name;
        scope.spawn(move || {
            let _running = running;
            for _ in 0..ROUNDS {
                if let Ok(theirs) = File::create_new(name) {
                    assert_eq!(theirs.metadata().unwrap().nlink(), 1, "it was replaced");
                    fs::remove_file(name).unwrap();
                }
            }
        });
        while taking.load(Ordering::Acquire) > 0 {
            let ours = share.put("old", "x");
            match share.rename_new("old", "new") {
                Ok(()) => fs::rename(name, ours).unwrap(),
                Err(kind) => assert_eq!(kind, StoreErrorKind::Exists),
            }
        }
    });
}

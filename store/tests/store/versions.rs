//! Versions of files, and changes that require one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use haul_core::{Checksum, Mode, StoreErrorKind, Version};
use haul_store::{NewFile, Source, Staged, Store};

use crate::support::{Share, long_ago, new_file, path};

/// Uploads if the existing file has the version.
fn upload_to(
    share: &Share,
    name: &str,
    if_match: Option<Version>,
    content: &[u8],
) -> Result<Version, StoreErrorKind> {
    let file = NewFile { if_match, modified: Some(long_ago()), ..new_file(name) };
    let upload = || {
        let mut staged = share.store.create(&file)?;
        staged.write(0, content)?;
        staged.publish(Checksum::of(content))
    };
    upload().map(Option::unwrap).map_err(|error: haul_core::StoreError| error.kind)
}

fn other() -> Option<Version> {
    Version::parse("another")
}

#[test]
fn every_upload_has_a_version_of_its_own() {
    for share in [Share::new(), Share::on_tmpfs()] {
        let mut versions = Vec::new();
        // Inodes are reused, and many uploads have the same time.
        for number in 0..2_000_u32 {
            let content = number.to_ne_bytes();
            let version = upload_to(&share, "file", None, &content).unwrap();
            assert_eq!(share.version("file"), version);
            versions.push(version.as_str().to_owned());
        }
        versions.sort();
        versions.dedup();
        assert_eq!(versions.len(), 2_000);
        let version = share.version("file");
        assert_eq!(share.read("file").unwrap(), 1_999_u32.to_ne_bytes());
        assert_eq!(share.version("file"), version, "reading changes nothing");
    }
}

#[test]
fn whatever_may_change_the_content_changes_the_version() {
    let share = Share::new();
    let file = share.put("file", "one");
    let mut before = share.version("file");
    let mut changed = |what: &str| {
        let now = share.version("file");
        assert_ne!(now, before, "{what}");
        before = now;
    };
    fs::write(&file, "two").unwrap();
    changed("the same size");
    fs::write(&file, "three").unwrap();
    changed("another size");
    let (copy, times) = (share.put("copy", "four!"), fs::metadata(&file).unwrap().modified());
    fs::File::options().write(true).open(&copy).unwrap().set_modified(times.unwrap()).unwrap();
    fs::rename(copy, &file).unwrap();
    changed("another file of the same time and size");
}

#[test]
fn what_the_kernel_makes_up_has_no_version() {
    let share = Share::new();
    symlink("file", share.root().join("link")).unwrap();
    share.put("file", "x");
    assert_eq!(share.version("link"), share.version("file"));
    let Ok(proc) = haul_store::Directory::open(
        "/proc/self",
        haul_store::Options { read_only: true, ..haul_store::Options::default() },
    ) else {
        return;
    };
    assert_eq!(proc.open(&path("status")).unwrap().opened().version, None);
}

#[test]
fn only_the_version_that_is_meant_is_replaced() {
    let share = Share::new();
    assert_eq!(upload_to(&share, "file", other(), b"x"), Err(StoreErrorKind::NotFound));
    assert_eq!(upload_to(&share, "a/b/file", other(), b"x"), Err(StoreErrorKind::NotFound));
    let first = upload_to(&share, "file", None, b"first").unwrap();
    let second = upload_to(&share, "file", Some(first), b"second").unwrap();
    assert_eq!(upload_to(&share, "file", Some(first), b"third"), Err(StoreErrorKind::Changed));
    assert_eq!(share.read("file").unwrap(), b"second");

    // The check is made when the name is taken.
    let late = NewFile { if_match: Some(second), ..new_file("file") };
    let mut staged = [share.store.create(&late).unwrap(), share.store.create(&late).unwrap()];
    let third = upload_to(&share, "file", Some(second), b"third").unwrap();
    let published = staged[0].publish(Checksum::EMPTY);
    assert_eq!(published.unwrap_err().kind, StoreErrorKind::Changed);
    assert_eq!(share.read("file").unwrap(), b"third");
    fs::remove_file(share.root().join("file")).unwrap();
    let published = staged[1].publish(Checksum::EMPTY);
    assert_eq!(published.unwrap_err().kind, StoreErrorKind::NotFound);
    fs::create_dir(share.root().join("file")).unwrap();
    assert_eq!(upload_to(&share, "file", Some(third), b"x"), Err(StoreErrorKind::Changed));
    assert!(share.root().join("file").is_dir());
}

#[test]
fn only_the_version_that_is_meant_is_deleted_or_renamed() {
    let share = Share::new();
    let delete = |name: &str, version: Version| {
        share.store.delete(&path(name), Some(&version)).map(drop).map_err(|error| error.kind)
    };
    let rename = |from: &str, to: &str, version: Version| {
        let renamed = share.store.rename(&path(from), &path(to), Mode::Replace, Some(&version));
        renamed.map(drop).map_err(|error| error.kind)
    };
    share.put("file", "x");
    share.put("directory/file", "x");
    symlink("file", share.root().join("link")).unwrap();
    symlink("nowhere", share.root().join("lost")).unwrap();
    for name in ["file", "link", "directory"] {
        assert_eq!(delete(name, other().unwrap()), Err(StoreErrorKind::Changed), "{name}");
        let renamed = rename(name, "new/name", other().unwrap());
        assert_eq!(renamed, Err(StoreErrorKind::Changed), "{name}");
        assert_eq!(rename(name, name, other().unwrap()), Err(StoreErrorKind::Changed), "{name}");
    }
    for name in ["missing", "lost"] {
        assert_eq!(delete(name, other().unwrap()), Err(StoreErrorKind::NotFound), "{name}");
        let renamed = rename(name, "new/name", other().unwrap());
        assert_eq!(renamed, Err(StoreErrorKind::NotFound), "{name}");
    }
    assert!(!share.root().join("new").exists(), "what was made for nothing stayed");

    let version = share.version("file");
    fs::set_permissions(share.root().join("file"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(delete("file", version), Err(StoreErrorKind::Changed));
    assert_eq!(rename("file", "new/file", share.version("file")), Ok(()));
    fs::rename(share.root().join("new/file"), share.root().join("file")).unwrap();
    assert_eq!(delete("link", share.version("link")), Ok(()));
    assert_eq!(delete("file", share.version("file")), Ok(()));
    assert!(!share.root().join("file").exists());
}

/// Of several changes of the same version one succeeds, whatever each of them does.
#[test]
fn a_version_is_changed_once() {
    let share = Share::new();
    for round in 0..300 {
        let version = upload_to(&share, "file", None, b"old").unwrap();
        let done = AtomicUsize::new(0);
        let counted = |result: Result<(), StoreErrorKind>| match result {
            Ok(()) => done.fetch_add(1, Ordering::Relaxed),
            Err(StoreErrorKind::Changed | StoreErrorKind::NotFound) => 0,
            Err(kind) => panic!("{kind:?}"),
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| counted(upload_to(&share, "file", Some(version), b"new").map(drop)));
            }
            scope.spawn(|| {
                let deleted = share.store.delete(&path("file"), Some(&version));
                counted(deleted.map(drop).map_err(|error| error.kind))
            });
            scope.spawn(|| {
                let (from, to) = (path("file"), path("other"));
                let renamed = share.store.rename(&from, &to, Mode::Replace, Some(&version));
                counted(renamed.map(drop).map_err(|error| error.kind))
            });
        });
        assert_eq!(done.into_inner(), 1, "round {round}");
    }
}

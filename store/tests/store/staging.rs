//! Unpublished files, and what a crash leaves of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use haul_core::{Checksum, Depth, StoreErrorKind};
use haul_store::{Directory, Options, Staged, Store};
use rustix::fs::{FlockOperation, flock};

use crate::support::{Share, new_file, path, wait_until};

const LEFTOVER: &str = ".haul-0123456789abcdef";

#[test]
fn they_are_never_reached() {
    let share = Share::on_tmpfs();
    let root = share.root();
    share.put("a/b/other", "x");
    let mut staged = share.store.create(&new_file("a/b/file")).unwrap();
    staged.write(0, b"unfinished").unwrap();
    let [file] = share.staged().try_into().unwrap();
    assert_eq!(file.parent().unwrap(), root.join("a/b"), "it is where it will be");
    let name = file.file_name().unwrap().to_str().unwrap();
    symlink(format!("a/b/{name}"), root.join("to-file")).unwrap();
    symlink(format!("b/../b/{name}"), root.join("a/to-file-by-above")).unwrap();
    symlink("a/b", root.join("to-directory")).unwrap();

    for name in [
        format!("a/b/{name}"),
        format!("to-directory/{name}"),
        format!("a/b/{}", name.to_uppercase()),
        "to-file".into(),
        "a/to-file-by-above".into(),
        ".haul-staging".into(),
        "a/.HAUL-staging".into(),
    ] {
        assert_eq!(share.read(&name), Err(StoreErrorKind::NotFound), "{name}");
        let listed = share.list(Some(&name), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
        if name.contains("to-file") {
            continue;
        }
        let below = format!("{name}/new");
        assert_eq!(share.upload(&below, b"x"), Err(StoreErrorKind::NotFound), "{below}");
    }
    assert_eq!(share.upload(&format!("a/{LEFTOVER}"), b"x"), Err(StoreErrorKind::NotFound));
    let listed = share.list(None, Depth::All).unwrap().names();
    assert_eq!(listed, ["a/", "a/b/", "a/b/other", "to-directory@"]);
    assert_eq!(share.staged(), [file]);
}

#[test]
fn leftovers_are_swept_wherever_they_are_and_the_living_are_not() {
    let share = Share::on_tmpfs();
    share.put("deep/below/file", "x");
    let mut living = share.store.create(&new_file("deep/living")).unwrap();
    living.write(0, b"alive").unwrap();
    // A killed server leaves such a file without a lock. Earlier versions left them in a directory of their own.
    let old = [".haul-staging/somebody's notes", "deep/below/.haul-mine"]
        .map(|name| share.put(name, "x"));
    let leftovers = ["", "deep/", "deep/below/", ".haul-staging/"]
        .map(|directory| share.put(&format!("{directory}{LEFTOVER}"), "torn"));
    let linked = share.outside().join(LEFTOVER);
    fs::write(&linked, "torn").unwrap();
    symlink("../outside", share.root().join("link")).unwrap();
    symlink(linked.clone(), share.root().join(".haul-0000000000000000")).unwrap();

    let second = Directory::open(share.root(), Options::default()).unwrap();
    wait_until(|| leftovers.iter().all(|file| !file.exists()));
    assert!(old.iter().all(|file| file.exists()) && linked.exists());
    assert_eq!(share.staged().len(), 1);

    living.publish(Checksum::of(b"alive")).unwrap();
    drop(living);
    assert_eq!(share.read("deep/living").unwrap(), b"alive");
    assert!(second.open(&path("deep/living")).is_ok());
}

/// This includes files that another server or a client leaves later.
#[test]
fn an_upload_sweeps_where_it_is_staged() {
    let share = Share::on_tmpfs();
    let leftover = share.put(&format!("later/{LEFTOVER}"), "torn");
    let held = share.put("later/.haul-1111111111111111", "somebody writes it");
    let writer = fs::File::open(&held).unwrap();
    flock(&writer, FlockOperation::NonBlockingLockExclusive).unwrap();
    share.upload("later/file", b"x").unwrap();
    assert!(!leftover.exists() && held.exists());
}

#[test]
fn the_directory_of_earlier_versions_goes_when_it_is_empty() {
    let share = Share::new();
    let old = share.root().join(".haul-staging");
    fs::create_dir(&old).unwrap();
    let _second = Directory::open(share.root(), Options::default()).unwrap();
    wait_until(|| !old.exists());
    share.upload("file", b"x").unwrap();
    assert!(!old.exists());
}

#[test]
fn who_only_reads_removes_nothing() {
    // No other store is open here, because it would sweep.
    let root = tempfile::tempdir().unwrap();
    let leftover = root.path().join(LEFTOVER);
    fs::write(&leftover, "torn").unwrap();
    let only_read = Options { read_only: true, ..Options::default() };
    let store = Directory::open(root.path(), only_read).unwrap();
    assert!(store.open(&path(LEFTOVER)).is_err());
    assert!(leftover.exists());
}

#[test]
fn a_directory_that_goes_away_is_made_again() {
    let share = Share::on_tmpfs();
    share.put("a/b/other", "x");
    let mut staged = share.store.create(&new_file("a/b/file")).unwrap();
    staged.write(0, b"lost").unwrap();
    fs::remove_dir_all(share.root().join("a")).unwrap();
    assert_eq!(staged.publish(Checksum::of(b"lost")).unwrap_err().kind, StoreErrorKind::Io);
    drop(staged);
    assert!(!share.root().join("a").exists());
    share.upload("a/b/file", b"again").unwrap();
    assert_eq!(share.read("a/b/file").unwrap(), b"again");
}

fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    fs::rename(from, to).unwrap();
}

/// Whatever happens to its directory, a file gets its name beneath the share or not at all.
#[test]
fn nothing_is_published_in_a_directory_that_was_moved_away() {
    for share in [Share::new(), Share::on_tmpfs()] {
        share.put("moved/old", "old");
        let (inside, outside) = (share.root().join("moved"), share.outside().join("moved"));
        for name in ["new", "old"] {
            let mut staged = share.store.create(&new_file(&format!("moved/{name}"))).unwrap();
            staged.write(0, b"late").unwrap();
            staged.sync().unwrap();
            rename(&inside, &outside);
            staged.publish(Checksum::of(b"late")).unwrap();
            staged.sync_directory().unwrap();
            drop(staged);
            assert_eq!(share.read(&format!("moved/{name}")).unwrap(), b"late");
            let left: Vec<_> = fs::read_dir(&outside).unwrap().collect();
            assert_eq!(left.len(), 1, "{left:?}");
            assert_eq!(fs::read(outside.join("old")).unwrap(), b"old");
            fs::remove_dir_all(&inside).unwrap();
            rename(&outside, &inside);
        }
    }
}

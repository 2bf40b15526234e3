//! Renames of files and directories, and new directories.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use haul_core::{Checksum, Depth, StoreErrorKind};
use haul_store::{Staged, Store};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::support::{Share, new_file};

#[test]
fn a_directory_is_made_with_its_parents() {
    let share = Share::new();
    assert_eq!(share.make_directory("a/b/c"), Ok(()));
    assert!(share.root().join("a/b/c").is_dir());
    share.put("file", "x");
    mkfifoat(CWD, share.root().join("fifo"), Mode::RWXU).unwrap();
    symlink("a", share.root().join("link")).unwrap();
    symlink("nowhere", share.root().join("lost")).unwrap();
    for name in ["a", "a/b/c", "file", "fifo", "link", "lost"] {
        assert_eq!(share.make_directory(name), Err(StoreErrorKind::Exists), "{name}");
    }
    assert_eq!(share.make_directory("link/d"), Ok(()));
    assert!(share.root().join("a/d").is_dir());
    for (name, kind) in [
        ("file/below", StoreErrorKind::NotAFile),
        ("file/far/below", StoreErrorKind::NotAFile),
        ("lost/below", StoreErrorKind::NotFound),
        ("lost/far/below", StoreErrorKind::NotFound),
        (".hidden", StoreErrorKind::NotFound),
        ("a/.haul-0123456789abcdef", StoreErrorKind::NotFound),
    ] {
        assert_eq!(share.make_directory(name), Err(kind), "{name}");
    }
}

#[test]
fn files_links_and_directories_get_other_names() {
    let share = Share::new();
    let root = share.root();
    share.put("a/file", "x");
    symlink("../outside/secret", root.join("link")).unwrap();
    assert_eq!(share.rename("a/file", "b/c/file"), Ok(()));
    assert_eq!(share.read("b/c/file").unwrap(), b"x");
    assert!(!root.join("a/file").exists() && root.join("a").is_dir());
    assert_eq!(share.rename("b", "a/moved"), Ok(()));
    assert_eq!(share.read("a/moved/c/file").unwrap(), b"x");
    assert_eq!(share.rename("link", "a/link"), Ok(()));
    assert_eq!(
        fs::read_link(root.join("a/link")).unwrap(),
        "../outside/secret".as_ref() as &std::path::Path
    );
    for (from, kind) in [
        ("missing", StoreErrorKind::NotFound),
        (".hidden", StoreErrorKind::NotFound),
        ("a/link/below", StoreErrorKind::NotFound),
        ("a/moved/c/file/below", StoreErrorKind::NotAFile),
    ] {
        assert_eq!(share.rename(from, "x/y"), Err(kind), "{from}");
    }
    for (to, kind) in [
        (".hidden", StoreErrorKind::NotFound),
        ("x/.haul-0123456789abcdef", StoreErrorKind::NotFound),
        ("a/link/below", StoreErrorKind::NotFound),
        ("a/moved/c/file/below", StoreErrorKind::NotAFile),
    ] {
        share.put("other", "x");
        assert_eq!(share.rename("other", to), Err(kind), "{to}");
    }
    assert!(!root.join("x").exists(), "what was made for nothing stayed");
}

#[test]
fn a_file_is_replaced_and_a_directory_never() {
    let share = Share::new();
    let root = share.root();
    fs::create_dir(root.join("empty")).unwrap();
    fs::create_dir(root.join("other")).unwrap();
    mkfifoat(CWD, root.join("fifo"), Mode::RWXU).unwrap();
    symlink("../outside/secret", root.join("link")).unwrap();
    share.put("old", "old");
    share.put("new", "new");
    for (from, to, kind) in [
        ("new", "empty", StoreErrorKind::IsDirectory),
        ("other", "empty", StoreErrorKind::IsDirectory),
        ("other", "old", StoreErrorKind::NotAFile),
        ("other", "link", StoreErrorKind::NotAFile),
        ("other", "fifo", StoreErrorKind::NotAFile),
        ("new", "fifo", StoreErrorKind::NotAFile),
        ("fifo", "old", StoreErrorKind::NotAFile),
    ] {
        assert_eq!(share.rename(from, to), Err(kind), "{from} to {to}");
        assert!(share.rename_new(from, to).is_err(), "{from} to {to}");
    }
    for (from, to) in [("new", "empty"), ("new", "old"), ("other", "old"), ("new", "link")] {
        assert_eq!(share.rename_new(from, to), Err(StoreErrorKind::Exists), "{from} to {to}");
    }
    assert_eq!(share.rename("new", "link"), Ok(()));
    assert_eq!(share.read("link").unwrap(), b"new");
    assert_eq!(fs::read(share.outside().join("secret")).unwrap(), b"secret");
    assert_eq!(share.rename("link", "old"), Ok(()));
    assert_eq!(share.read("old").unwrap(), b"new");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 4);
}

#[test]
fn nothing_is_moved_into_itself() {
    let share = Share::new();
    let root = share.root();
    share.put("a/b/file", "x");
    symlink("a/b", root.join("link")).unwrap();
    for (from, to) in [("a", "a/c"), ("a", "a/b/c/d"), ("a", "link/c"), ("a/b", "a/b/b")] {
        assert_eq!(share.rename(from, to), Err(StoreErrorKind::IntoItself), "{from} to {to}");
    }
    assert!(!root.join("a/b/c").exists(), "what was made for nothing stayed");
    assert_eq!(share.rename("a/b", "a"), Err(StoreErrorKind::IsDirectory));
    // A name that starts with another is not below it.
    assert_eq!(share.rename("a", "ab"), Ok(()));
    assert_eq!(share.read("ab/b/file").unwrap(), b"x");
}

#[test]
fn onto_itself_nothing_is_done() {
    let share = Share::new();
    let root = share.root();
    let file = share.put("a/file", "x");
    symlink("a", root.join("link")).unwrap();
    let before = fs::metadata(&file).unwrap();
    for (from, to) in [("a/file", "a/file"), ("a/file", "link/file"), ("a", "a")] {
        assert_eq!(share.rename(from, to), Ok(()), "{from} to {to}");
        assert_eq!(share.rename_new(from, to), Ok(()), "{from} to {to}");
    }
    let after = fs::metadata(&file).unwrap();
    assert_eq!((after.ctime(), after.ctime_nsec()), (before.ctime(), before.ctime_nsec()));
    assert_eq!(share.rename("missing", "missing"), Err(StoreErrorKind::NotFound));
}

/// A rename between two names of one file does nothing in the kernel.
#[test]
fn a_second_name_of_the_same_file_stays_alone() {
    let share = Share::new();
    fs::hard_link(share.put("one", "x"), share.root().join("two")).unwrap();
    assert_eq!(share.rename_new("one", "two"), Err(StoreErrorKind::Exists));
    assert_eq!(share.rename("one", "two"), Ok(()));
    assert!(!share.root().join("one").exists());
    assert_eq!(share.read("two").unwrap(), b"x");
}

#[test]
fn what_is_written_goes_where_its_directory_goes_or_is_made_anew() {
    let share = Share::new();
    share.put("a/old", "x");
    assert_eq!(share.upload("a/new", b"x"), Ok(()));
    let mut staged = share.store.create(&new_file("a/late")).unwrap();
    assert_eq!(share.rename("a", "b"), Ok(()));
    staged.publish(Checksum::EMPTY).unwrap();
    assert_eq!(
        share.list(None, Depth::All).unwrap().names(),
        ["a/", "a/late", "b/", "b/new", "b/old"]
    );
}

//! Deleting files and empty directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use haul_core::StoreErrorKind;
use haul_store::{Directory, Options, Store};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::support::{Share, path};

#[test]
fn files_and_empty_directories_go() {
    let share = Share::new();
    share.put("a/file", "x");
    share.put("a/b/file", "x");
    assert_eq!(share.delete("a/b"), Err(StoreErrorKind::NotEmpty));
    assert_eq!(share.delete("a/b/file"), Ok(()));
    assert_eq!(share.delete("a/b"), Ok(()));
    assert_eq!(share.delete("a"), Err(StoreErrorKind::NotEmpty));
    assert_eq!(share.read("a/file").unwrap(), b"x");
    assert_eq!(share.delete("a/file"), Ok(()));
    assert_eq!(share.delete("a"), Ok(()));
    assert_eq!(fs::read_dir(share.root()).unwrap().count(), 0);
    for name in ["a", "a/file"] {
        assert_eq!(share.delete(name), Err(StoreErrorKind::NotFound), "{name}");
    }
}

#[test]
fn a_link_goes_and_what_it_leads_to_stays() {
    let share = Share::new();
    let root = share.root();
    share.put("directory/file", "x");
    fs::create_dir(root.join("empty")).unwrap();
    for (target, link) in [
        ("directory/file", "to-file"),
        ("directory", "to-directory"),
        ("empty", "to-empty"),
        ("nowhere", "to-nowhere"),
        ("../outside/secret", "to-secret"),
        ("../outside", "to-outside"),
        ("to-itself", "to-itself"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    for link in ["to-file", "to-empty", "to-nowhere", "to-secret", "to-outside", "to-itself"] {
        assert_eq!(share.delete(link), Ok(()), "{link}");
        assert!(root.join(link).symlink_metadata().is_err(), "{link}");
    }
    assert_eq!(fs::read(share.outside().join("secret")).unwrap(), b"secret");
    assert!(root.join("empty").is_dir());
    // A link above is followed, as for any other command.
    assert_eq!(share.delete("to-directory/file"), Ok(()));
    assert_eq!(share.delete("to-directory"), Ok(()));
    assert_eq!(fs::read_dir(root.join("directory")).unwrap().count(), 0);
}

#[test]
fn nothing_is_deleted_beneath_what_leads_nowhere() {
    let share = Share::new();
    let root = share.root();
    share.put("file", "x");
    symlink("../outside", root.join("out")).unwrap();
    symlink(share.outside(), root.join("absolute")).unwrap();
    symlink("nowhere", root.join("nowhere-link")).unwrap();
    for name in ["out/secret", "absolute/secret", "nowhere-link/file", "missing/file"] {
        assert_eq!(share.delete(name), Err(StoreErrorKind::NotFound), "{name}");
    }
    assert_eq!(share.delete("file/below"), Err(StoreErrorKind::NotAFile));
    assert_eq!(fs::read(share.outside().join("secret")).unwrap(), b"secret");
}

/// A client that cannot see a file cannot mean it.
#[test]
fn what_is_hidden_stays_and_keeps_its_directory() {
    let share = Share::new();
    let root = share.root();
    for name in [".hidden", "a/.hidden", "b/mine", "c/cannot\\\tname"] {
        share.put(name, "x");
    }
    // A temporary file that is not locked is a leftover, which the store removes at any moment.
    let temporary = fs::File::open(root.join("b/mine")).unwrap();
    temporary.lock().unwrap();
    fs::rename(root.join("b/mine"), root.join("b/.haul-0123456789abcdef")).unwrap();
    fs::create_dir_all(root.join("d/.haul-staging")).unwrap();
    mkfifoat(CWD, root.join("a/fifo"), Mode::RWXU).unwrap();
    let _listener = UnixListener::bind(root.join("socket")).unwrap();
    for name in [".hidden", "a/.hidden", "b/.haul-0123456789abcdef", "d/.haul-staging"] {
        assert_eq!(share.delete(name), Err(StoreErrorKind::NotFound), "{name}");
        assert!(root.join(name).exists(), "{name}");
    }
    for name in ["a/fifo", "socket"] {
        assert_eq!(share.delete(name), Err(StoreErrorKind::NotAFile), "{name}");
        assert!(root.join(name).exists(), "{name}");
    }
    for name in ["a", "b", "c", "d"] {
        assert_eq!(share.delete(name), Err(StoreErrorKind::NotEmpty), "{name}");
    }
    let share = Share::hidden();
    share.put(".hidden/.file", "x");
    assert_eq!(share.delete(".hidden/.file"), Ok(()));
    assert_eq!(share.delete(".hidden"), Ok(()));
    share.put(".haul-0123456789abcdef", "x");
    assert_eq!(share.delete(".haul-0123456789abcdef"), Err(StoreErrorKind::NotFound));
}

#[test]
fn a_share_that_is_only_read_keeps_everything() {
    let share = Share::new();
    share.put("file", "x");
    let store =
        Directory::open(share.root(), Options { read_only: true, ..Options::default() }).unwrap();
    let kinds = [
        store.delete(&path("file"), None).unwrap_err().kind,
        store.make_directory(&path("new")).unwrap_err().kind,
        store.rename(&path("file"), &path("new"), haul_core::Mode::Replace, None).unwrap_err().kind,
    ];
    assert_eq!(kinds, [StoreErrorKind::ReadOnly; 3]);
    assert_eq!(fs::read_dir(share.root()).unwrap().count(), 1);
}

/// It is open, and is read as it was.
#[test]
fn who_reads_a_file_reads_it_to_its_end() {
    let share = Share::new();
    share.put("file", "content");
    let mut source = share.store.open(&path("file")).unwrap();
    assert_eq!(share.delete("file"), Ok(()));
    assert_eq!(crate::support::read_all(&mut source).unwrap(), b"content");
}

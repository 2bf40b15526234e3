//! Nothing outside the shared directory is reached, and nothing but regular files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use haul_core::{Depth, StoreErrorKind};
use haul_store::{Directory, Options};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, makedev, mkfifoat, mknodat, renameat_with};

use crate::support::{Running, Share, create_only, path, upload};

fn names_in(directory: &std::path::Path) -> BTreeSet<OsString> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn links_that_leave_lead_nowhere() {
    let share = Share::new();
    let root = share.root();
    share.put("sub/file", "x");
    symlink("../outside/secret", root.join("leaf")).unwrap();
    symlink(share.outside().join("secret"), root.join("absolute-leaf")).unwrap();
    symlink("../outside", root.join("parent")).unwrap();
    symlink(share.outside(), root.join("absolute-parent")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("sub/../../outside", root.join("around")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    symlink("../share/sub/file", root.join("out-and-in")).unwrap();
    symlink(root.join("sub/file"), root.join("absolute-inside")).unwrap();

    for name in [
        "leaf",
        "absolute-leaf",
        "parent/secret",
        "absolute-parent/secret",
        "up/outside/secret",
        "around/secret",
        "magic/etc/passwd",
        "out-and-in",
        "absolute-inside",
    ] {
        assert_eq!(share.read(name), Err(StoreErrorKind::NotFound), "{name}");
        let listed = share.list(Some(name), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
    }
    for name in ["parent", "absolute-parent", "up", "around", "magic"] {
        let listed = share.list(Some(name), Depth::All);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
        let below = format!("{name}/new");
        assert_eq!(share.upload(&below, b"x"), Err(StoreErrorKind::NotFound), "{name}");
        let deep = format!("{name}/a/b/new");
        assert_eq!(share.upload(&deep, b"x"), Err(StoreErrorKind::NotFound), "{name}");
    }
    assert_eq!(share.list(None, Depth::All).unwrap().names(), ["sub/", "sub/file"]);
    assert_eq!(names_in(&share.outside()), BTreeSet::from(["secret".into()]));
}

#[test]
fn links_that_stay_are_followed() {
    let share = Share::new();
    let root = share.root();
    share.put("a/b/file", "inside");
    symlink("b/file", root.join("a/relative")).unwrap();
    symlink("../a/b", root.join("a/up-and-down")).unwrap();
    symlink("a/relative", root.join("chain")).unwrap();
    symlink("a/b/..", root.join("dots")).unwrap();

    for name in ["a/relative", "a/up-and-down/file", "chain", "dots/b/file"] {
        assert_eq!(share.read(name).unwrap(), b"inside", "{name}");
    }
    assert_eq!(
        share.list(Some("dots"), Depth::ONE).unwrap().names(),
        ["dots/b/", "dots/relative", "dots/up-and-down@"]
    );
    share.upload("a/up-and-down/new", b"new").unwrap();
    assert_eq!(fs::read(root.join("a/b/new")).unwrap(), b"new");
}

#[test]
fn circles_of_links_end() {
    let share = Share::new();
    symlink("two", share.root().join("one")).unwrap();
    symlink("one", share.root().join("two")).unwrap();
    symlink(".", share.root().join("self")).unwrap();
    assert_eq!(share.read("one"), Err(StoreErrorKind::NotFound));
    assert_eq!(share.read("one/file"), Err(StoreErrorKind::NotFound));
    assert_eq!(share.list(None, Depth::All).unwrap().names(), ["self@"]);
}

#[test]
fn a_link_is_replaced_and_never_written_through() {
    let share = Share::new();
    let secret = share.outside().join("secret");
    for target in [secret.as_path(), std::path::Path::new("nowhere")] {
        let link = share.root().join("link");
        let _ = fs::remove_file(&link);
        symlink(target, &link).unwrap();
        assert_eq!(
            upload(&share.store, &create_only("link"), b"new").unwrap_err().kind,
            StoreErrorKind::Exists
        );
        share.upload("link", b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }
    assert_eq!(fs::read(secret).unwrap(), b"secret");
    assert_eq!(names_in(&share.outside()).len(), 1);
}

#[test]
fn a_hard_link_to_the_outside_gets_a_file_of_its_own() {
    let share = Share::new();
    let secret = share.outside().join("secret");
    fs::hard_link(&secret, share.root().join("linked")).unwrap();
    share.upload("linked", b"new").unwrap();
    assert_eq!(share.read("linked").unwrap(), b"new");
    assert_eq!(fs::read(secret).unwrap(), b"secret");
}

#[test]
fn a_sibling_with_the_same_beginning_is_not_reached() {
    let share = Share::new();
    fs::create_dir(share.around().join("share-secret")).unwrap();
    fs::write(share.around().join("share-secret/file"), "x").unwrap();
    symlink("../share-secret", share.root().join("sibling")).unwrap();
    assert_eq!(share.read("sibling/file"), Err(StoreErrorKind::NotFound));
    assert_eq!(share.read("-secret/file"), Err(StoreErrorKind::NotFound));
}

#[test]
fn a_link_swapped_for_a_directory_never_lets_anyone_out() {
    const FLIPS: usize = 30_000;
    let share = Share::new();
    let root = share.root();
    share.put("door/secret", "inside");
    symlink("../outside", root.join("trap")).unwrap();
    share.put("leaf", "inside");
    symlink("../outside/secret", root.join("leaf-trap")).unwrap();

    let flipping = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running = Running::new(&flipping);
        let root = &root;
        scope.spawn(move || {
            let _running = running;
            for _ in 0..FLIPS {
                for (one, other) in [("door", "trap"), ("leaf", "leaf-trap")] {
                    let (one, other) = (root.join(one), root.join(other));
                    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                }
            }
        });
        while flipping.load(Ordering::Acquire) > 0 {
            for name in ["door/secret", "leaf"] {
                if let Ok(content) = share.read(name) {
                    assert_eq!(content, b"inside");
                }
            }
            // It may fail or succeed; it must not write outside.
            let _ = share.upload("door/new", b"new");
            let _ = share.upload("door/made/new", b"new");
            if let Ok(listed) = share.list(Some("door"), Depth::All) {
                assert!(listed.names().iter().all(|name| name.starts_with("door/")));
            }
        }
    });
    assert_eq!(names_in(&share.outside()), BTreeSet::from(["secret".into()]));
    assert_eq!(fs::read(share.outside().join("secret")).unwrap(), b"secret");
}

#[test]
fn a_link_swapped_for_a_directory_lets_no_change_out() {
    const FLIPS: usize = 30_000;
    let share = Share::new();
    let root = share.root();
    fs::create_dir(root.join("door")).unwrap();
    fs::create_dir(share.outside().join("empty")).unwrap();
    symlink("../outside", root.join("trap")).unwrap();
    let flipping = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running = Running::new(&flipping);
        let (door, trap) = (root.join("door"), root.join("trap"));
        scope.spawn(move || {
            let _running = running;
            for _ in 0..FLIPS {
                renameat_with(CWD, &door, CWD, &trap, RenameFlags::EXCHANGE).unwrap();
            }
        });
        while flipping.load(Ordering::Acquire) > 0 {
            // Each may fail, because the directory or the link exists.
            let _ = share.upload("door/secret", b"inside");
            let _ = share.make_directory("door/empty");
            let _ = share.make_directory("door/a/b");
            let _ = share.rename("door/secret", "taken");
            let _ = share.rename("door/empty", "door/a/empty");
            if let Ok(content) = share.read("taken") {
                assert_eq!(content, b"inside");
            }
            let _ = share.rename("taken", "door/secret");
            for name in ["door/secret", "door/a/empty", "door/empty", "door/a/b", "door/a"] {
                let _ = share.delete(name);
            }
        }
    });
    assert_eq!(names_in(&share.outside()), BTreeSet::from(["empty".into(), "secret".into()]));
    assert_eq!(fs::read(share.outside().join("secret")).unwrap(), b"secret");
}

#[test]
fn only_regular_files_are_files() {
    let share = Share::new();
    let root = share.root();
    mkfifoat(CWD, root.join("fifo"), Mode::RWXU).unwrap();
    let _listener = UnixListener::bind(root.join("socket")).unwrap();
    fs::create_dir(root.join("directory")).unwrap();
    let mut special = vec!["fifo", "socket"];
    // Only root may make devices.
    let null =
        mknodat(CWD, root.join("null"), FileType::CharacterDevice, Mode::RWXU, makedev(1, 3));
    match null {
        Ok(()) => special.push("null"),
        Err(errno) => eprintln!("not shown for a device: {errno}"),
    }
    symlink("fifo", root.join("link-to-fifo")).unwrap();

    for name in &special {
        assert_eq!(share.read(name), Err(StoreErrorKind::NotAFile), "{name}");
        assert_eq!(share.upload(name, b"x"), Err(StoreErrorKind::NotAFile), "{name}");
        let listed = share.list(Some(name), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotAFile, "{name}");
    }
    assert_eq!(share.read("link-to-fifo"), Err(StoreErrorKind::NotAFile));
    assert_eq!(share.read("directory"), Err(StoreErrorKind::IsDirectory));
    assert_eq!(share.upload("directory", b"x"), Err(StoreErrorKind::IsDirectory));
    assert_eq!(share.read("fifo/x"), Err(StoreErrorKind::NotAFile));
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.names(), listed.skipped), (vec!["directory/".to_owned()], 0));
}

#[test]
fn a_file_is_no_directory() {
    let share = Share::new();
    share.put("file", "x");
    assert_eq!(share.read("file/below"), Err(StoreErrorKind::NotAFile));
    assert_eq!(share.upload("file/below", b"x"), Err(StoreErrorKind::NotAFile));
    assert_eq!(share.upload("file/far/below", b"x"), Err(StoreErrorKind::NotAFile));
    let listed = share.list(Some("file/below"), Depth::ONE);
    assert_eq!(listed.err().unwrap(), StoreErrorKind::NotAFile);
}

#[test]
fn hidden_names_are_not_there() {
    let share = Share::new();
    share.put(".hidden", "x");
    share.put(".directory/file", "x");
    share.put("seen/.hidden", "x");
    for name in [".hidden", ".directory/file", "seen/.hidden", ".new", "seen/.new/file"] {
        assert_eq!(share.read(name), Err(StoreErrorKind::NotFound), "{name}");
        assert_eq!(share.upload(name, b"x"), Err(StoreErrorKind::NotFound), "{name}");
        let listed = share.list(Some(name), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
    }
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.names(), listed.skipped), (vec!["seen/".to_owned()], 0));
}

#[test]
fn hidden_names_are_served_if_told_to() {
    let share = Share::hidden();
    share.upload(".hidden/.file", b"x").unwrap();
    assert_eq!(share.read(".hidden/.file").unwrap(), b"x");
    assert_eq!(share.list(None, Depth::All).unwrap().names(), [".hidden/", ".hidden/.file"]);
}

#[test]
fn what_cannot_be_shared_is_told_when_it_is_opened() {
    let share = Share::new();
    share.put("file", "x");
    assert!(Directory::open(share.root().join("missing"), Options::default()).is_err());
    assert!(Directory::open(share.root().join("file"), Options::default()).is_err());
    // Opening it must not block either.
    mkfifoat(CWD, share.root().join("fifo"), Mode::RWXU).unwrap();
    assert!(Directory::open(share.root().join("fifo"), Options::default()).is_err());
}

#[test]
fn names_as_long_as_file_systems_take() {
    let share = Share::new();
    let name = "n".repeat(255);
    share.upload(&name, b"long").unwrap();
    share.upload(&name, b"longer").unwrap();
    assert_eq!(share.read(&name).unwrap(), b"longer");
    // 1024 bytes in all: four components and three slashes.
    let deep = [&name[..254], &name[..254], &name[..254], &name[..255]].join("/");
    assert_eq!(deep.len(), 1020);
    share.upload(&deep, b"deep").unwrap();
    assert_eq!(share.read(&deep).unwrap(), b"deep");
    assert_eq!(share.list(Some(&deep), Depth::ONE).unwrap().entries.len(), 1);
    assert_eq!(path(&deep).components().count(), 4);
}

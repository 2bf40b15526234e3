//! The staging area.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use haul_core::{Checksum, Depth, StoreErrorKind};
use haul_store::{Directory, Options, Staged, Store};

use crate::support::{Share, new_file, path};

#[test]
fn it_is_never_reached() {
    let share = Share::on_tmpfs();
    let root = share.root();
    let mut staged = share.store.create(&new_file("file")).unwrap();
    staged.write(0, b"unfinished").unwrap();
    let file = share.staged().pop().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    symlink(".haul-staging", root.join("to-area")).unwrap();
    symlink(format!(".haul-staging/{name}"), root.join("to-file")).unwrap();
    symlink(format!("./to-area/../.haul-staging/{name}"), root.join("to-file-by-area")).unwrap();
    symlink(".", root.join("self")).unwrap();
    symlink(".haul-staging/.", root.join("to-area-by-dot")).unwrap();

    for name in [
        format!(".haul-staging/{name}"),
        format!(".HAUL-staging/{name}"),
        format!("to-area/{name}"),
        format!("self/.haul-staging/{name}"),
        format!("to-area-by-dot/{name}"),
        "to-file".into(),
        "to-file-by-area".into(),
    ] {
        assert_eq!(share.read(&name), Err(StoreErrorKind::NotFound), "{name}");
        let listed = share.list(Some(&name), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
    }
    for name in [".haul-staging", "to-area", "self/.haul-staging", "to-area-by-dot"] {
        let listed = share.list(Some(name), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
        assert_eq!(share.read(name), Err(StoreErrorKind::NotFound), "{name}");
        let below = format!("{name}/new");
        assert_eq!(share.upload(&below, b"x"), Err(StoreErrorKind::NotFound), "{below}");
        let deep = format!("{name}/new/new");
        assert_eq!(share.upload(&deep, b"x"), Err(StoreErrorKind::NotFound), "{deep}");
    }
    assert_eq!(share.upload(".haul-staging", b"x"), Err(StoreErrorKind::NotFound));
    assert_eq!(share.list(None, Depth::All).unwrap().names(), ["self@"]);
    assert_eq!(share.list(Some("self"), Depth::All).unwrap().names(), ["self/self@"]);
    assert_eq!(share.staged(), [file]);
}

#[test]
fn a_share_within_a_share_keeps_its_own() {
    let share = Share::hidden();
    share.put("inner/file", "x");
    let inner = Directory::open(share.root().join("inner"), Options::default()).unwrap();
    let _staged = inner.create(&new_file("new")).unwrap();
    assert_eq!(share.list(None, Depth::All).unwrap().names(), ["inner/", "inner/file"]);
    let listed = share.list(Some("inner/.haul-staging"), Depth::ONE);
    assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound);
}

#[test]
fn leftovers_are_swept_and_the_living_are_not() {
    let share = Share::on_tmpfs();
    let mut living = share.store.create(&new_file("living")).unwrap();
    living.write(0, b"alive").unwrap();
    let living_file = share.staged().pop().unwrap();
    // What a killed server leaves: such a file that nobody holds.
    let name = living_file.file_name().unwrap().to_str().unwrap();
    let last = if name.ends_with('0') { "1" } else { "0" };
    let leftover = living_file.with_file_name(format!("{}{last}", &name[..name.len() - 1]));
    fs::write(&leftover, "torn").unwrap();
    let foreign = living_file.with_file_name("somebody's notes");
    fs::write(&foreign, "x").unwrap();

    let second = Directory::open(share.root(), Options::default()).unwrap();
    let mut left = share.staged();
    left.sort();
    let mut expected = [living_file, foreign];
    expected.sort();
    assert_eq!(left, expected);

    living.publish(Checksum::of(b"alive")).unwrap();
    drop(living);
    assert_eq!(share.read("living").unwrap(), b"alive");
    assert!(second.open(&path("living")).is_ok());
}

#[test]
fn it_is_made_again_when_somebody_removes_it() {
    let share = Share::new();
    fs::remove_dir_all(share.root().join(".haul-staging")).unwrap();
    share.upload("file", b"x").unwrap();
    let mut staged = share.store.create(&new_file("file")).unwrap();
    fs::remove_dir_all(share.root().join(".haul-staging")).unwrap();
    staged.write(0, b"lost").unwrap();
    assert_eq!(staged.publish(Checksum::of(b"lost")).unwrap_err().kind, StoreErrorKind::Io);
    drop(staged);
    assert_eq!(share.read("file").unwrap(), b"x");
    share.upload("file", b"again").unwrap();
}

#[test]
fn without_one_the_rest_is_served() {
    for link in [false, true] {
        let share = Share::new();
        let area = share.root().join(".haul-staging");
        fs::remove_dir(&area).unwrap();
        if link {
            symlink("../outside", &area).unwrap();
        } else {
            fs::write(&area, "in the way").unwrap();
        }
        share.put("file", "x");
        let refused = Directory::open(share.root(), Options::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        // Who serves already goes on.
        assert_eq!(share.read("file").unwrap(), b"x");
        assert_eq!(share.list(None, Depth::All).unwrap().names(), ["file"]);
        assert_eq!(share.upload("new", b"x"), Err(StoreErrorKind::Denied));
        assert_eq!(fs::read_dir(share.outside()).unwrap().count(), 1);
    }
}

//! Many files beneath a directory that the user named.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use haul_core::{Checksum, Mode as Publish, StoreErrorKind};
use haul_store::{Found, LocalDirectory, NewFile, Source, Target};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use crate::support::path;

fn tree() -> TempDir {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::create_dir_all(at(".git/objects")).unwrap();
    for name in ["one", "a/two", "a/b/three", ".hidden", "a/.four", ".git/objects/five"] {
        fs::write(at(name), name).unwrap();
    }
    directory
}

fn bring(directory: &LocalDirectory, name: &str, overwrite: bool) -> Result<(), StoreErrorKind> {
    let file = NewFile {
        path: path("of/the/server"),
        mode: Publish::Replace,
        size: None,
        modified: None,
        executable: false,
        durable: false,
    };
    let store = || {
        let mut staged = directory.target(&path(name), overwrite)?.create(&file)?;
        staged.write(0, b"new")?;
        staged.publish(Checksum::of(b"new"))
    };
    store().map_err(|error: haul_core::StoreError| error.kind)
}

fn walked(directory: &Path, hidden: bool) -> (Vec<String>, usize, usize) {
    let (mut files, mut special, mut left) = (Vec::new(), 0, 0);
    for found in LocalDirectory::open(directory).unwrap().walk(hidden) {
        match found.unwrap() {
            Found::File(path) => files.push(path.as_str().to_owned()),
            Found::Special(_) => special += 1,
            Found::Hidden(_) => left += 1,
        }
    }
    files.sort();
    (files, special, left)
}

#[test]
fn a_walk_comes_upon_every_regular_file_and_follows_nothing() {
    let directory = tree();
    symlink("/etc", directory.path().join("a/link")).unwrap();
    symlink("one", directory.path().join("other")).unwrap();
    mkfifoat(CWD, directory.path().join("pipe"), Mode::RWXU).unwrap();
    let (files, special, hidden) = walked(directory.path(), false);
    assert_eq!(files, ["a/b/three", "a/two", "one"]);
    assert_eq!((special, hidden), (3, 3));
    let (files, special, hidden) = walked(directory.path(), true);
    assert_eq!(files, [".git/objects/five", ".hidden", "a/.four", "a/b/three", "a/two", "one"]);
    assert_eq!((special, hidden), (3, 0));
}

#[test]
fn what_cannot_be_sent_does_not_end_a_walk() {
    let directory = tree();
    fs::write(directory.path().join("back\\slash"), "").unwrap();
    fs::write(directory.path().join("line\nbreak"), "").unwrap();
    let walk = LocalDirectory::open(directory.path()).unwrap().walk(false);
    let (found, errors): (Vec<_>, Vec<_>) = walk.partition(Result::is_ok);
    assert_eq!(found.len(), 6);
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::BadName);
        assert!(!error.detail.contains('\n'), "{error}");
    }
    let missing = LocalDirectory::open(directory.path().join("missing"));
    assert_eq!(missing.unwrap_err().kind, StoreErrorKind::NotFound);
}

#[test]
fn sources_are_regular_files_and_no_link_leads_to_them() {
    let directory = tree();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), directory.path().join("out")).unwrap();
    symlink("one", directory.path().join("inside")).unwrap();
    mkfifoat(CWD, directory.path().join("pipe"), Mode::RWXU).unwrap();
    let from = LocalDirectory::open(directory.path()).unwrap();
    assert_eq!(from.source(&path("a/b/three")).unwrap().read(0, 100).unwrap(), "a/b/three");
    for (name, kind) in [
        ("out/secret", StoreErrorKind::Denied),
        ("inside", StoreErrorKind::Denied),
        ("pipe", StoreErrorKind::NotAFile),
        ("a", StoreErrorKind::IsDirectory),
        ("missing", StoreErrorKind::NotFound),
    ] {
        assert_eq!(from.source(&path(name)).unwrap_err().kind, kind, "{name}");
    }
}

#[test]
fn downloads_go_beneath_it_and_nowhere_else() {
    let directory = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    let here = directory.path().join("here");
    for durable in [false, true] {
        let into = LocalDirectory::make(&here, durable).unwrap();
        bring(&into, "file", true).unwrap();
        bring(&into, "x/y/z/file", true).unwrap();
        bring(&into, "x/y/z/other", true).unwrap();
        bring(&into, "x/file", true).unwrap();
        into.make_directory(&path("empty/one")).unwrap();
        assert_eq!(bring(&into, "file", false), Err(StoreErrorKind::Exists));
        assert_eq!(bring(&into, "file/below", true), Err(StoreErrorKind::NotAFile));
        assert_eq!(bring(&into, "x/y", true), Err(StoreErrorKind::IsDirectory));
        assert!(here.join("empty/one").is_dir());
        let (files, special, hidden) = walked(&here, true);
        assert_eq!(files, ["file", "x/file", "x/y/z/file", "x/y/z/other"]);
        assert_eq!((special, hidden), (0, 0));
        for name in files {
            assert_eq!(fs::read(here.join(name)).unwrap(), b"new");
        }

        symlink(outside.path(), here.join("out")).unwrap();
        symlink("x", here.join("in")).unwrap();
        assert_eq!(bring(&into, "out/file", true), Err(StoreErrorKind::Denied));
        assert_eq!(bring(&into, "in/file", true), Err(StoreErrorKind::Denied));
        assert_eq!(into.make_directory(&path("out/d")).unwrap_err().kind, StoreErrorKind::Denied);
        // A link in the file's own place is replaced itself.
        bring(&into, "out", true).unwrap();
        assert_eq!(fs::read(here.join("out")).unwrap(), b"new");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        fs::remove_dir_all(&here).unwrap();
    }
    let missing = LocalDirectory::make(directory.path().join("not/there"), false);
    assert_eq!(missing.unwrap_err().kind, StoreErrorKind::NotFound);
}

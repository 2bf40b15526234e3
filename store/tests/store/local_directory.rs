//! Many files beneath a directory that the user named.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use haul_core::{Checksum, Mode as Publish, StoreErrorKind};
use haul_store::{Found, LeftOut, LocalDirectory, NewFile, Source, Target, Walk};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use crate::descriptors::open_beneath;
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
        if_match: None,
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
    store().map(drop).map_err(|error: haul_core::StoreError| error.kind)
}

/// The results of a walk, in order: files, empty directories, and what is left out.
#[derive(Debug, Default, PartialEq)]
struct Walked {
    files: Vec<String>,
    empty: Vec<String>,
    /// By its path beneath the directory.
    left_out: Vec<(String, LeftOut)>,
}

fn walked(directory: &Path, walk: Walk) -> Walked {
    let mut walked = Walked::default();
    for found in walk {
        match found.unwrap() {
            Found::File(path) => walked.files.push(path.as_str().to_owned()),
            Found::Directory { path, empty: true } => {
                walked.empty.push(path.unwrap().as_str().to_owned());
            }
            Found::Directory { .. } => {}
            Found::LeftOut { shown, why } => {
                let beneath = shown.strip_prefix(directory.to_str().unwrap()).unwrap();
                walked.left_out.push((beneath.strip_prefix('/').unwrap().to_owned(), why));
            }
        }
    }
    walked.files.sort();
    walked.empty.sort();
    walked.left_out.sort_by(|a, b| a.0.cmp(&b.0));
    walked
}

fn walk(directory: &Path) -> Walk {
    LocalDirectory::open(directory).unwrap().walk()
}

fn left_out<const N: usize>(all: [(&str, LeftOut); N]) -> Vec<(String, LeftOut)> {
    all.map(|(name, why)| (name.to_owned(), why)).to_vec()
}

const ALL: [&str; 6] = [".git/objects/five", ".hidden", "a/.four", "a/b/three", "a/two", "one"];

#[test]
fn a_walk_comes_upon_all_and_follows_nothing() {
    let directory = tree();
    let here = directory.path();
    let at = |name: &str| here.join(name);
    symlink("/etc", at("a/link")).unwrap();
    symlink("one", at("other")).unwrap();
    mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
    fs::create_dir_all(at("empty/too")).unwrap();
    // From a download or an upload that was cut off, or is running.
    fs::write(at("a/.haul-0123456789abcdef"), "torn").unwrap();
    fs::create_dir(at("a/.haul-staging")).unwrap();
    let found = walked(here, walk(here));
    assert_eq!(found.files, ALL);
    assert_eq!(found.empty, ["empty/too"]);
    let expected = left_out([
        ("a/.haul-0123456789abcdef", LeftOut::Reserved),
        ("a/.haul-staging", LeftOut::Reserved),
        ("a/link", LeftOut::Link),
        ("other", LeftOut::Link),
        ("pipe", LeftOut::Special),
    ]);
    assert_eq!(found.left_out, expected);

    let excluded = |path: &str, is_directory: bool| {
        is_directory && (path == ".git/objects" || path == "a/.haul-staging") || path == "one"
    };
    let found = walked(here, walk(here).excluding(excluded));
    assert_eq!(found.files, [".hidden", "a/.four", "a/b/three", "a/two"]);
    assert!(found.left_out.iter().all(|(name, _)| name != "a/.haul-staging"), "{found:?}");
    let excluded = |path: &str, is_directory: bool| is_directory && path == "a" || path == "one";
    let found = walked(here, walk(here).excluding(excluded));
    assert_eq!(found.files, [".git/objects/five", ".hidden"]);
}

#[test]
fn links_that_stay_beneath_are_followed_once_if_asked() {
    let directory = tree();
    let here = directory.path();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let own_name = here.file_name().unwrap().to_str().unwrap();
    for (target, link) in [
        (&*format!("../{own_name}"), "round"),
        (&*format!("../../{own_name}/a"), "a/round"),
        (here.to_str().unwrap(), "whole"),
        ("a", "to-a"),
        ("../a/b", "a/to-b"),
        ("..", "a/b/up"),
        (".", "self"),
        ("one", "to-one"),
        ("to-one", "to-link"),
        ("missing", "dangling"),
        ("loop", "loop"),
        ("..", "out"),
        (outside.path().to_str().unwrap(), "absolute"),
    ] {
        symlink(target, here.join(link)).unwrap();
    }
    mkfifoat(CWD, here.join("pipe"), Mode::RWXU).unwrap();
    symlink("pipe", here.join("to-pipe")).unwrap();
    let following = LocalDirectory::open(here).unwrap().following();
    let found = walked(here, following.walk());
    for name in ALL.iter().chain(&["to-one", "to-link"]) {
        assert!(found.files.iter().any(|file| file == name), "{name}: {:?}", found.files);
    }
    let again = |name: &str| {
        found.left_out.iter().any(|(left, why)| left == name && *why == LeftOut::Again)
    };
    // Of several links to one directory any may come first.
    assert!(found.files.iter().any(|file| file == "to-a/two") || again("to-a"));
    assert!(
        found.left_out.iter().any(|(left, why)| left.ends_with("b/up") && *why == LeftOut::Again)
    );
    assert!(again("self"));
    // By whatever path.
    assert!(again("round") && again("whole"));
    assert!(again("a/round") || again("to-a/round"));
    for (name, why) in [
        ("dangling", LeftOut::Dangling),
        ("loop", LeftOut::Dangling),
        ("out", LeftOut::Outside),
        ("absolute", LeftOut::Outside),
        ("pipe", LeftOut::Special),
        ("to-pipe", LeftOut::Special),
    ] {
        assert!(found.left_out.contains(&(name.to_owned(), why)), "{name}: {found:?}");
    }
    // What is reported can be read.
    for name in &found.files {
        following.source(&path(name)).unwrap();
    }
    assert_eq!(following.source(&path("out/secret")).unwrap_err().kind, StoreErrorKind::NotFound);
}

#[test]
fn what_cannot_be_sent_does_not_end_a_walk() {
    let directory = tree();
    let here = directory.path();
    fs::write(here.join("back\\slash"), "").unwrap();
    fs::write(here.join("line\nbreak"), "").unwrap();
    let long = ["d".repeat(250).as_str(); 4].join("/");
    fs::create_dir_all(here.join(&long).join("e".repeat(21))).unwrap();
    let found = walked(here, walk(here));
    assert_eq!(found.files, ALL);
    let too_long = format!("{long}/{}", "e".repeat(21));
    let expected = left_out([
        ("back\\\\slash", LeftOut::Name),
        (&too_long, LeftOut::TooLong),
        ("line\\nbreak", LeftOut::Name),
    ]);
    assert_eq!(found.left_out, expected);
    let missing = LocalDirectory::open(here.join("missing"));
    assert_eq!(missing.unwrap_err().kind, StoreErrorKind::NotFound);
}

/// Outer directories are closed meanwhile, and their rest is read later.
#[test]
fn a_deep_tree_is_walked_with_few_descriptors() {
    const DEPTH: usize = 300;
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let mut deep = here.to_owned();
    for level in 0..DEPTH {
        deep.push("d");
        fs::create_dir(&deep).unwrap();
        for file in 0..level % 3 {
            fs::write(deep.join(format!("{file}")), "").unwrap();
        }
        // Entries on both sides of the one that is descended, in whatever order.
        fs::create_dir(deep.join("a")).unwrap();
        fs::create_dir(deep.join("z")).unwrap();
    }
    let mut files = 0;
    let mut empty = 0;
    for found in walk(here) {
        match found.unwrap() {
            Found::File(_) => files += 1,
            Found::Directory { empty: true, .. } => empty += 1,
            Found::Directory { .. } => {}
            Found::LeftOut { shown, why } => panic!("{shown}: {why}"),
        }
        assert!(open_beneath(here).len() <= 1 + 16);
    }
    assert_eq!((files, empty), (DEPTH, 2 * DEPTH));
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
        ("out/secret", StoreErrorKind::NotAFile),
        ("inside", StoreErrorKind::NotAFile),
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
        let found = walked(&here, into.walk());
        assert_eq!(found.files, ["file", "x/file", "x/y/z/file", "x/y/z/other"]);
        assert_eq!((found.empty, found.left_out), (vec!["empty/one".to_owned()], Vec::new()));
        for name in found.files {
            assert_eq!(fs::read(here.join(name)).unwrap(), b"new");
        }

        symlink(outside.path(), here.join("out")).unwrap();
        symlink("x", here.join("in")).unwrap();
        assert_eq!(bring(&into, "out/file", true), Err(StoreErrorKind::NotAFile));
        assert_eq!(bring(&into, "in/file", true), Err(StoreErrorKind::NotAFile));
        assert_eq!(into.make_directory(&path("out/d")).unwrap_err().kind, StoreErrorKind::NotAFile);
        // A link at the file's own name is replaced itself.
        bring(&into, "out", true).unwrap();
        assert_eq!(fs::read(here.join("out")).unwrap(), b"new");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        fs::remove_dir_all(&here).unwrap();
    }
    let missing = LocalDirectory::make(directory.path().join("not/there"), false);
    assert_eq!(missing.unwrap_err().kind, StoreErrorKind::NotFound);
}

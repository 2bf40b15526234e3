//! Listings.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use haul_core::{Depth, Entry, StoreErrorKind, Timestamp};
use haul_store::{Listing, Source, Store};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::descriptors::open_beneath;
use crate::support::{Share, long_ago, name, path};

#[test]
fn a_file_is_listed_with_size_and_time() {
    let share = Share::new();
    let file = File::create(share.put("sub/file", "12345")).unwrap();
    file.set_len(5).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_nanos(1_500_000_000_123_456_789)).unwrap();
    let expected = Entry::File {
        path: path("sub/file"),
        size: 5,
        modified: Timestamp::new(1_500_000_000, 123_456_789).unwrap(),
        executable: false,
    };
    for name in ["sub", "sub/file"] {
        let listed = share.list(Some(name), Depth::ONE).unwrap();
        assert_eq!(listed.entries, std::slice::from_ref(&expected));
    }
}

#[test]
fn times_before_1970_are_times() {
    let share = Share::new();
    let file = File::create(share.put("old", "")).unwrap();
    file.set_modified(UNIX_EPOCH - Duration::from_millis(1_500)).unwrap();
    let listed = share.list(None, Depth::ONE).unwrap();
    let [Entry::File { modified, .. }] = listed.entries[..] else { panic!("one file") };
    assert_eq!(modified, Timestamp::new(-2, 500_000_000).unwrap());
}

#[test]
fn depth_bounds_a_listing() {
    let share = Share::new();
    share.put("a/b/c/file", "");
    share.put("a/file", "");
    let levels = |levels| Depth::Levels(NonZeroU64::new(levels).unwrap());
    let names = |name, depth| share.list(name, depth).unwrap().names();
    assert_eq!(names(None, levels(1)), ["a/"]);
    assert_eq!(names(None, levels(2)), ["a/", "a/b/", "a/file"]);
    assert_eq!(names(None, levels(3)), ["a/", "a/b/", "a/b/c/", "a/file"]);
    let all = ["a/", "a/b/", "a/b/c/", "a/b/c/file", "a/file"];
    assert_eq!(names(None, levels(4)), all);
    assert_eq!(names(None, Depth::All), all);
    assert_eq!(names(Some("a"), levels(1)), ["a/b/", "a/file"]);
    assert_eq!(names(Some("a/b/c/file"), Depth::All), ["a/b/c/file"]);
}

#[test]
fn links_are_listed_as_what_they_lead_to_and_not_descended() {
    let share = Share::new();
    share.put("directory/file", "12345");
    symlink("directory", share.root().join("to-directory")).unwrap();
    symlink("directory/file", share.root().join("to-file")).unwrap();
    symlink("nowhere", share.root().join("dangling")).unwrap();
    symlink("..", share.root().join("directory/up")).unwrap();
    let listed = share.list(None, Depth::All).unwrap();
    let names = ["directory/", "directory/file", "directory/up@", "to-directory@", "to-file"];
    assert_eq!((listed.names(), listed.skipped), (names.map(String::from).to_vec(), 0));
    assert!(matches!(listed.entries[4], Entry::File { size: 5, .. }));
    // A link that was named in the command is another matter.
    assert_eq!(
        share.list(Some("to-directory"), Depth::All).unwrap().names(),
        ["to-directory/file", "to-directory/up@"]
    );
}

#[test]
fn what_its_owner_may_execute_is_told() {
    let share = Share::new();
    for (name, mode) in [("all", 0o755), ("group", 0o654), ("owner", 0o700), ("text", 0o644)] {
        let file = share.put(name, "");
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(share.list(None, Depth::ONE).unwrap().names(), ["all*", "group", "owner*", "text"]);
    assert!(share.store.open(&path("owner")).unwrap().opened().executable);
    assert!(!share.store.open(&path("group")).unwrap().opened().executable);
}

#[test]
fn what_is_left_out_is_named_if_asked() {
    let share = Share::new();
    share.put("good", "");
    share.put(".dot/below/file", "");
    share.put("sub/.env", "");
    share.put("sub/bell\x07", "");
    share.put(".haul-0123456789abcdef", "torn");
    mkfifoat(CWD, share.root().join("pipe"), Mode::RWXU).unwrap();
    for (target, link) in [
        ("nowhere", "dangling"),
        ("..", "out"),
        ("loop", "loop"),
        ("/etc/passwd", "absolute"),
        ("good/x", "below-a-file"),
        ("pipe", "to-pipe"),
        (".haul-staging", "to-staging"),
    ] {
        symlink(target, share.root().join(link)).unwrap();
    }
    let listed = share.list_all();
    let mut names = listed.names();
    names.sort();
    let expected = [
        ".dot (hidden)",
        "absolute (link)",
        "below-a-file (link)",
        "dangling (link)",
        "good",
        "loop (link)",
        "out (link)",
        "pipe (special)",
        "sub/",
        "sub/.env (hidden)",
        r"sub/bell\u{7} (name)",
        "to-pipe (special)",
        "to-staging (link)",
    ];
    assert_eq!((&names[..], listed.skipped), (&expected.map(String::from)[..], 1));
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.names(), listed.skipped), (vec!["good".into(), "sub/".into()], 1));
}

#[test]
fn temporary_names_are_not_there_whoever_may_see_dot_names() {
    let share = Share::hidden();
    share.put(".dot", "");
    share.put("sub/.haul-0123456789abcdef", "torn");
    share.put("sub/.haul-staging/x", "torn");
    assert_eq!(share.list_all().names(), [".dot", "sub/"]);
    for name in ["sub/.haul-0123456789abcdef", "sub/.haul-staging/x"] {
        assert_eq!(share.read(name), Err(StoreErrorKind::NotFound));
    }
}

#[test]
fn names_that_break_the_rules_are_counted() {
    let share = Share::new();
    share.put("good", "");
    for bad in
        [&b"back\\slash"[..], b"new\nline", b"esc\x1b[31m", b"not\xffutf8", "c1\u{85}".as_bytes()]
    {
        File::create(share.root().join(OsStr::from_bytes(bad))).unwrap();
    }
    fs::create_dir(share.root().join("bad\tdirectory")).unwrap();
    fs::write(share.root().join("bad\tdirectory/file"), "").unwrap();
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.names(), listed.skipped), (vec!["good".to_owned()], 6));
}

#[test]
fn paths_too_long_for_the_protocol_are_counted() {
    let share = Share::new();
    let long = "d".repeat(250);
    // 4 × 250 bytes and 3 slashes: 21 bytes are left.
    let deep = [long.as_str(); 4].join("/");
    share.put(&format!("{deep}/{}", "f".repeat(20)), "");
    share.put(&format!("{deep}/{}", "f".repeat(21)), "");
    let listed = share.list(None, Depth::All).unwrap();
    assert_eq!((listed.entries.len(), listed.skipped), (5, 1));
}

#[test]
fn what_is_not_there_cannot_be_listed() {
    let share = Share::new();
    let missing = share.list(Some("missing"), Depth::ONE);
    assert_eq!(missing.err().unwrap(), StoreErrorKind::NotFound);
    assert!(share.list(None, Depth::All).unwrap().entries.is_empty());
}

#[test]
fn a_directory_that_goes_away_ends() {
    let share = Share::new();
    for number in 0..2_000 {
        share.put(&format!("sub/file-{number}"), "");
    }
    let mut listing = share.store.list(None, Depth::All, false).unwrap();
    assert_eq!(listing.next(10).unwrap().len(), 10);
    fs::remove_dir_all(share.root().join("sub")).unwrap();
    let mut rest = 0;
    loop {
        let count = listing.next(10).unwrap().len();
        if count == 0 {
            break;
        }
        rest += count;
    }
    assert!(rest < 2_000);
    assert_eq!(listing.skipped(), 0);
}

/// Reads a listing to its end.
fn rest(listing: &mut impl Listing) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let batch = listing.next(10).unwrap();
        if batch.is_empty() {
            return names;
        }
        names.extend(batch.iter().map(name));
    }
}

#[test]
fn a_directory_that_is_moved_out_is_not_listed_any_further() {
    let all = ["", "sub/", "sub/inner/"];
    for moved in ["sub", "sub/inner"] {
        let share = Share::new();
        for directory in all {
            for number in 0..100 {
                share.put(&format!("{directory}file-{number}"), "");
            }
        }
        let mut listing = share.store.list(None, Depth::All, false).unwrap();
        let mut before = Vec::new();
        while !before.iter().any(|name: &String| name.starts_with("sub/inner/file")) {
            before.extend(listing.next(10).unwrap().iter().map(name));
        }
        fs::rename(share.root().join(moved), share.outside().join("taken")).unwrap();
        let after = rest(&mut listing);
        // It had started to list these, and cannot complete them.
        assert!(after.contains(&"sub/inner/ io".to_owned()), "{after:?}");
        assert_eq!(after.contains(&"sub/ io".to_owned()), moved == "sub", "{after:?}");
        let within = |names: &[String]| {
            names.iter().filter(|name| name.starts_with(&format!("{moved}/file"))).count()
        };
        assert_eq!(within(&after), 0, "{after:?}");
        // Directories that still exist are listed completely.
        let told = before.iter().chain(&after);
        assert_eq!(told.filter(|name| !name.contains('/')).count(), 100);
    }

    // If the listed directory itself fails, the listing fails.
    let share = Share::new();
    for number in 0..100 {
        share.put(&format!("sub/file-{number}"), "");
    }
    let mut listing = share.store.list(Some(&path("sub")), Depth::All, false).unwrap();
    listing.next(10).unwrap();
    fs::rename(share.root().join("sub"), share.outside().join("taken")).unwrap();
    assert_eq!(listing.next(10).unwrap_err().kind, StoreErrorKind::NotFound);
}

#[test]
fn a_deep_tree_is_listed_with_few_descriptors() {
    const DEPTH: usize = 300;
    let share = Share::new();
    let mut deep = share.root();
    for _ in 0..DEPTH {
        deep.push("d");
        fs::create_dir(&deep).unwrap();
        // Entries on both sides of the one that is descended, in whatever order.
        for name in ["a", "f", "z"] {
            File::create(deep.join(name)).unwrap();
        }
    }
    let before = open_beneath(share.around()).len();
    let mut listing = share.store.list(None, Depth::All, false).unwrap();
    let mut names = Vec::new();
    loop {
        let batch = listing.next(5).unwrap();
        assert!(open_beneath(share.around()).len() <= before + 16);
        if batch.is_empty() {
            break;
        }
        names.extend(batch.iter().map(name));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4 * DEPTH);
    assert!(names.iter().all(|name| !name.contains(' ')), "{names:?}");
}

#[test]
fn a_hundred_thousand_entries_come_in_batches() {
    const FILES: usize = 100_000;
    let share = Share::new();
    fs::create_dir(share.root().join("sub")).unwrap();
    for number in 0..FILES {
        File::create(share.root().join(format!("sub/{number}"))).unwrap();
    }
    let mut listing = share.store.list(Some(&path("sub")), Depth::All, false).unwrap();
    let mut seen = Vec::new();
    loop {
        let batch = listing.next(128).unwrap();
        assert!(batch.len() <= 128);
        if batch.is_empty() {
            break;
        }
        seen.extend(batch.iter().map(|entry| entry.path().unwrap().as_str().to_owned()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), FILES);
}

#[test]
fn an_uploaded_time_is_listed() {
    let share = Share::new();
    let file =
        haul_store::NewFile { modified: Some(long_ago()), ..crate::support::new_file("file") };
    crate::support::upload(&share.store, &file, b"x").unwrap();
    let listed = share.list(None, Depth::ONE).unwrap();
    let [Entry::File { modified, size: 1, .. }] = listed.entries[..] else { panic!("one file") };
    assert_eq!(modified, long_ago());
}

//! Mounts: what is where, and what leads nowhere.

use std::fs;
use std::os::unix::fs::symlink;

use haul_core::account::{Right, Rights};
use haul_core::{Depth, StoreErrorKind};
use haul_store::{Listing, Options, Staged, Store, View};

use super::{Viewed, access, all, home, list, mount, read_only};
use crate::mount::Mount;
use crate::support::{Share, new_file, path};

/// The share of most tests: two homes, and two directories of teams.
fn share(viewed: &Viewed) {
    let share = &viewed.share;
    share.put("alice/notes", "hers");
    share.put("alice/.profile", "hidden");
    share.put("alice/photos/sea", "sea");
    share.put("alice/team/hidden", "by the mount");
    share.put("bob/secret", "his");
    share.put("teams/red/plan", "red");
    share.put("teams/red/.dot", "hidden");
    share.put("teams/blue/plan", "blue");
}

fn alice() -> Viewed {
    let viewed = Viewed::new(&[
        home("alice", Rights::ALL),
        mount("team", "teams/red", read_only()),
        mount("far/away/blue", "teams/blue", read_only()),
    ]);
    share(&viewed);
    viewed
}

#[test]
fn the_longest_mount_decides() {
    let viewed = alice();
    assert_eq!(viewed.read("notes").unwrap(), b"hers");
    assert_eq!(viewed.read(".profile").unwrap(), b"hidden");
    assert_eq!(viewed.read("team/plan").unwrap(), b"red");
    assert_eq!(viewed.read("far/away/blue/plan").unwrap(), b"blue");
    for nowhere in ["team/hidden", "team/.dot", "bob/secret", "alice/notes", "far/away/plan"] {
        assert_eq!(viewed.read(nowhere), Err(StoreErrorKind::NotFound), "{nowhere}");
    }
    viewed.upload("team2/new", b"x").unwrap();
    assert_eq!(fs::read(viewed.share.root().join("alice/team2/new")).unwrap(), b"x");
    assert_eq!(viewed.upload("team/new", b"x"), Err(StoreErrorKind::Forbidden(Right::Put)));
}

#[test]
fn a_listing_goes_into_mounts_and_finds_the_way_to_them() {
    let viewed = alice();
    let top = [".profile", "far/", "notes", "photos/", "team/"];
    assert_eq!(viewed.list("", Depth::ONE).unwrap(), top);
    let everything = [
        ".profile",
        "far/",
        "far/away/",
        "far/away/blue/",
        "far/away/blue/plan",
        "notes",
        "photos/",
        "photos/sea",
        "team/",
        "team/.dot (hidden)",
        "team/plan",
    ];
    assert_eq!(viewed.list("", Depth::All).unwrap(), everything);
    let two = Depth::Levels(2.try_into().unwrap());
    let two_levels: Vec<_> =
        everything.into_iter().filter(|name| !name.starts_with("far/away/b")).collect();
    assert_eq!(viewed.list("", two).unwrap(), two_levels);
    assert_eq!(viewed.list("far", Depth::ONE).unwrap(), ["far/away/"]);
    assert_eq!(viewed.list("far", two).unwrap(), ["far/away/", "far/away/blue/"]);
    assert_eq!(viewed.list("team", Depth::ONE).unwrap(), ["team/.dot (hidden)", "team/plan"]);
    assert_eq!(viewed.list("team/plan", Depth::ONE).unwrap(), ["team/plan"]);

    // What the storage has on the way is there too; a file of that name is not.
    viewed.share.put("alice/far/real", "real");
    viewed.share.put("alice/far/away", "a file");
    let far = ["far/away/", "far/away/blue/", "far/away/blue/plan", "far/real"];
    assert_eq!(viewed.list("far", Depth::All).unwrap(), far);
    assert_eq!(viewed.list("far/away", Depth::ONE).unwrap(), ["far/away/blue/"]);
    assert_eq!(viewed.read("far/away"), Err(StoreErrorKind::IsDirectory));
}

#[test]
fn where_nothing_is_mounted_only_ways_to_mounts_are() {
    let viewed = Viewed::new(&[all("a/b", "teams/red"), all("a/c/d", "teams/blue")]);
    share(&viewed);
    assert_eq!(viewed.list("", Depth::ONE).unwrap(), ["a/"]);
    assert_eq!(viewed.list("a", Depth::ONE).unwrap(), ["a/b/", "a/c/"]);
    for nowhere in ["a", "x", "a/x", "a/c"] {
        assert_eq!(viewed.read(nowhere), Err(StoreErrorKind::NotFound), "{nowhere}");
        assert_eq!(viewed.upload(nowhere, b""), Err(StoreErrorKind::NotFound), "{nowhere}");
        assert_eq!(viewed.delete(nowhere), Err(StoreErrorKind::NotFound), "{nowhere}");
        assert_eq!(viewed.make_directory(nowhere), Err(StoreErrorKind::NotFound), "{nowhere}");
        assert_eq!(viewed.rename(nowhere, "a/b/x"), Err(StoreErrorKind::NotFound), "{nowhere}");
        assert_eq!(viewed.rename("a/b/plan", nowhere), Err(StoreErrorKind::NotFound), "{nowhere}");
    }
    assert_eq!(viewed.list("x", Depth::ONE), Err(StoreErrorKind::NotFound));
    viewed.set(&[]);
    assert_eq!(viewed.list("", Depth::ONE), Err(StoreErrorKind::NotFound));
}

/// FAULTS: depth=all above what one may not see.
#[test]
fn what_may_not_be_listed_is_neither_shown_nor_counted() {
    let closed = Rights::of(&[Right::Put, Right::Get]);
    let viewed = Viewed::new(&[
        all("", "alice"),
        mount("team", "teams/red", closed),
        mount("team/inner/blue", "teams/blue", read_only()),
        mount("gone", "teams/green", read_only()),
    ]);
    share(&viewed);
    fs::write(viewed.share.root().join("teams/red/\\"), "a name that cannot be sent").unwrap();
    let mut listing = viewed.view.list(None, Depth::All, false).unwrap();
    let mut names = Vec::new();
    loop {
        let entries = listing.next(2).unwrap();
        if entries.is_empty() {
            break;
        }
        names.extend(entries.iter().map(crate::support::name));
    }
    names.sort();
    assert_eq!(names, ["gone/ io", "notes", "photos/", "photos/sea", "team/ denied"]);
    assert_eq!(listing.skipped(), 0);
    assert_eq!(viewed.list("team", Depth::ONE), Err(StoreErrorKind::Forbidden(Right::List)));
    assert_eq!(viewed.list("team/inner/blue", Depth::ONE).unwrap(), ["team/inner/blue/plan"]);
}

#[test]
fn a_path_that_a_mount_makes_too_long_is_omitted() {
    let at = ["m".repeat(250), "n".repeat(250)].join("/");
    let long = ["a".repeat(250), "b".repeat(250), "c".repeat(250)].join("/");
    let viewed = Viewed::new(&[all(&at, "here")]);
    viewed.share.put(&format!("here/{long}"), "x");
    let mut listing = viewed.view.list(Some(&path(&at)), Depth::All, false).unwrap();
    assert_eq!(listing.next(9).unwrap().len(), 2);
    assert_eq!((listing.next(9).unwrap().len(), listing.skipped()), (0, 1));
    let listed = viewed.list(&at, Depth::All).unwrap();
    assert!(listed.len() == 3 && listed[2].ends_with("(name)"), "{listed:?}");
}

#[test]
fn mounts_and_the_ways_to_them_stay() {
    let viewed = alice();
    viewed.share.put("alice/far/away/x", "x");
    for at in ["team", "far/away/blue"] {
        assert_eq!(viewed.delete(at), Err(StoreErrorKind::Forbidden(Right::Delete)), "{at}");
    }
    viewed.set(&[all("", "alice"), all("team", "teams/red"), all("far/away/blue", "teams/blue")]);
    for (at, kind) in [("team", StoreErrorKind::Denied), ("far", StoreErrorKind::NotEmpty)] {
        assert_eq!(viewed.delete(at), Err(kind), "{at}");
        assert_eq!(viewed.rename(at, "elsewhere"), Err(StoreErrorKind::Denied), "{at}");
        assert_eq!(viewed.rename("notes", at), Err(StoreErrorKind::IsDirectory), "{at}");
        assert_eq!(viewed.upload(at, b"x"), Err(StoreErrorKind::IsDirectory), "{at}");
        assert_eq!(viewed.copy("notes", at), Err(StoreErrorKind::IsDirectory), "{at}");
        assert_eq!(viewed.make_directory(at), Err(StoreErrorKind::Exists), "{at}");
        assert_eq!(viewed.read(at), Err(StoreErrorKind::IsDirectory), "{at}");
    }
    assert_eq!(viewed.rename("notes", "team/notes"), Err(StoreErrorKind::NotSupported));
    viewed.copy("notes", "team/notes").unwrap();
    assert_eq!(viewed.read("team/notes").unwrap(), b"hers");
}

/// FAULTS: no link, bind mount or `..` leads from one mount into another.
#[test]
fn no_link_leads_from_one_mount_into_another() {
    let viewed = alice();
    let root = viewed.share.root();
    for (target, link) in [
        ("../bob/secret", "leaf"),
        ("../bob", "directory"),
        ("../teams/blue", "blue"),
        ("..", "up"),
        ("photos/../../bob", "around"),
        // The view has no such name: this is hidden by a mount.
        ("team/hidden", "shadow"),
        ("team", "shadows"),
    ] {
        symlink(target, root.join("alice").join(link)).unwrap();
    }
    symlink(root.join("bob"), root.join("alice/absolute")).unwrap();
    for name in [
        "leaf",
        "directory/secret",
        "blue/plan",
        "up/bob/secret",
        "around/secret",
        "absolute/secret",
        "shadow",
        "shadows/hidden",
    ] {
        assert_eq!(viewed.read(name), Err(StoreErrorKind::NotFound), "{name}");
        let listed = viewed.list(name, Depth::All);
        assert_eq!(listed, Err(StoreErrorKind::NotFound), "{name}");
    }
    for below in ["directory/new", "up/bob/new", "shadows/new", "absolute/a/b/new"] {
        assert_eq!(viewed.upload(below, b"x"), Err(StoreErrorKind::NotFound), "{below}");
        assert_eq!(viewed.make_directory(below), Err(StoreErrorKind::NotFound), "{below}");
        assert_eq!(viewed.rename("notes", below), Err(StoreErrorKind::NotFound), "{below}");
        assert_eq!(viewed.copy("notes", below), Err(StoreErrorKind::NotFound), "{below}");
    }
    let listed = viewed.list("", Depth::ONE).unwrap();
    assert!(listed.iter().all(|name| !name.starts_with("shadow") || name.ends_with("(link)")));
    assert_eq!(fs::read_dir(root.join("bob")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(root.join("alice/team")).unwrap().count(), 1);

    // Without deeper mounts a link within the mount is followed, and still none out of it.
    viewed.set(&[home("alice", Rights::ALL)]);
    assert_eq!(viewed.read("shadow").unwrap(), b"by the mount");
    assert_eq!(viewed.read("leaf"), Err(StoreErrorKind::NotFound));
    assert_eq!(viewed.read("directory/secret"), Err(StoreErrorKind::NotFound));
}

/// Whoever may change a link must not decide what is mounted.
#[test]
fn a_mount_is_not_reached_through_a_link() {
    let viewed = Viewed::new(&[home("homes/carol", Rights::ALL), all("team", "teams/link")]);
    share(&viewed);
    let root = viewed.share.root();
    symlink("../bob", root.join("teams/link")).unwrap();
    symlink(".", root.join("homes")).unwrap();
    assert_eq!(viewed.read("team/secret"), Err(StoreErrorKind::NotFound));
    assert_eq!(viewed.upload("team/new", b"x"), Err(StoreErrorKind::NotFound));
    assert_eq!(viewed.upload("new", b"x"), Err(StoreErrorKind::NotFound));
    assert!(!root.join("carol").exists());
}

#[test]
fn what_is_mounted_in_a_mount_is_not_in_it() {
    let viewed = Viewed::new(&[home("alice", Rights::ALL)]);
    share(&viewed);
    let root = viewed.share.root();
    fs::create_dir(root.join("alice/bind")).unwrap();
    let Some(_bob) = Mount::again(&root.join("alice/bind"), &root.join("bob")) else { return };
    fs::write(root.join("alice/file"), "").unwrap();
    let Some(_file) = Mount::again(&root.join("alice/file"), &root.join("bob/secret")) else {
        return;
    };
    for name in ["bind", "bind/secret", "file"] {
        assert_eq!(viewed.read(name), Err(StoreErrorKind::NotFound), "{name}");
        assert_eq!(viewed.list(name, Depth::All), Err(StoreErrorKind::NotFound), "{name}");
        assert_eq!(viewed.delete(name), Err(StoreErrorKind::NotFound), "{name}");
        assert_eq!(viewed.rename(name, "mine"), Err(StoreErrorKind::NotFound), "{name}");
    }
    assert_eq!(viewed.upload("bind/new", b"x"), Err(StoreErrorKind::NotFound));
    assert!(viewed.upload("file", b"x").is_err());
    let listed = viewed.list("", Depth::All).unwrap();
    assert!(listed.iter().all(|name| !name.starts_with("bind/")), "{listed:?}");
    assert_eq!(fs::read(root.join("bob/secret")).unwrap(), b"his");

    // A mount may be one of the system's, and the whole share has what is mounted in it.
    viewed.set(&[all("b", "alice/bind"), all("", "")]);
    assert_eq!(viewed.read("b/secret").unwrap(), b"his");
    assert_eq!(viewed.read("alice/bind/secret"), Err(StoreErrorKind::NotFound));
    viewed.set(&[all("", "")]);
    assert_eq!(viewed.read("alice/bind/secret").unwrap(), b"his");
}

/// FAULTS: another case of a forbidden prefix.
#[test]
fn another_spelling_is_no_way_round() {
    let around = tempfile::tempdir().unwrap();
    let root = around.path().join("share");
    fs::create_dir(&root).unwrap();
    let Some((_mount, _device)) = Mount::exfat(&root, &around.path().join("image")) else { return };
    let store = haul_store::Directory::open(&root, Options::default()).unwrap();
    fs::create_dir_all(root.join("secret/deep")).unwrap();
    fs::write(root.join("secret/deep/file"), "x").unwrap();
    let views = haul_store::Share::new(store);
    let user = std::sync::Arc::<super::User>::default();
    let mounts = [all("", ""), mount("SECRET/deep", "secret/deep", Rights::NONE)];
    user.set(Some(access(&mounts, None)));
    let view = View::new(&views, user);
    for name in
        ["secret", "secret/deep", "Secret/Deep/file", "secret/deep/file", "SECRET/DEEP/file"]
    {
        let name = path(name);
        assert_eq!(view.open(&name).err().unwrap().kind, StoreErrorKind::NotFound, "{name:?}");
        assert_eq!(view.delete(&name, None).err().unwrap().kind, StoreErrorKind::NotFound);
        let to = path("elsewhere");
        let moved = view.rename(&name, &to, haul_core::Mode::Replace, None);
        assert_eq!(moved.err().unwrap().kind, StoreErrorKind::NotFound, "{name:?}");
    }
    let listed = list(&view, "", Depth::All).unwrap();
    assert!(listed.iter().all(|name| !name.ends_with("file")), "{listed:?}");
}

#[test]
fn a_home_is_created_when_it_is_used() {
    let viewed = Viewed::new(&[home("homes/dora", Rights::ALL)]);
    assert_eq!(viewed.list("", Depth::ONE).unwrap(), [""; 0]);
    assert!(viewed.share.root().join("homes/dora").is_dir());
    viewed.set(&[all("", "homes/emil")]);
    assert_eq!(viewed.list("", Depth::ONE), Err(StoreErrorKind::NotFound));
    assert_eq!(viewed.upload("x", b""), Err(StoreErrorKind::NotFound));
    assert!(!viewed.share.root().join("homes/emil").exists());
    // The names of unfinished files are nobody's.
    viewed.set(&[home(".haul-0123456789abcdef", Rights::ALL)]);
    assert_eq!(viewed.upload("x", b""), Err(StoreErrorKind::NotFound));
    viewed.set(&[home("homes/dora", Rights::ALL)]);
    assert_eq!(viewed.upload(".haul-0123456789abcdef", b""), Err(StoreErrorKind::NotFound));
}

#[test]
fn a_mount_that_was_moved_away_is_opened_again() {
    let viewed = Viewed::new(&[all("", "bob")]);
    share(&viewed);
    assert_eq!(viewed.read("secret").unwrap(), b"his");
    let mut late = viewed.view.create(&new_file("late")).unwrap();
    let root = viewed.share.root();
    fs::rename(root.join("bob"), root.join("away")).unwrap();
    assert_eq!(viewed.read("secret"), Err(StoreErrorKind::NotFound));
    viewed.share.put("bob/other", "new");
    assert_eq!(viewed.read("other").unwrap(), b"new");
    viewed.upload("more", b"x").unwrap();
    // Nothing goes where it would not be found.
    late.publish(haul_core::Checksum::EMPTY).unwrap_err();
    drop(late);
    assert_eq!(fs::read_dir(root.join("away")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(root.join("bob")).unwrap().count(), 2);
}

/// Mounts are open once, however many sessions use them, and not all of them for ever.
#[test]
fn mounts_are_opened_once() {
    let viewed = Viewed::new(&[]);
    let open = || {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter(|file| {
                let target = fs::read_link(file.as_ref().unwrap().path());
                target.is_ok_and(|target| target.starts_with(viewed.share.root().join("users")))
            })
            .count()
    };
    let views: Vec<_> =
        (0..1000).map(|_| viewed.another(&[home("users/same", Rights::ALL)])).collect();
    for view in &views {
        assert_eq!(list(view, "", Depth::ONE).unwrap(), [""; 0]);
    }
    assert_eq!(open(), 1);
    for user in 0..300 {
        let view = viewed.another(&[home(&format!("users/{user}"), Rights::ALL)]);
        assert_eq!(list(&view, "", Depth::ONE).unwrap(), [""; 0]);
    }
    assert_eq!(open(), 128);
}

#[test]
fn without_accounts_everything_is_as_it_was() {
    let share = Share::new();
    let views = haul_store::Share::new(share.store.clone());
    let view = View::everything(&views);
    super::upload(&view, &new_file("a/b/file"), b"content").unwrap();
    assert_eq!(share.read("a/b/file").unwrap(), b"content");
    symlink("a/b/file", share.root().join("link")).unwrap();
    assert_eq!(list(&view, "", Depth::All).unwrap(), ["a/", "a/b/", "a/b/file", "link"]);
    assert_eq!(view.quota().unwrap(), None);
}

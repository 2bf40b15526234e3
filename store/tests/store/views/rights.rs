//! Rights: what each allows, and that whoever loses one loses it at once.

use std::fs;

use haul_core::account::{Grant, Right, Rights, Role};
use haul_core::{Checksum, Depth, Mode, StoreErrorKind};
use haul_store::{Listing, NewFile, Source, Staged, Store};

use super::{Viewed, all, all_but, home, mount, rename, upload};
use crate::support::{create_only, new_file, path};

#[test]
fn each_right_is_needed_for_what_it_covers() {
    for missing in Right::ALL {
        let viewed = Viewed::new(&[mount("", "here", all_but(*missing))]);
        viewed.share.put("here/file", "file");
        viewed.share.put("here/old", "old");
        viewed.share.put("here/gone", "gone");
        viewed.share.put("here/directory/inner", "inner");
        // What fails names the first right that is missing.
        let with = |rights: &[Right]| {
            let refusal = Err(StoreErrorKind::Forbidden(*missing));
            if rights.contains(missing) { refusal } else { Ok(()) }
        };
        // Whoever may not replace finds that the name exists.
        let replacing = |rights: &[Right]| match missing {
            Right::Replace => Err(StoreErrorKind::Exists),
            _ => with(rights),
        };
        let root = viewed.share.root().join("here");
        assert_eq!(viewed.list("", Depth::ONE).map(drop), with(&[Right::List]));
        assert_eq!(viewed.read("file").map(drop), with(&[Right::Get]));
        assert_eq!(viewed.upload("new", b"x"), with(&[Right::Put]));
        assert_eq!(viewed.upload("old", b"x"), replacing(&[Right::Put]));
        assert_eq!(viewed.copy("file", "copy"), with(&[Right::Get, Right::Put]));
        assert_eq!(viewed.copy("file", "old"), replacing(&[Right::Get, Right::Put]));
        let makes = [Right::Put, Right::MakeDirectory];
        assert_eq!(viewed.upload("parent/new", b"x"), with(&makes));
        assert_eq!(root.join("parent").exists(), with(&makes).is_ok());
        assert_eq!(viewed.upload("directory/new", b"x"), with(&[Right::Put]));
        assert_eq!(viewed.make_directory("made"), with(&[Right::MakeDirectory]));
        let moves = [Right::Move, Right::Put, Right::MakeDirectory];
        assert_eq!(viewed.rename("directory/inner", "parent2/inner"), with(&moves));
        assert_eq!(root.join("parent2").exists(), with(&moves).is_ok());
        assert_eq!(viewed.rename("file", "old"), replacing(&[Right::Move, Right::Put]));
        assert_eq!(viewed.delete("gone"), with(&[Right::Delete]));
    }
}

/// FAULTS: a `drop` account that looks, fetches, replaces, deletes.
#[test]
fn who_may_only_drop_learns_no_names() {
    fn lacks<T>(right: Right) -> Result<T, StoreErrorKind> {
        Err(StoreErrorKind::Forbidden(right))
    }
    let viewed = Viewed::new(&[home("box", Role::Drop.rights())]);
    viewed.share.put("box/there", "secret");
    viewed.share.put("box/directory/there", "secret");
    for name in ["there", "absent", "directory", "directory/there", "absent/there"] {
        assert_eq!(viewed.list(name, Depth::All), lacks(Right::List), "{name}");
        assert_eq!(viewed.read(name), lacks(Right::Get), "{name}");
        assert_eq!(viewed.delete(name), lacks(Right::Delete), "{name}");
        assert_eq!(viewed.rename(name, "other"), lacks(Right::Move), "{name}");
        assert_eq!(viewed.copy(name, "other"), lacks(Right::Get), "{name}");
        let if_match = Some(viewed.share.version("box/there"));
        let known = NewFile { if_match, ..new_file(name) };
        assert_eq!(upload(&viewed.view, &known, b"x"), lacks(Right::Replace), "{name}");
    }
    assert_eq!(viewed.list("", Depth::ONE), Err(StoreErrorKind::Forbidden(Right::List)));
    assert_eq!(viewed.upload("there", b"x"), Err(StoreErrorKind::Exists));
    viewed.upload("new/file", b"x").unwrap();
    assert_eq!(fs::read(viewed.share.root().join("box/there")).unwrap(), b"secret");
}

/// Nobody may take the name between a check and the publication either.
#[test]
fn without_the_right_to_replace_the_name_decides_when_it_is_taken() {
    let viewed = Viewed::new(&[mount("", "here", all_but(Right::Replace))]);
    viewed.share.put("here/from", "from");
    let mut staged = viewed.view.create(&new_file("file")).unwrap();
    viewed.share.put("here/file", "another's");
    assert_eq!(staged.publish(Checksum::EMPTY).unwrap_err().kind, StoreErrorKind::Exists);
    assert_eq!(rename(&viewed.view, "from", "file", Mode::Replace), Err(StoreErrorKind::Exists));
    assert_eq!(fs::read(viewed.share.root().join("here/file")).unwrap(), b"another's");
}

#[test]
fn without_the_right_to_make_directories_a_parent_that_vanished_is_not_made_again() {
    let viewed = Viewed::new(&[mount("", "here", all_but(Right::MakeDirectory))]);
    let parent = viewed.share.root().join("here/parent");
    fs::create_dir_all(&parent).unwrap();
    let mut staged = viewed.view.create(&new_file("parent/file")).unwrap();
    staged.write(0, b"x").unwrap();
    fs::rename(&parent, viewed.share.root().join("here/away")).unwrap();
    assert_eq!(
        staged.publish(Checksum::of(b"x")).unwrap_err().kind,
        StoreErrorKind::Forbidden(Right::MakeDirectory)
    );
    drop(staged);
    assert!(!parent.exists());
    assert_eq!(fs::read_dir(viewed.share.root().join("here/away")).unwrap().count(), 0);
}

/// FAULTS: rights lost in the middle of a body, of a batch, between check and publication.
#[test]
fn a_lost_right_is_lost_at_once() {
    type Lose = fn(&Viewed);
    type Kind = fn(Right) -> StoreErrorKind;
    let losses: [(Lose, Kind); 5] = [
        (|viewed| viewed.user.set(None), |_| StoreErrorKind::Revoked),
        (|viewed| viewed.set(&[mount("", "here", Rights::NONE)]), StoreErrorKind::Forbidden),
        // A file that began as a replacement needs that right until the end.
        (
            |viewed| viewed.set(&[mount("", "here", Role::Drop.rights())]),
            |right| {
                StoreErrorKind::Forbidden(if right == Right::Put { Right::Replace } else { right })
            },
        ),
        (|viewed| viewed.set(&[all("", "elsewhere")]), |_| StoreErrorKind::NotFound),
        (|viewed| viewed.set(&[]), |_| StoreErrorKind::NotFound),
    ];
    for (lose, kind) in losses {
        let viewed = Viewed::new(&[all("", "here")]);
        viewed.share.put("here/old", "old");
        viewed.share.put("elsewhere/old", "old");
        let view = &viewed.view;
        let mut source = view.open(&path("old")).unwrap();
        let mut listing = view.list(None, Depth::All, false).unwrap();
        let mut in_body = view.create(&new_file("old")).unwrap();
        in_body.write(0, b"x").unwrap();
        let mut copy = view.create(&new_file("copy/of/old")).unwrap();
        let mut batch =
            [view.create(&new_file("a")).unwrap(), view.create(&new_file("b")).unwrap()];
        view.sync(&mut batch).unwrap();
        batch[0].publish(Checksum::EMPTY).unwrap();
        let mut created = view.create(&create_only("c")).unwrap();

        lose(&viewed);
        // With `drop` a new file may still be stored.
        let puts = |grant: Grant| grant.rights.contain(Right::Put) && grant.rights != Rights::ALL;
        let drops = view.access().is_ok_and(|access| access.grants().any(puts));
        assert_eq!(source.read(0, 3).unwrap_err().kind, kind(Right::Get));
        assert_eq!(source.prepare_send(0, 3, true).unwrap_err().kind, kind(Right::Get));
        assert_eq!(listing.next(9).unwrap_err().kind, kind(Right::List));
        assert_eq!(in_body.write(1, b"y").unwrap_err().kind, kind(Right::Put));
        assert_eq!(in_body.publish(Checksum::of(b"x")).unwrap_err().kind, kind(Right::Put));
        assert_eq!(view.copy(&mut source, &mut copy, 0, 3).unwrap_err().kind, kind(Right::Get));
        assert_eq!(copy.publish(Checksum::EMPTY).unwrap_err().kind, kind(Right::Put));
        assert_eq!(batch[1].publish(Checksum::EMPTY).unwrap_err().kind, kind(Right::Put));
        assert_eq!(created.publish(Checksum::EMPTY).is_ok(), drops);
        let mut names: Vec<_> = fs::read_dir(viewed.share.root().join("here"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| !name.to_string_lossy().starts_with(".haul-"))
            .collect();
        names.sort();
        let expected: &[&str] = if drops { &["a", "c", "old"] } else { &["a", "old"] };
        assert_eq!(names, expected);
        assert_eq!(fs::read(viewed.share.root().join("here/old")).unwrap(), b"old");
        // What was published before stays, and is brought to stable storage.
        view.sync_directories(&mut batch[..1], &mut []).unwrap();
    }
}

#[test]
fn changes_that_leave_the_rights_do_not_disturb() {
    let viewed = Viewed::new(&[all("", "here")]);
    viewed.share.put("here/old", "old");
    let mut source = viewed.view.open(&path("old")).unwrap();
    let mut staged = viewed.view.create(&new_file("new")).unwrap();
    viewed.set(&[all("", "here"), all("other", "elsewhere")]);
    assert_eq!(source.read(0, 3).unwrap(), "old");
    staged.write(0, b"x").unwrap();
    staged.publish(Checksum::of(b"x")).unwrap();
    assert_eq!(viewed.read("new").unwrap(), b"x");
}

#[test]
fn files_of_several_mounts_are_synced_together() {
    let viewed = Viewed::new(&[all("a", "one"), all("b", "two"), all("c", "")]);
    viewed.share.put("one/file", "");
    viewed.share.put("two/file", "");
    let create = |name| {
        let file = NewFile { durable: true, ..new_file(name) };
        let mut staged = viewed.view.create_another(&file).unwrap().unwrap();
        staged.write(0, name.as_bytes()).unwrap();
        staged
    };
    let names = ["a/x", "b/x", "c/x", "a/y/z", "b/y/z", "c/y/z"];
    let mut staged = names.map(create);
    viewed.view.sync(&mut staged).unwrap();
    for (staged, name) in staged.iter_mut().zip(names) {
        staged.publish(Checksum::of(name.as_bytes())).unwrap();
    }
    let mut changes =
        [viewed.view.delete(&path("a/file"), None), viewed.view.make_directory(&path("b/new"))]
            .map(Result::unwrap);
    viewed.view.sync_directories(&mut staged, &mut changes).unwrap();
    for name in names {
        assert_eq!(viewed.read(name).unwrap(), name.as_bytes());
    }
}

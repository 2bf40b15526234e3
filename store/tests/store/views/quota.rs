//! Quotas of homes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use haul_core::account::{Quota, Rights};
use haul_core::{Checksum, Mode, StoreErrorKind};
use haul_store::{AccessSource, NewFile, Staged, Store, View};

use super::{User, Viewed, access, all, home, rename, upload};
use crate::support::{Running, create_only, new_file, path};

const FULL: StoreErrorKind = StoreErrorKind::NoSpace;

fn limited(limit: u64) -> Viewed {
    Viewed::with_quota(&[home("alice", Rights::ALL)], Some(limit))
}

fn used(viewed: &Viewed) -> u64 {
    viewed.view.quota().unwrap().unwrap().used
}

/// The bytes of all files below a directory.
fn stored(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let entries =
        entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with(".haul-"));
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => stored(&entry.path()),
        Ok(found) => found.len(),
        // It was removed or renamed meanwhile.
        Err(_) => 0,
    };
    entries.map(size).sum()
}

#[test]
fn files_are_counted_as_they_come_and_go() {
    let viewed = limited(100);
    viewed.share.put("alice/there/before", [0; 30]);
    viewed.share.put("alice/.hidden", [0; 10]);
    assert_eq!(viewed.view.quota().unwrap(), Some(Quota { limit: 100, used: 40 }));
    viewed.upload("new", &[1; 20]).unwrap();
    assert_eq!(used(&viewed), 60);
    viewed.upload("new", &[1; 35]).unwrap();
    assert_eq!(used(&viewed), 75);
    // Both versions need room for a moment.
    assert_eq!(viewed.upload("new", &[1; 26]), Err(FULL));
    assert_eq!(viewed.upload("other", &[1; 26]), Err(FULL));
    assert_eq!(viewed.copy("new", "other"), Err(FULL));
    assert_eq!(used(&viewed), 75);
    viewed.upload("new", &[1; 5]).unwrap();
    viewed.copy("new", "deep/copy").unwrap();
    assert_eq!(used(&viewed), 50);
    viewed.rename("there", "elsewhere").unwrap();
    viewed.rename("elsewhere/before", "elsewhere/after").unwrap();
    viewed.rename("new", "new").unwrap();
    assert_eq!(used(&viewed), 50);
    viewed.rename("elsewhere/after", "new").unwrap();
    assert_eq!(used(&viewed), 45);
    assert_eq!(viewed.delete("deep"), Err(StoreErrorKind::NotEmpty));
    viewed.delete("deep/copy").unwrap();
    viewed.delete("deep").unwrap();
    assert_eq!(used(&viewed), 40);
    viewed.delete("new").unwrap();
    assert_eq!(used(&viewed), 10);
    assert_eq!(used(&viewed), stored(&viewed.share.root().join("alice")));
}

/// The size is promised when the upload begins, and comes back when it ends in any other way.
#[test]
fn announced_sizes_are_reserved() {
    let viewed = limited(100);
    let sized = |name, size| NewFile { size: Some(size), ..new_file(name) };
    let first = viewed.view.create(&sized("first", 60)).unwrap();
    assert_eq!(used(&viewed), 60);
    assert_eq!(viewed.view.create(&sized("second", 41)).err().unwrap().kind, FULL);
    let second = viewed.view.create_another(&sized("second", 40)).unwrap();
    assert_eq!(viewed.upload("third", b"x"), Err(FULL));
    drop(first);
    assert_eq!(used(&viewed), 40);
    drop(second);
    assert_eq!(used(&viewed), 0);
    // A name that cannot be taken gives it back at once, and so does a failed publication.
    fs::create_dir(viewed.share.root().join("alice/directory")).unwrap();
    viewed.view.create(&sized("directory", 100)).err().unwrap();
    assert_eq!(used(&viewed), 0);
    let mut late = viewed.view.create(&NewFile { size: Some(70), ..create_only("late") }).unwrap();
    viewed.share.put("alice/late", "");
    late.publish(Checksum::EMPTY).unwrap_err();
    drop(late);
    assert_eq!(used(&viewed), 0);
}

#[test]
fn bytes_without_an_announced_size_are_reserved_as_they_come() {
    let viewed = limited(100);
    let mut staged = viewed.view.create(&new_file("file")).unwrap();
    staged.write(0, &[0; 60]).unwrap();
    assert_eq!(used(&viewed), 60);
    assert_eq!(viewed.upload("other", &[0; 41]), Err(FULL));
    assert_eq!(staged.write(60, &[0; 41]).unwrap_err().kind, FULL);
    drop(staged);
    assert_eq!(used(&viewed), 0);
}

/// FAULTS: parallel uploads and copies beyond the quota, abandoned ones among them. Nothing is replaced or removed here,
/// so that a walk never finds more than there is.
#[test]
fn the_sum_never_exceeds_the_quota_however_many_upload() {
    const LIMIT: u64 = 1_000_000;
    let viewed = limited(LIMIT);
    viewed.upload("seed", &[7; 1000]).unwrap();
    let home = viewed.share.root().join("alice");
    let (running, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..8_usize {
            let (viewed, counted, refused) = (&viewed, Running::new(&running), &refused);
            scope.spawn(move || {
                let _counted = counted;
                for round in 0..60_usize {
                    let name = format!("{thread}/{round}");
                    let size = 1 + (thread * 4099 + round * 2801) % 20_000;
                    let announced = (round % 2 == 0).then_some(size as u64);
                    let file = NewFile { size: announced, ..new_file(&name) };
                    let done = match round % 6 {
                        0 => viewed.view.create(&file).map(drop).map_err(|error| error.kind),
                        1 => viewed.copy("seed", &name),
                        _ => upload(&viewed.view, &file, &vec![1; size]),
                    };
                    if done.is_err() {
                        assert_eq!(done, Err(FULL));
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        while running.load(Ordering::Acquire) > 0 {
            let stored = stored(&home);
            assert!(stored <= LIMIT, "{stored} are stored");
            assert!(used(&viewed) <= LIMIT);
            thread::yield_now();
        }
    });
    assert_eq!(used(&viewed), stored(&home));
    assert!(used(&viewed) > LIMIT - 20_000 && refused.into_inner() > 0);
}

#[test]
fn nothing_is_lost_or_left_over_whatever_happens_at_once() {
    let viewed = limited(100_000);
    let other = viewed.another(&[all("", "")]);
    thread::scope(|scope| {
        for thread in 0..8_usize {
            let (viewed, other) = (&viewed, &other);
            scope.spawn(move || {
                for round in 0..60_usize {
                    let name = format!("{}", (thread * 7 + round * 5) % 11);
                    let size = 1 + (thread * 4099 + round * 2801) % 30_000;
                    // Many of these fail, in every way.
                    let _ = match round % 5 {
                        0 => viewed.delete(&name),
                        1 => viewed.copy(&name, &format!("{thread}")),
                        2 => rename(&viewed.view, &name, "seed", Mode::Replace),
                        3 => upload(other, &new_file(&format!("alice/{name}")), &vec![3; size]),
                        _ => viewed.upload(&name, &vec![1; size]),
                    };
                    assert!(used(viewed) <= 100_000);
                }
            });
        }
    });
    assert_eq!(used(&viewed), stored(&viewed.share.root().join("alice")));
}

#[test]
fn others_count_too() {
    let viewed = limited(100);
    viewed.upload("mine", &[0; 10]).unwrap();
    viewed.make_directory("deep").unwrap();
    let admin = viewed.another(&[all("", ""), all("hers", "alice/deep")]);
    upload(&admin, &new_file("alice/theirs"), &[0; 20]).unwrap();
    upload(&admin, &new_file("hers/theirs"), &[0; 30]).unwrap();
    assert_eq!(used(&viewed), 60);
    assert_eq!(upload(&admin, &new_file("alice/more"), &[0; 41]), Err(FULL));
    viewed.share.put("outside/a", [0; 25]);
    viewed.share.put("outside/b", [0; 16]);
    assert_eq!(rename(&admin, "outside", "alice/outside", Mode::Replace), Err(FULL));
    fs::remove_file(viewed.share.root().join("outside/b")).unwrap();
    rename(&admin, "outside", "alice/outside", Mode::Replace).unwrap();
    assert_eq!(used(&viewed), 85);
    rename(&admin, "alice/outside/a", "alice/theirs", Mode::Replace).unwrap();
    assert_eq!(used(&viewed), 65);
    rename(&admin, "alice/theirs", "away", Mode::Replace).unwrap();
    assert_eq!(used(&viewed), 40);
    admin.delete(&path("alice/mine"), None).unwrap();
    assert_eq!(used(&viewed), 30);
    // A home that is moved away leaves an empty one.
    rename(&admin, "alice", "old", Mode::Replace).unwrap();
    assert_eq!(used(&viewed), 0);
}

#[test]
fn a_home_in_a_home_counts_in_both() {
    let viewed = limited(100);
    let inner = Arc::<User>::default();
    inner.set(Some(access(&[home("alice/inner", Rights::ALL)], Some(50))));
    let view = View::new(&viewed.views, inner as Arc<dyn AccessSource>);
    viewed.upload("file", &[0; 60]).unwrap();
    assert_eq!(upload(&view, &new_file("a"), &[0; 41]), Err(FULL));
    assert_eq!(view.quota().unwrap().unwrap().used, 0);
    upload(&view, &new_file("a"), &[0; 40]).unwrap();
    assert_eq!((used(&viewed), view.quota().unwrap().unwrap().used), (100, 40));
    viewed.rename("inner/a", "a").unwrap();
    assert_eq!((used(&viewed), view.quota().unwrap().unwrap().used), (100, 0));
}

#[test]
fn a_quota_changes_while_it_is_used() {
    let viewed = Viewed::new(&[home("alice", Rights::ALL)]);
    let mut staged = viewed.view.create(&new_file("early")).unwrap();
    staged.write(0, &[0; 60]).unwrap();
    assert_eq!(viewed.view.quota().unwrap(), None);
    let set = |limit| viewed.user.set(Some(access(&[home("alice", Rights::ALL)], limit)));
    set(Some(50));
    assert_eq!(used(&viewed), 0);
    assert_eq!(staged.publish(Checksum::of(&[0; 60])).unwrap_err().kind, FULL);
    drop(staged);
    set(Some(100));
    viewed.upload("file", &[0; 100]).unwrap();
    set(Some(10));
    assert_eq!(viewed.view.quota().unwrap(), Some(Quota { limit: 10, used: 100 }));
    assert_eq!(viewed.upload("x", b"x"), Err(FULL));
    set(None);
    viewed.upload("x", b"x").unwrap();
    assert_eq!(viewed.view.quota().unwrap(), None);
    set(Some(200));
    assert_eq!(used(&viewed), 101);
}

/// What local programs do is noticed at the next count.
#[test]
fn a_home_that_was_replaced_is_counted_again() {
    let viewed = limited(100);
    viewed.upload("file", &[0; 80]).unwrap();
    let root = viewed.share.root();
    fs::rename(root.join("alice"), root.join("old")).unwrap();
    viewed.share.put("alice/other", [0; 30]);
    viewed.upload("new", &[0; 60]).unwrap();
    assert_eq!(used(&viewed), 90);
}

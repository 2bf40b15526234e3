//! What the operating system forbids. Needs a user who may do less than the one who runs it, so it shows nothing, and says so, unless that is root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use haul_core::{Depth, StoreErrorKind};
use haul_store::{Found, LeftOut, LocalDirectory, Store};
use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

use crate::support::{Share, new_file};

/// Does `work` on a thread that has none of root's rights.
fn as_nobody(work: impl FnOnce() + Send) {
    if !geteuid().is_root() {
        return eprintln!("not shown: needs root");
    }
    let done = thread::scope(|scope| {
        let nobody = Uid::from_raw(65_534);
        scope
            .spawn(move || {
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
                work();
            })
            .join()
    });
    done.unwrap();
}

fn allow(share: &Share, name: &str, mode: u32) {
    fs::set_permissions(share.root().join(name), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_must_not_be_read_is_denied_and_told() {
    let share = Share::new();
    share.put("open/file", "x");
    share.put("closed/file", "x");
    share.put("secret", "x");
    share.put("names/file", "x");
    allow(&share, "closed", 0o700);
    allow(&share, "names", 0o744);
    allow(&share, "secret", 0o600);
    as_nobody(|| {
        assert_eq!(share.read("open/file").unwrap(), b"x");
        assert_eq!(share.read("secret"), Err(StoreErrorKind::Denied));
        assert_eq!(share.read("closed/file"), Err(StoreErrorKind::Denied));
        let listed = share.list(Some("closed"), Depth::ONE);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::Denied);
        let listed = share.list(None, Depth::All).unwrap();
        let names = ["closed/ denied", "names/", "open/", "open/file", "secret"];
        // Of what is in the other directory only the name can be seen.
        assert_eq!((listed.names(), listed.skipped), (names.map(String::from).to_vec(), 1));
        assert!(share.list_all().names().contains(&"names/file (unknown)".to_owned()));
        // What is not to be descended is not looked into.
        let listed = share.list(None, Depth::ONE).unwrap();
        assert!(listed.names().contains(&"closed/".to_owned()));

        let unreadable = LocalDirectory::open(share.root()).unwrap().walk().filter_map(|found| {
            let Found::LeftOut { shown, why: LeftOut::Unreadable(error) } = found.unwrap() else {
                return None;
            };
            Some((shown.rsplit('/').next().unwrap().to_owned(), error.kind))
        });
        let mut unreadable: Vec<_> = unreadable.collect();
        unreadable.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(unreadable, [("closed".to_owned(), StoreErrorKind::Denied)]);
    });
}

#[test]
fn where_nothing_may_be_written_uploads_are_denied_early() {
    let share = Share::new();
    share.put("directory/file", "x");
    allow(&share, "directory", 0o777);
    as_nobody(|| {
        // Here a file may be, but the staging area is root's.
        let denied = share.store.create(&new_file("directory/new")).unwrap_err();
        assert_eq!(denied.kind, StoreErrorKind::Denied);
        assert!(denied.detail.contains("staging area"), "{}", denied.detail);
    });
    allow(&share, "directory", 0o755);
    allow(&share, ".haul-staging", 0o777);
    as_nobody(|| {
        for name in ["directory/file", "directory/a/b"] {
            let denied = share.store.create(&new_file(name)).unwrap_err();
            assert_eq!(denied.kind, StoreErrorKind::Denied);
        }
    });
    assert_eq!(share.read("directory/file").unwrap(), b"x");
}

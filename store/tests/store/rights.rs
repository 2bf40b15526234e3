//! What the operating system forbids. This needs another user with fewer rights, so the tests show nothing, and say so,
//! unless root runs them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::thread;

use haul_core::{Checksum, Depth, StoreErrorKind};
use haul_store::{Found, LeftOut, LocalDirectory, LocalTarget, NewFile, Staged, Store, Target};
use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

use crate::support::{Share, new_file, upload};

/// Does `work` on a thread without root's rights.
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
        // In the other directory only names are visible.
        assert_eq!((listed.names(), listed.skipped), (names.map(String::from).to_vec(), 1));
        assert!(share.list_all().names().contains(&"names/file (unknown)".to_owned()));
        // A directory that is not descended is not opened.
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
    allow(&share, "directory", 0o755);
    as_nobody(|| {
        for name in ["new", "directory/file", "directory/a/b"] {
            let denied = share.store.create(&new_file(name)).unwrap_err();
            assert_eq!(denied.kind, StoreErrorKind::Denied);
        }
    });
    assert_eq!(share.read("directory/file").unwrap(), b"x");
}

#[test]
fn where_nothing_may_be_written_nothing_is_changed() {
    let share = Share::new();
    share.put("directory/file", "x");
    share.put("sticky/file", "x");
    fs::create_dir(share.root().join("directory/empty")).unwrap();
    fs::create_dir(share.root().join("open")).unwrap();
    allow(&share, "directory", 0o755);
    allow(&share, "open", 0o777);
    allow(&share, "sticky", 0o1777);
    as_nobody(|| {
        let denied = Err(StoreErrorKind::Denied);
        for name in ["directory/file", "directory/empty", "sticky/file"] {
            assert_eq!(share.delete(name), denied, "{name}");
            assert_eq!(share.rename(name, "open/a/b"), denied, "{name}");
            assert_eq!(share.rename_new(name, "open/a/b"), denied, "{name}");
        }
        assert_eq!(share.make_directory("directory/new"), denied);
        assert_eq!(share.make_directory("directory/a/b"), denied);
        share.upload("open/mine", b"x").unwrap();
        for to in ["directory/new", "directory/a/b", "directory/file", "sticky/file"] {
            assert_eq!(share.rename("open/mine", to), denied, "{to}");
        }
        assert_eq!(share.delete("open/mine"), Ok(()));
    });
    assert_eq!(fs::read_dir(share.root().join("open")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(share.root().join("directory")).unwrap().count(), 2);
}

/// Nor need it be readable to be fsynced.
#[test]
fn in_a_directory_that_may_be_written_names_can_change() {
    for share in [Share::new(), Share::on_tmpfs()] {
        for name in ["one", "two"] {
            fs::create_dir(share.root().join(name)).unwrap();
            allow(&share, name, 0o733);
        }
        as_nobody(|| {
            share.make_directory("one/a/b").unwrap();
            share.upload("one/file", b"x").unwrap();
            share.rename("one/file", "two/a/file").unwrap();
            share.rename("one/a", "two/b").unwrap();
            assert_eq!(share.read("two/a/file").unwrap(), b"x");
            for name in ["two/a/file", "two/a", "two/b/b", "two/b"] {
                share.delete(name).unwrap();
            }
        });
    }
}

/// Only the permissions of the directory of a file count.
#[test]
fn a_directory_that_may_be_written_is_enough() {
    for mode in [0o777, 0o733] {
        for share in [Share::new(), Share::on_tmpfs()] {
            share.put("directory/file", "x");
            allow(&share, "directory", mode);
            as_nobody(|| {
                for name in ["directory/new", "directory/a/b/new"] {
                    share.upload(name, name.as_bytes()).unwrap();
                    assert_eq!(share.read(name).unwrap(), name.as_bytes());
                }
                let target = share.root().join("directory/download");
                download(&target);
            });
            assert!(share.staged().is_empty());
        }
    }
}

fn download(path: &Path) {
    let mut target = LocalTarget::new(path, false).unwrap();
    let mut staged = target.create(&new_file("x")).unwrap();
    staged.write(0, b"x").unwrap();
    staged.sync().unwrap();
    staged.publish(Checksum::of(b"x")).unwrap();
    staged.sync_directory().unwrap();
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The ACL, owner and group of a file.
fn rights(file: &Path) -> String {
    run("getfacl", &["--omit-header", "--absolute-names", file.to_str().unwrap()])
        + &run("stat", &["--format=%a %U %G", file.to_str().unwrap()])
}

/// Whether the programs for ACLs exist.
fn has_access_lists() -> bool {
    let there = Command::new("setfacl").arg("--version").output().is_ok();
    if !there {
        eprintln!("not shown: needs setfacl (package acl)");
    }
    there
}

/// What a new file gets in a directory is what `touch` gives there.
#[test]
fn a_new_file_is_as_if_made_there_by_hand() {
    if !has_access_lists() || !geteuid().is_root() {
        return eprintln!("not shown: needs root");
    }
    for share in [Share::new(), Share::on_tmpfs()] {
        let plain = share.root().join("plain");
        let listed = share.root().join("listed");
        let group = share.root().join("group");
        for directory in [&plain, &listed, &group] {
            fs::create_dir(directory).unwrap();
        }
        let list = "user:daemon:rwx,group:mail:r,mask::rw,other::-";
        run("setfacl", &["--default", "--modify", list, listed.to_str().unwrap()]);
        chown(&group, None, Some(8)).unwrap();
        fs::set_permissions(&group, Permissions::from_mode(0o2775)).unwrap();
        for directory in ["plain", "listed", "group"] {
            let name = |name: &str| format!("{directory}/{name}");
            let touched = share.put(&name("touched"), "");
            share.upload(&name("new"), b"x").unwrap();
            assert_eq!(rights(&share.root().join(name("new"))), rights(&touched));
            let below = share.put(&name("by-hand/touched"), "");
            share.upload(&name("made/new"), b"x").unwrap();
            assert_eq!(rights(&share.root().join(name("made/new"))), rights(&below));
            assert_eq!(rights(&share.root().join(name("made"))), rights(below.parent().unwrap()));
            share.make_directory(&name("asked/for")).unwrap();
            for made in ["asked", "asked/for"] {
                let made = rights(&share.root().join(name(made)));
                assert_eq!(made, rights(below.parent().unwrap()));
            }

            fs::set_permissions(&touched, Permissions::from_mode(0o777)).unwrap();
            let file = NewFile { executable: true, ..new_file(&name("program")) };
            upload(&share.store, &file, b"x").unwrap();
            let mode = fs::metadata(share.root().join(name("program"))).unwrap().mode();
            assert_eq!(mode & 0o100, 0o100);
            assert_eq!(mode & 0o7 != 0, directory != "listed");
        }
    }
}

/// Mode, group and ACL are those of the replaced file, at every moment.
#[test]
fn who_may_use_a_file_may_use_the_one_that_replaces_it() {
    if !has_access_lists() || !geteuid().is_root() {
        return eprintln!("not shown: needs root");
    }
    for share in [Share::new(), Share::on_tmpfs()] {
        let listed = share.put("listed", "old");
        chown(&listed, None, Some(8)).unwrap();
        fs::set_permissions(&listed, Permissions::from_mode(0o600)).unwrap();
        run("setfacl", &["--modify", "user:daemon:r,group::-,mask::r", listed.to_str().unwrap()]);
        // Where new files get an ACL, one that replaces a file without one gets none.
        run(
            "setfacl",
            &["--default", "--modify", "user:daemon:rwx", share.root().to_str().unwrap()],
        );
        let private = share.put("private", "old");
        run("setfacl", &["--remove-all", private.to_str().unwrap()]);
        fs::set_permissions(&private, Permissions::from_mode(0o604)).unwrap();
        for file in [&listed, &private] {
            let before = rights(file);
            let name = file.file_name().unwrap().to_str().unwrap();
            let mut staged = share.store.create(&new_file(name)).unwrap();
            staged.write(0, b"new").unwrap();
            let [unfinished] = share.staged().try_into().unwrap();
            let mode = fs::metadata(unfinished).unwrap().mode();
            assert_eq!(mode & 0o077, 0, "nobody may read it yet");
            staged.sync().unwrap();
            staged.publish(Checksum::of(b"new")).unwrap();
            assert_eq!(rights(file), before);
            assert_eq!(fs::read(file).unwrap(), b"new");
        }
        let program = NewFile { executable: true, ..new_file("private") };
        upload(&share.store, &program, b"program").unwrap();
        assert_eq!(fs::metadata(&private).unwrap().mode() & 0o777, 0o705);
    }
}

/// A server that may not set the group gives the new group no more than others had, and others no more than the old
/// group.
#[test]
fn another_group_gets_nothing() {
    for (mode, expected) in [(0o664, 0o644), (0o640, 0o600), (0o606, 0o600), (0o644, 0o644)] {
        let share = Share::new();
        let file = share.put("file", "old");
        if geteuid().is_root() {
            chown(&file, None, Some(8)).unwrap();
        }
        allow(&share, ".", 0o777);
        allow(&share, "file", mode);
        as_nobody(|| share.upload("file", b"new").unwrap());
        if geteuid().is_root() {
            let mode = fs::metadata(&file).unwrap().mode() & 0o777;
            assert_eq!(mode, expected, "{mode:o}");
        }
    }
}

/// If the file is removed before it is replaced, the upload counts as a new file.
#[test]
fn a_replaced_file_that_is_gone_gives_no_rights() {
    for share in [Share::new(), Share::on_tmpfs()] {
        let touched = fs::metadata(share.put("touched", "")).unwrap().mode();
        for synced in [false, true] {
            let file = share.put("file", "old");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            let mut staged = share.store.create(&new_file("file")).unwrap();
            if synced {
                staged.sync().unwrap();
            }
            fs::remove_file(&file).unwrap();
            staged.publish(Checksum::EMPTY).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().mode(), touched);
        }
        assert!(share.staged().is_empty());
    }
}

/// A process that may change owners keeps the owner of the replaced file.
#[test]
fn a_replaced_file_stays_its_owners() {
    if !geteuid().is_root() {
        return eprintln!("not shown: needs root");
    }
    let share = Share::new();
    for mode in [0o600, 0o644] {
        let old = share.put("file", "old");
        chown(&old, Some(1000), Some(1001)).unwrap();
        allow(&share, "file", mode);
        share.upload("file", b"new").unwrap();
        let new = old.metadata().unwrap();
        assert_eq!((new.uid(), new.gid(), new.mode() & 0o777), (1000, 1001, mode));
        fs::remove_file(&old).unwrap();
    }
    // Otherwise the owner is the new one.
    let old = share.put("other", "old");
    chown(&old, Some(1000), None).unwrap();
    allow(&share, "", 0o777);
    as_nobody(|| share.upload("other", b"new").unwrap());
    assert_eq!(old.metadata().unwrap().uid(), 65_534);
}

/// A temporary name could not be removed.
#[test]
fn nothing_stays_where_no_name_can_be_taken_away() {
    let share = Share::new();
    let directory = share.root().join("kept");
    fs::create_dir(&directory).unwrap();
    let attribute = |change: &str| {
        let output = Command::new("chattr").arg(change).arg(&directory).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !attribute("+a") {
        return eprintln!("not shown: this file system or user has no append-only directories");
    }
    let first = share.upload("kept/file", b"old");
    let again = share.upload("kept/file", b"new");
    let names: Vec<_> =
        directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(attribute("-a"));
    assert_eq!(again, Err(StoreErrorKind::Denied));
    // Some file systems create no file there at all.
    assert_eq!(names, if first.is_ok() { vec!["file"] } else { vec![] });
}

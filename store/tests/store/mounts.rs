//! File systems that are full, read-only or different. This needs the right to mount; without it the tests show
//! nothing, and say so.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use haul_core::{Checksum, Depth, Mode, StoreErrorKind};
use haul_store::{
    Change, Directory, Found, LeftOut, Listing, LocalDirectory, LocalSource, LocalTarget, NewFile,
    Options, Source, Staged, Store, Target,
};
use rustix::fs::statvfs;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::mount::{Mount, PATIENCE};
use crate::support::{Share, create_only, long_ago, new_file, path, read_all, staged_in, upload};

/// The free blocks and inodes.
fn room(directory: &Path) -> [u64; 2] {
    let room = statvfs(directory).unwrap();
    [room.f_bfree, room.f_ffree]
}

/// Waits until there is space again. A program that another test has just started holds everything that was open in
/// this process until it runs.
fn wait_for(wanted: [u64; 2], directory: &Path) {
    let began = Instant::now();
    while room(directory) != wanted {
        assert!(began.elapsed() < PATIENCE, "{:?} are free, not {wanted:?}", room(directory));
        thread::yield_now();
    }
}

#[test]
fn a_full_disk_is_told_and_left_clean() {
    let directory = TempDir::new().unwrap();
    let Some(_mount) = Mount::new(directory.path(), "size=512k") else { return };
    let store = Directory::open(directory.path(), Options::default()).unwrap();
    upload(&store, &new_file("file"), &vec![1; 100_000]).unwrap();
    let before = room(directory.path());

    let mut staged = store.create(&new_file("file")).unwrap();
    let mut offset = 0;
    let error = loop {
        match staged.write(offset, &vec![2; 50_000]) {
            Ok(()) => offset += 50_000,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, StoreErrorKind::NoSpace);
    drop(staged);
    let announced = NewFile { size: Some(2 << 20), ..new_file("file") };
    assert_eq!(store.create(&announced).unwrap_err().kind, StoreErrorKind::NoSpace);
    let mut target = LocalTarget::new(directory.path().join("download"), false).unwrap();
    assert_eq!(target.create(&announced).err().unwrap().kind, StoreErrorKind::NoSpace);

    assert!(staged_in(directory.path()).is_empty());
    assert_eq!(fs::read(directory.path().join("file")).unwrap(), vec![1; 100_000]);
    wait_for(before, directory.path());
    upload(&store, &new_file("file"), &vec![3; 100_000]).unwrap();
}

#[test]
fn no_inodes_are_no_space() {
    let directory = TempDir::new().unwrap();
    // The root and two files.
    let Some(_mount) = Mount::new(directory.path(), "nr_inodes=3") else { return };
    let store = Directory::open(directory.path(), Options::default()).unwrap();
    upload(&store, &new_file("file"), b"x").unwrap();
    let before = room(directory.path());
    let mut staged = store.create(&new_file("a/file")).unwrap();
    let error = staged.publish(Checksum::EMPTY).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NoSpace);
    assert_eq!(store.create(&new_file("b")).unwrap_err().kind, StoreErrorKind::NoSpace);
    drop(staged);
    wait_for(before, directory.path());
    upload(&store, &new_file("file"), b"y").unwrap();
}

#[test]
fn a_share_that_cannot_be_written_is_served_if_it_is_only_read() {
    let directory = TempDir::new().unwrap();
    let Some(mount) = Mount::new(directory.path(), "size=512k") else { return };
    fs::write(directory.path().join("file"), "x").unwrap();
    let remount = |how| {
        assert!(Command::new("mount").args(["-o", how]).arg(&mount.0).status().unwrap().success());
    };
    let refusal = || Directory::open(directory.path(), Options::default()).unwrap_err();
    remount("remount,ro");
    assert_eq!(refusal().kind(), ErrorKind::PermissionDenied);
    remount("remount,rw");
    drop(Directory::open(directory.path(), Options::default()).unwrap());
    remount("remount,ro");

    let only_read = Options { read_only: true, ..Options::default() };
    let store = Directory::open(directory.path(), only_read).unwrap();
    assert!(store.open(&path("file")).is_ok());
    assert_eq!(store.list(None, Depth::All, false).unwrap().next(10).unwrap().len(), 1);
    assert_eq!(store.create(&new_file("new")).unwrap_err().kind, StoreErrorKind::ReadOnly);
    assert_eq!(store.create(&new_file("a/new")).unwrap_err().kind, StoreErrorKind::ReadOnly);
    let local = LocalTarget::new(directory.path().join("new"), false).unwrap_err();
    assert_eq!(local.kind, StoreErrorKind::ReadOnly);
}

#[test]
fn what_is_mounted_within_the_share_is_written_too() {
    for other in [false, true] {
        let share = Share::new();
        let inner = share.root().join("inner");
        fs::create_dir(&inner).unwrap();
        let mount = if other {
            Mount::new(&inner, "size=4m")
        } else {
            Mount::again(&inner, &share.outside())
        };
        let Some(_mount) = mount else { return };
        share.put("inner/file", "x");
        assert_eq!(share.read("inner/file").unwrap(), b"x");
        for name in ["inner/new", "inner/a/b/new", "inner/file"] {
            let mut files = [new_file(name), new_file("beside")].map(|file| {
                let mut staged = share.store.create(&file).unwrap();
                staged.write(0, b"new").unwrap();
                staged
            });
            share.store.sync(&mut files).unwrap();
            for file in &mut files {
                file.publish(Checksum::of(b"new")).unwrap();
            }
            share.store.sync_directories(&mut files, &mut []).unwrap();
            assert_eq!(share.read(name).unwrap(), b"new");
        }
        assert!(share.staged().is_empty());
    }
}

#[test]
fn what_is_mounted_on_the_way_is_told() {
    let share = Share::new();
    let mut staged = share.store.create(&new_file("inner/file")).unwrap();
    staged.write(0, b"late").unwrap();
    fs::create_dir(share.root().join("inner")).unwrap();
    let Some(_mount) = Mount::new(&share.root().join("inner"), "size=512k") else { return };
    let error = staged.publish(Checksum::of(b"late")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io);
    assert!(error.detail.contains("another file system"), "{}", error.detail);
    share.upload("inner/file", b"again").unwrap();
}

/// It cannot be replaced, and that is reported before anybody sends a byte.
#[test]
fn a_file_that_is_a_mount_point_is_refused_early() {
    let share = Share::new();
    let conf = share.put("conf", "");
    let Some(_mount) = Mount::again(&conf, &share.outside().join("secret")) else { return };
    let error = share.store.create(&new_file("conf")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied);
    assert!(error.detail.contains("mount point"), "{}", error.detail);
    let error = LocalTarget::new(&conf, true).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied);
    assert!(error.detail.contains("mount point"), "{}", error.detail);
}

/// Nobody would find the files that are stored there.
#[test]
fn a_share_that_is_elsewhere_is_not_served() {
    let share = Share::new();
    let (root, moved) = (share.root(), share.around().join("moved"));
    share.put("file", "x");
    let refused = |share: &Share| {
        let mut staged = share.store.create(&new_file("new"));
        assert_eq!(staged.as_mut().err().map(|error| error.kind), Some(StoreErrorKind::Io));
        assert_eq!(share.read("file"), Err(StoreErrorKind::Io));
        assert_eq!(share.list(None, Depth::ONE).err(), Some(StoreErrorKind::Io));
    };
    let mut under_way = share.store.create(&new_file("under-way")).unwrap();
    fs::rename(&root, &moved).unwrap();
    refused(&share);
    assert_eq!(under_way.publish(Checksum::EMPTY).unwrap_err().kind, StoreErrorKind::Io);
    fs::create_dir(&root).unwrap();
    refused(&share);
    fs::remove_dir(&root).unwrap();
    fs::rename(&moved, &root).unwrap();
    assert_eq!(share.read("file").unwrap(), b"x");
    under_way.publish(Checksum::EMPTY).unwrap();
    let Some(mount) = Mount::new(&root, "size=512k") else { return };
    refused(&share);
    drop(mount);
    share.upload("new", b"x").unwrap();
    fs::remove_dir_all(&root).unwrap();
    refused(&share);
}

/// The kernel's cached attributes of a file there are older than the latest changes.
#[test]
fn a_mount_that_caches_attributes_voids_nothing() {
    let directory = TempDir::new().unwrap();
    let (back, here) = (directory.path().join("back"), directory.path().join("here"));
    for directory in [&back, &here] {
        fs::create_dir(directory).unwrap();
    }
    let Some((mount, mut server)) = Mount::fuse(&here, &back, &[]) else { return };
    let content = vec![7; 100_000];
    let file = here.join("file");
    // The link that gives it its name changes its time.
    let mut target = LocalTarget::new(&file, false).unwrap();
    let mut staged = target.create(&new_file("file")).unwrap();
    staged.write(0, &content).unwrap();
    staged.publish(Checksum::of(&content)).unwrap();
    drop((staged, target));

    let share = Directory::open(&here, Options::default()).unwrap();
    let fetched: Box<dyn Source> = Box::new(share.open(&path("file")).unwrap());
    let sent: Box<dyn Source> = Box::new(LocalSource::open(&file).unwrap());
    for mut source in [fetched, sent] {
        // Here another program does the same to it.
        fs::hard_link(back.join("file"), back.join("other")).unwrap();
        fs::remove_file(back.join("other")).unwrap();
        assert_eq!(read_all(source.as_mut()).unwrap(), content);
    }
    drop((share, mount));
    server.wait().unwrap();
}

/// Like a network file system or FUSE whose server is gone.
#[test]
fn a_dead_mount_is_told_and_the_rest_goes_on() {
    // The kernel may or may not still know that it is a directory.
    for known in ["60", "0"] {
        let share = Share::new();
        let dead = share.root().join("dead");
        fs::create_dir(&dead).unwrap();
        share.put("living/file", "x");
        let options = ["-o", &format!("attr_timeout={known}")];
        let mounted = Mount::fuse(&dead, &share.outside(), &options);
        let Some((_mount, mut server)) = mounted else { return };
        server.kill().unwrap();
        server.wait().unwrap();
        fs::read_dir(&dead).unwrap_err();

        assert_eq!(share.list_all().names(), ["dead/ io", "living/", "living/file"]);
        assert_eq!(share.list(None, Depth::All).unwrap().skipped, 0);
        assert_eq!(share.list(Some("dead"), Depth::ONE).err(), Some(StoreErrorKind::Io));
        let walk = LocalDirectory::open(share.root()).unwrap().walk();
        let found: Vec<_> = walk.map(Result::unwrap).collect();
        let unreadable = |found: &Found| {
            matches!(found, Found::LeftOut { shown, why: LeftOut::Unreadable(error) }
                if shown.ends_with("/dead") && error.kind == StoreErrorKind::Io)
        };
        assert_eq!(found.iter().filter(|found| unreadable(found)).count(), 1, "{found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }
}

/// A mount whose server hangs: everything around it is listed without asking it.
#[test]
fn a_hung_mount_is_listed_without_it() {
    let share = Share::new();
    let hung = share.root().join("hung");
    fs::create_dir(&hung).unwrap();
    share.put("living/file", "x");
    share.put("file", "x");
    let options = ["-o", "attr_timeout=0,entry_timeout=0"];
    let Some((_mount, server)) = Mount::fuse(&hung, &share.outside(), &options) else { return };
    let pid = Pid::from_child(&server);
    kill_process(pid, Signal::STOP).unwrap();
    let (tell, told) = channel();
    thread::scope(|scope| {
        scope.spawn(|| tell.send(share.list(None, Depth::ONE).map(|listed| listed.names())));
        let listed = told.recv_timeout(PATIENCE);
        // Whoever waits for it continues.
        kill_process(pid, Signal::CONT).unwrap();
        assert_eq!(listed.unwrap().unwrap(), ["file", "hung/", "living/"]);
    });
}

/// Each missing operation has a fallback.
#[test]
fn what_a_file_system_lacks_is_no_failure() {
    let directory = TempDir::new().unwrap();
    let here = directory.path().join("here");
    fs::create_dir(&here).unwrap();
    let image = directory.path().join("image");
    let Some(_mount) = Mount::exfat(&here, &image) else { return };
    let store = Directory::open(&here, Options::default()).unwrap();
    let mut content = vec![7; 200_000];
    content[50_000..150_000].fill(0);
    for file in [create_only("a/new"), new_file("a/new"), new_file("b"), create_only("c")] {
        let file = NewFile { modified: Some(long_ago()), executable: true, ..file };
        upload(&store, &file, &content).unwrap();
        assert_eq!(read_all(&mut store.open(&file.path).unwrap()).unwrap(), content);
    }
    let again = upload(&store, &create_only("c"), &content).unwrap_err();
    assert_eq!(again.kind, StoreErrorKind::Exists);

    for overwrite in [false, true] {
        let mut target = LocalTarget::new(here.join("download"), overwrite).unwrap();
        let mut staged = target.create(&new_file("x")).unwrap();
        staged.write(0, &content).unwrap();
        staged.sync().unwrap();
        staged.publish(Checksum::of(&content)).unwrap();
        staged.sync_directory().unwrap();
        drop(staged);
        assert_eq!(fs::read(here.join("download")).unwrap(), content);
    }
    assert!(staged_in(&here).is_empty());
}

#[test]
fn a_name_in_another_case_is_told() {
    let directory = TempDir::new().unwrap();
    let here = directory.path().join("here");
    fs::create_dir(&here).unwrap();
    let Some(_mount) = Mount::exfat(&here, &directory.path().join("image")) else { return };
    let store = Directory::open(&here, Options::default()).unwrap();
    upload(&store, &new_file("ReadMe"), b"x").unwrap();
    let error = store.create(&create_only("README")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists);
    assert!(error.detail.contains("exists already, as ReadMe"), "{}", error.detail);
    let error = store.create(&create_only("ReadMe")).unwrap_err();
    assert_eq!(error.detail, "ReadMe exists already");
    // Nor is it replaced by a file that is meant to be another one.
    let error = store.create(&new_file("README")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::OtherSpelling);
    upload(&store, &new_file("ReadMe"), b"y").unwrap();
}

/// A mount point cannot be moved, and nothing is moved between file systems in one step.
#[test]
fn mount_points_stay_and_moves_stay_on_one_file_system() {
    for other in [false, true] {
        let share = Share::new();
        let inner = share.root().join("inner");
        fs::create_dir(&inner).unwrap();
        let mount = if other {
            Mount::new(&inner, "size=4m")
        } else {
            Mount::again(&inner, &share.outside())
        };
        let Some(_mount) = mount else { return };
        let beside = share.put("file", "x");
        let Some(_file) = Mount::again(&beside, &share.put("shown", "shown")) else { return };
        for name in ["inner", "file"] {
            assert_eq!(share.delete(name), Err(StoreErrorKind::Denied), "{name}");
            assert_eq!(share.rename(name, "new/name"), Err(StoreErrorKind::Denied), "{name}");
        }
        assert_eq!(share.rename("shown", "file"), Err(StoreErrorKind::Denied));
        fs::create_dir(share.root().join("directory")).unwrap();
        share.put("inner/deep/file", "x");
        for (from, to) in [
            ("shown", "inner/new"),
            ("directory", "inner/new/new"),
            ("inner/deep", "new/deep"),
            ("inner/deep/file", "shown"),
        ] {
            let refused = Err(StoreErrorKind::NotSupported);
            assert_eq!(share.rename(from, to), refused, "{from} to {to}");
        }
        assert!(!share.root().join("new").exists() && !inner.join("new").exists());
        assert_eq!(share.read("shown").unwrap(), b"shown");

        // Within it everything works as elsewhere, and one commit may include both.
        let mut changes = ["inner/a/b", "a/b", "inner/c"]
            .map(|name| share.store.make_directory(&path(name)).unwrap());
        share.store.sync_directories(&mut [], &mut changes).unwrap();
        assert_eq!(share.rename("inner/deep/file", "inner/a/file"), Ok(()));
        for name in ["inner/a/file", "inner/a/b", "inner/a", "a/b"] {
            assert_eq!(share.delete(name), Ok(()), "{name}");
        }
    }
}

#[test]
fn a_name_gets_another_case() {
    let directory = TempDir::new().unwrap();
    let here = directory.path().join("here");
    fs::create_dir(&here).unwrap();
    let Some(_mount) = Mount::exfat(&here, &directory.path().join("image")) else { return };
    let store = Directory::open(&here, Options::default()).unwrap();
    let listed = || {
        let entries = fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<Vec<_>>()
    };
    // libfuse renames a file that is deleted before the kernel has reported its last close, which comes some time after
    // that close. It removes the file then.
    let is_closing = |name: &OsString| name.as_encoded_bytes().starts_with(b".fuse_hidden");
    let names = || {
        let began = Instant::now();
        while listed().iter().any(is_closing) {
            assert!(began.elapsed() < PATIENCE, "{:?} is not removed", listed());
            thread::yield_now();
        }
        listed()
    };
    let rename = |from: &str, to: &str, mode| {
        let renamed = store.rename(&path(from), &path(to), mode, None);
        renamed.and_then(|mut change| change.sync()).map_err(|error| error.kind)
    };
    upload(&store, &new_file("ReadMe"), b"x").unwrap();
    upload(&store, &new_file("other"), b"y").unwrap();
    store.make_directory(&path("Directory")).unwrap();
    // A name in another case does not mean the listed file.
    for name in ["README", "DIRECTORY"] {
        let error = store.delete(&path(name), None).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NotFound, "{name}");
        assert_eq!(rename(name, "new", Mode::Replace), Err(StoreErrorKind::NotFound), "{name}");
        let error = store.make_directory(&path(name)).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Exists, "{name}");
    }
    assert_eq!(rename("other", "README", Mode::Replace), Err(StoreErrorKind::OtherSpelling));
    assert_eq!(rename("other", "README", Mode::Create), Err(StoreErrorKind::Exists));
    for (from, to, mode) in [
        ("ReadMe", "README", Mode::Replace),
        ("README", "readme", Mode::Create),
        ("Directory", "DIRECTORY", Mode::Create),
    ] {
        assert_eq!(rename(from, to, mode), Ok(()), "{from} to {to}");
        assert!(names().contains(&to.into()) && names().len() == 3, "{:?}", names());
    }
    assert_eq!(read_all(&mut store.open(&path("readme")).unwrap()).unwrap(), b"x");
    upload(&store, &new_file("readme"), b"z").unwrap();
    for name in ["readme", "other", "DIRECTORY"] {
        store.delete(&path(name), None).unwrap();
    }
    assert!(names().is_empty(), "{:?}", names());
}

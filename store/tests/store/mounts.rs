//! File systems that are full, read-only or not the same. Needs the right to mount; without it these show nothing, and say so.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use haul_core::{Checksum, Depth, StoreErrorKind};
use haul_store::{
    Directory, Found, LeftOut, Listing, LocalDirectory, LocalSource, LocalTarget, NewFile, Options,
    Source, Staged, Store, Target,
};
use rustix::fs::statvfs;
use tempfile::TempDir;

use crate::support::{Share, new_file, path, read_all, upload};

/// How long a program may take to start, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

struct Mount(PathBuf);

impl Mount {
    /// A file system in memory, or `None` if that is not allowed here.
    fn new(directory: &Path, options: &str) -> Option<Self> {
        Self::made(&["-t", "tmpfs", "-o", options, "none"], directory)
    }

    /// `other` once more.
    fn again(directory: &Path, other: &Path) -> Option<Self> {
        Self::made(&["--bind", other.to_str().unwrap()], directory)
    }

    /// A directory once more by FUSE, with its server.
    fn fuse(directory: &Path, other: &Path, options: &[&str]) -> Option<(Self, Child)> {
        let server =
            Command::new("bindfs").arg("-f").args(options).args([other, directory]).spawn();
        let Ok(mut server) = server else {
            eprintln!("not shown: needs bindfs");
            return None;
        };
        let began = Instant::now();
        while fs::metadata(directory).unwrap().dev() == fs::metadata(other).unwrap().dev() {
            if server.try_wait().unwrap().is_some() {
                eprintln!("not shown: FUSE cannot be used here");
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "it is not mounted");
            thread::yield_now();
        }
        Some((Self(directory.to_owned()), server))
    }

    fn made(what: &[&str], directory: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(what)
            .arg(directory)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("not shown: file systems cannot be mounted here");
        }
        mounted.then(|| Self(directory.to_owned()))
    }
}

/// The blocks and inodes that are free.
fn room(directory: &Path) -> [u64; 2] {
    let room = statvfs(directory).unwrap();
    [room.f_bfree, room.f_ffree]
}

/// Waits until there is room again. A program that another test has just begun to start holds whatever was open in this process until it runs.
fn wait_for(wanted: [u64; 2], directory: &Path) {
    let began = Instant::now();
    while room(directory) != wanted {
        assert!(began.elapsed() < PATIENCE, "{:?} are free, not {wanted:?}", room(directory));
        thread::yield_now();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
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

    assert_eq!(fs::read_dir(directory.path().join(".haul-staging")).unwrap().count(), 0);
    assert_eq!(fs::read(directory.path().join("file")).unwrap(), vec![1; 100_000]);
    wait_for(before, directory.path());
    upload(&store, &new_file("file"), &vec![3; 100_000]).unwrap();
}

#[test]
fn no_inodes_are_no_space() {
    let directory = TempDir::new().unwrap();
    // The root, the staging area and two files.
    let Some(_mount) = Mount::new(directory.path(), "nr_inodes=4") else { return };
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
    // A staging area that is there already makes no difference.
    remount("remount,ro");
    assert_eq!(refusal().kind(), ErrorKind::PermissionDenied);

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
fn another_file_system_within_the_share_is_read_and_not_written() {
    let share = Share::new();
    let inner = share.root().join("inner");
    fs::create_dir(&inner).unwrap();
    let Some(_mount) = Mount::new(&inner, "size=512k") else { return };
    share.put("inner/file", "x");
    assert_eq!(share.read("inner/file").unwrap(), b"x");
    assert_eq!(share.list(None, Depth::All).unwrap().names(), ["inner/", "inner/file"]);
    for name in ["inner/file", "inner/new/file"] {
        let error = share.store.create(&new_file(name)).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Denied);
        assert!(error.detail.contains("another file system"), "{}", error.detail);
    }
    assert!(share.staged().is_empty());
}

#[test]
fn the_staging_area_is_not_reached_by_another_mount_of_it() {
    let share = Share::new();
    let door = share.root().join("door");
    fs::create_dir(&door).unwrap();
    let Some(_mount) = Mount::again(&door, &share.root().join(".haul-staging")) else { return };
    fs::write(door.join("file"), "x").unwrap();
    assert!(share.list(None, Depth::All).unwrap().names().is_empty());
    for name in ["door", "door/file"] {
        assert_eq!(share.read(name), Err(StoreErrorKind::NotFound), "{name}");
        let listed = share.list(Some(name), Depth::All);
        assert_eq!(listed.err().unwrap(), StoreErrorKind::NotFound, "{name}");
    }
    for name in ["door/new", "door/made/new"] {
        assert_eq!(share.upload(name, b"x"), Err(StoreErrorKind::NotFound), "{name}");
    }
}

/// What the kernel remembers of a file there is older than what was just done to it.
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

/// As when a network file system's server, or that of FUSE, is gone.
#[test]
fn a_dead_mount_is_told_and_the_rest_goes_on() {
    // The kernel may still know what the directory is, or not even that.
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

//! Changes of names in a shared directory, and power cuts. No program takes part: what is shown is the store's.

use std::collections::BTreeMap;
use std::fs;
use std::hint;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use haul_core::{Checksum, FilePath, Mode, StoreError};
use haul_harness::Random;
use haul_store::{Directory, DirectoryStaged, NewFile, Options, Staged, Store};
use tempfile::TempDir;

use crate::crashes::cuttable;
use crate::disk::{Disk, alone};

const SEED: u64 = 4285;

/// What is in a directory: the content of each file, and `None` for a directory.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let content = path.is_file().then(|| fs::read(&path).unwrap());
            if content.is_none() {
                directories.push(path);
            }
            tree.insert(name, content);
        }
    }
    tree
}

/// One of few names, so that many are taken.
fn any_path(random: &mut Random) -> FilePath {
    let names: Vec<_> = (0..random.between(1, 3)).map(|_| random.pick(&["a", "b", "c"])).collect();
    path(&names.join("/"))
}

fn path(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

/// Some changes of any kind, made durable together. Returns how many were made.
fn change(store: &Directory, random: &mut Random) -> usize {
    let (mut files, mut changes) = (Vec::new(), Vec::new());
    for _ in 0..random.between(1, 6) {
        let (one, other) = (any_path(random), any_path(random));
        // Many are refused, since something is in the way.
        match random.below(6) {
            0 => changes.extend(store.make_directory(&one)),
            1 => changes.extend(store.delete(&one, None)),
            2 | 3 => changes.extend(store.rename(&one, &other, Mode::Replace, None)),
            _ => files.extend(upload(store, one, &random.bytes(3_000))),
        }
    }
    let made = files.len() + changes.len();
    if made > 0 {
        store.sync_directories(&mut files, &mut changes).unwrap();
    }
    made
}

fn upload(
    store: &Directory,
    path: FilePath,
    content: &[u8],
) -> Result<DirectoryStaged, StoreError> {
    let new = NewFile {
        path,
        mode: Mode::Replace,
        if_match: None,
        size: None,
        modified: None,
        executable: false,
        durable: true,
    };
    let mut staged = store.create(&new)?;
    staged.write(0, content)?;
    staged.sync()?;
    staged.publish(Checksum::of(content))?;
    Ok(staged)
}

fn shared(disk: &TempDir) -> Directory {
    Directory::open(disk.path(), Options::default()).unwrap()
}

/// Waits until nobody sweeps a shared directory any more: a sweep keeps its file system busy.
fn wait_for_sweeps() {
    let sweeps = || {
        fs::read_dir("/proc/self/task").unwrap().any(|task| {
            let name = task.and_then(|task| fs::read_to_string(task.path().join("comm")));
            name.is_ok_and(|name| name.trim() == "haul-sweep")
        })
    };
    while sweeps() {
        thread::yield_now();
    }
}

#[test]
fn confirmed_changes_survive_power_cuts() {
    let _alone = alone();
    for system in cuttable() {
        let place = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(system, place.path()).unwrap();
        let mut random = Random::new(SEED);
        let mut made = 0;
        for cycle in 0..20 {
            let store = shared(&place);
            made += (0..random.between(1, 3)).map(|_| change(&store, &mut random)).sum::<usize>();
            let confirmed = read(place.path());
            disk.cut_power();
            drop(store);
            wait_for_sweeps();
            disk.restart(&mut random).unwrap();
            let found = read(place.path());
            assert!(found == confirmed, "{} {cycle}: {found:?}\n{confirmed:?}", system.name());
        }
        assert!(made > 20, "{}: only {made} changes were made", system.name());
    }
}

/// The name before or the name after: neither is a loss, and both are two files.
#[test]
fn a_power_cut_leaves_what_is_renamed_one_name() {
    let _alone = alone();
    for system in cuttable() {
        let place = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(system, place.path()).unwrap();
        let mut random = Random::new(SEED);
        let store = shared(&place);
        store.make_directory(&path("b")).unwrap();
        drop(upload(&store, path("a/file"), b"content").unwrap());
        drop(store);
        for cycle in 0..20 {
            wait_for_sweeps();
            disk.flush();
            let renamed = AtomicUsize::new(0);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let store = shared(&place);
                    let there = place.path().join("a/file").exists();
                    let names = [path("a/file"), path("b/file")];
                    let turns = (usize::from(!there)..).map(|turn| (turn % 2, 1 - turn % 2));
                    for (from, to) in turns {
                        let change = store.rename(&names[from], &names[to], Mode::Replace, None);
                        let synced = change
                            .and_then(|change| store.sync_directories(&mut [], &mut [change]));
                        renamed.fetch_add(1, Ordering::Release);
                        if synced.is_err() {
                            break;
                        }
                    }
                });
                let enough = random.between(1, 6);
                while renamed.load(Ordering::Acquire) < enough {
                    thread::yield_now();
                }
                // Somewhere in the middle of the next one.
                for _ in 0..random.below(1_000_000) {
                    hint::spin_loop();
                }
                disk.cut_power();
            });
            wait_for_sweeps();
            disk.restart(&mut random).unwrap();
            let files = read(place.path()).into_values().flatten().collect::<Vec<_>>();
            assert_eq!(files, [b"content"], "{} {cycle}", system.name());
        }
    }
}

//! A started program inherits no descriptor.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use haul_core::{Checksum, Depth, StoreErrorKind};
use haul_store::{Listing, LocalSource, LocalTarget, Staged, Store, Target};
use rustix::fs::OFlags;

use crate::support::{Running, Share, new_file, path, wait_until};

/// The flags of all descriptors that are open beneath `directory`.
pub(crate) fn open_beneath(directory: &Path) -> Vec<OFlags> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let descriptor = entry.unwrap();
        // Other tests open and close descriptors meanwhile.
        let Ok(file) = fs::read_link(descriptor.path()) else { continue };
        if file.starts_with(directory) {
            let number = descriptor.file_name();
            let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(number));
            let Ok(info) = info else { continue };
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
            all.push(OFlags::from_bits_retain(flags));
        }
    }
    all
}

#[test]
fn whatever_is_open_is_not_inherited() {
    let share = Share::new();
    share.put("a/b/file", "x");
    let mut listing = share.store.list(None, Depth::All, false).unwrap();
    listing.next(1).unwrap();
    let _source = share.store.open(&path("a/b/file")).unwrap();
    let _staged = ["a/new", "c/d/new"].map(|name| {
        let mut staged = share.store.create(&new_file(name)).unwrap();
        staged.publish(Checksum::EMPTY).unwrap();
        staged
    });
    let _local = LocalSource::open(share.outside().join("secret")).unwrap();
    let mut target = LocalTarget::new(share.outside().join("new"), false).unwrap();
    let _download = target.create(&new_file("x")).unwrap();

    // The share, two levels of a listing, two files that are read, and three that are written, each with its directory.
    // The sweep of the share ends by itself.
    wait_until(|| open_beneath(share.around()).len() == 1 + 2 + 2 + 3 * 2);
    let open = open_beneath(share.around());
    assert!(open.iter().all(|flags| flags.contains(OFlags::CLOEXEC)), "{open:?}");
}

/// However deep the directories are that an upload creates and removes.
#[test]
fn deep_directories_take_few_descriptors() {
    let share = Share::new();
    let deep = "d/".repeat(500);
    let mut staged = share.store.create(&new_file(&format!("{deep}file"))).unwrap();
    wait_until(|| open_beneath(share.around()).len() == 1 + 2);
    let most = AtomicUsize::new(0);
    let publishing = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running = Running::new(&publishing);
        scope.spawn(|| {
            while publishing.load(Ordering::Acquire) > 0 {
                most.fetch_max(open_beneath(share.around()).len(), Ordering::Relaxed);
            }
        });
        staged.publish(Checksum::EMPTY).unwrap();
        drop(staged);
        // If a directory is in the way, nothing is created.
        fs::create_dir(share.root().join(format!("{deep}other"))).unwrap();
        let taken = share.upload(&format!("{deep}other"), b"x");
        assert_eq!(taken, Err(StoreErrorKind::IsDirectory));
        drop(running);
    });
    let most = most.into_inner();
    assert!(most <= 10, "{most}");
}

//! What a program that is started inherits: nothing.

use std::fs;
use std::path::Path;

use haul_core::{Checksum, Depth};
use haul_store::{Listing, LocalSource, LocalTarget, Staged, Store, Target};
use rustix::fs::OFlags;

use crate::support::{Share, new_file, path};

/// The flags of all that is open beneath `directory`.
pub(crate) fn open_beneath(directory: &Path) -> Vec<OFlags> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let descriptor = entry.unwrap();
        // Other tests open and close theirs meanwhile.
        let Ok(file) = fs::read_link(descriptor.path()) else { continue };
        if file.starts_with(directory) {
            let number = descriptor.file_name();
            let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(number)).unwrap();
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

    let open = open_beneath(share.around());
    // The share, two levels of a listing, two files that are read, the staging area, two files with their parent, and one with its directory.
    assert_eq!(open.len(), 1 + 2 + 2 + 1 + 2 * 2 + 2);
    assert!(open.iter().all(|flags| flags.contains(OFlags::CLOEXEC)), "{open:?}");
}

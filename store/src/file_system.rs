//! What is known of the file system that a file is on.

use std::os::fd::AsFd;

use rustix::fs::fstatfs;

/// The `f_type` of ext4, XFS, Btrfs and F2FS (`linux/magic.h`). On these `syncfs` does for all files what `fsync` does for one, and a file that was made without a name can be given one. Others may
/// do less: FUSE does not ask its server at all when it is to flush everything.
const TRUSTED: [u32; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];

/// Whether it is one of those that are known to do all that is asked of them.
pub(crate) fn is_trusted(file: impl AsFd) -> bool {
    let trusted = |file_system: u32| TRUSTED.contains(&file_system);
    fstatfs(file).is_ok_and(|stat| u32::try_from(stat.f_type).is_ok_and(trusted))
}

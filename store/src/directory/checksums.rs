//! Remembers checksums of uploaded files.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use haul_core::Checksum;

use crate::file_system::{BTRFS, EXT, XFS, f_type};
use crate::stat::{Moment, Version};

/// On ext2, ext3, ext4, XFS and Btrfs the first write to a page through a mapping changes the modification time. On
/// tmpfs it does not, and on a network file system or FUSE somebody else may write unnoticed.
const DATING: [u32; 3] = [EXT, XFS, BTRFS];

/// The maximum number of checksums, which take some megabytes of memory.
const SLOTS: u64 = 1 << 16;

/// How many seconds a file must have been unchanged before its version can be trusted. File systems count time in ticks
/// of up to some milliseconds (some in seconds), and two writes within one tick have the same time.
const SETTLED: i64 = 2;

/// A bounded memory of the checksums of whole files that were uploaded here.
///
/// A checksum must never outlive the bytes. A program that has mapped a file writes to it without changing its times:
/// they change at the first write to a page, and again only after that page was written back. So there are three
/// requirements.
/// - The checksum of a file that was *read* is never remembered: somebody may have mapped it. Nobody has mapped an
///   upload, because the store created its file.
/// - The file is on a file system where the first write through a mapping changes the modification time
///   ([`dates_mapped_writes`]).
/// - The version has *settled*: its modification time lies in the past, so that any later write changes it. An upload
///   with an older modification time settles at once; one with the time of its upload is not remembered.
#[derive(Debug, Default)]
pub(crate) struct Checksums {
    hasher: RandomState,
    /// Each file has one slot, and the last one to use a slot keeps it.
    slots: HashMap<u64, (Version, Checksum)>,
}

impl Checksums {
    /// The checksum of this version of a file, if known.
    pub(crate) fn get(&self, version: &Version) -> Option<Checksum> {
        let (known, checksum) = self.slots.get(&self.slot(version))?;
        known.stands(version).then_some(*checksum)
    }

    /// Remembers the checksum of a version that was just uploaded, if it has settled.
    #[expect(clippy::disallowed_methods, reason = "what is compared with it is a file's time")]
    pub(crate) fn insert(&mut self, version: &Version, checksum: Checksum) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let age = |modified: Moment| now.saturating_sub(modified.seconds);
        if version.modified.is_some_and(|modified| age(modified) >= SETTLED) {
            self.slots.insert(self.slot(version), (*version, checksum));
        }
    }

    /// Forgets a version.
    pub(crate) fn remove(&mut self, version: &Version) {
        self.slots.remove(&self.slot(version));
    }

    fn slot(&self, version: &Version) -> u64 {
        self.hasher.hash_one(version.id) % SLOTS
    }
}

/// Whether the checksum of an open file may be remembered.
pub(crate) fn dates_mapped_writes(file: impl AsFd) -> bool {
    f_type(file).is_some_and(|file_system| DATING.contains(&file_system))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

    use super::*;
    use crate::stat::Stat;

    #[test]
    fn many_are_remembered_and_not_all() {
        let mut stat = statx(CWD, ".", AtFlags::empty(), StatxFlags::BASIC_STATS).unwrap();
        stat.stx_mtime.tv_sec = 0;
        let mut checksums = Checksums::default();
        for inode in 0..2 * SLOTS {
            stat.stx_ino = inode;
            checksums.insert(&Stat::from(stat).version, Checksum::EMPTY);
        }
        let known = checksums.slots.len() as u64;
        assert!((SLOTS / 2..=SLOTS).contains(&known), "{known}");
    }
}

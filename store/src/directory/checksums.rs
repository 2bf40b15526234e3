//! Checksums that are known already.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use haul_core::Checksum;

use crate::file_system::{BTRFS, EXT, XFS, f_type};
use crate::stat::{Moment, Version};

/// On ext2, ext3, ext4, XFS and Btrfs the first write to a page through a mapping changes the modification time. It
/// does not on tmpfs, and on a network file system or FUSE somebody else may write unseen.
const DATING: [u32; 3] = [EXT, XFS, BTRFS];

/// The most checksums remembered: some megabytes of memory.
const SLOTS: u64 = 1 << 16;

/// How long a file must have been left alone, in seconds, before its version tells it from what it may become. File
/// systems count time in ticks of up to some milliseconds (some in seconds), and two writes within one tick cannot be
/// told apart.
const SETTLED: i64 = 2;

/// A bounded memory of the checksums of whole files that were uploaded here.
///
/// It must never outlive the bytes, and a program that has mapped a file into its memory writes without changing its
/// times: they change when it first writes to a page, and then again only once that page was written back. So three
/// things are required.
/// - What was *read* is never remembered: somebody may have had it mapped. Of an upload nobody has: the store made its
///   file.
/// - The file is on a file system where the first write through a mapping changes the modification time
///   ([`dates_mapped_writes`]).
/// - The version has *settled*: its modification time lies in the past, so that any later write changes it. That of an
///   upload with an older modification time does at once; one with the time of its upload is not remembered.
#[derive(Debug, Default)]
pub(crate) struct Checksums {
    hasher: RandomState,
    /// A file has one slot, and whoever comes last keeps it.
    slots: HashMap<u64, (Version, Checksum)>,
}

impl Checksums {
    /// What is known of this version of a file.
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

/// Whether a checksum may be remembered of an open file.
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

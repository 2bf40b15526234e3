//! Checksums that are known already.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use haul_core::Checksum;

use crate::stat::Version;

/// The most checksums remembered: some megabytes of memory.
const SLOTS: u64 = 1 << 16;

/// How long a file must have been left alone, in seconds, before its version tells it from what it may become. File systems count time in ticks of up to some
/// milliseconds (some in seconds), and two writes within one tick cannot be told apart.
const SETTLED: i64 = 2;

/// A bounded memory of the checksums of whole files.
///
/// Only a version that has *settled* is remembered: its modification time lies in the past, so that any later write changes it. A file just
/// uploaded with an older modification time has settled at once; one with the time of its upload is remembered when it is first read whole.
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
        (known == version).then_some(*checksum)
    }

    /// Remembers the checksum of a version, if it has settled.
    #[expect(clippy::disallowed_methods, reason = "what is compared with it is a file's time")]
    pub(crate) fn insert(&mut self, version: &Version, checksum: Checksum) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let age = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(version.modified.seconds);
        if age >= SETTLED {
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

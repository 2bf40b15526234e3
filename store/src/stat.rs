//! The metadata of a file.

use std::fmt::Display;
use std::os::fd::AsFd;

use haul_core::{Checksum, StoreError, StoreErrorKind, Timestamp};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, RawMode, Statx, StatxAttributes, StatxFlags, StatxTimestamp, Uid,
    statx,
};
use rustix::io::Errno;
use rustix::path::Arg;

/// The number of the device of a file system: major and minor.
pub(crate) type Device = (u32, u32);

/// Identifies a file, independent of its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId {
    device: Device,
    inode: u64,
}

/// Identifies a file and its state. A file system may lack some times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) id: FileId,
    pub(crate) size: u64,
    pub(crate) modified: Option<Moment>,
    changed: Option<Moment>,
    /// When the file was created. It distinguishes the file from a later one with the same inode number.
    born: Option<Moment>,
}

/// Seconds since 1970 and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    nanos: u32,
}

/// The fields to request. Older kernels and some file systems do not know when a file was created.
const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// The metadata of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) file_type: FileType,
    /// Read, write and execute for owner, group and others, without other bits.
    pub(crate) permissions: Mode,
    pub(crate) owner: Uid,
    pub(crate) group: Gid,
    pub(crate) links: u32,
    /// Whether the file system reports a size.
    pub(crate) sized: bool,
    /// Whether something is mounted there, as far as the kernel reports it (since Linux 5.8).
    pub(crate) mount_point: bool,
    /// Whether names in it can only be added and never removed.
    pub(crate) append_only: bool,
    pub(crate) version: Version,
}

impl Stat {
    /// Reads the metadata of an open file.
    pub(crate) fn of(file: impl AsFd) -> Result<Self, Errno> {
        statx(file, c"", AtFlags::EMPTY_PATH, ASKED).map(Self::from)
    }

    /// Reads the metadata of a name in a directory; of a symbolic link itself.
    pub(crate) fn at(directory: impl AsFd, name: impl Arg) -> Result<Self, Errno> {
        statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, ASKED).map(Self::from)
    }

    pub(crate) fn id(&self) -> FileId {
        self.version.id
    }

    /// Whether the owner may execute the file.
    pub(crate) fn executable(&self) -> bool {
        self.permissions.contains(Mode::XUSR)
    }

    /// Fails for anything but a regular file; `name` is for the error.
    pub(crate) fn require_regular(&self, name: impl Display) -> Result<(), StoreError> {
        match self.file_type {
            FileType::RegularFile => Ok(()),
            FileType::Directory => {
                Err(StoreError::new(StoreErrorKind::IsDirectory, format!("{name} is a directory")))
            }
            _ => {
                let detail = format!("{name} is not a regular file");
                Err(StoreError::new(StoreErrorKind::NotAFile, detail))
            }
        }
    }
}

impl From<Statx> for Stat {
    fn from(stat: Statx) -> Self {
        let mode = RawMode::from(stat.stx_mode);
        // The mask omits fields that the file system does not know.
        let known = StatxFlags::from_bits_retain(stat.stx_mask);
        Self {
            file_type: FileType::from_raw_mode(mode),
            permissions: Mode::from_raw_mode(mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO),
            owner: Uid::from_raw(stat.stx_uid),
            group: Gid::from_raw(stat.stx_gid),
            links: stat.stx_nlink,
            sized: known.contains(StatxFlags::SIZE),
            mount_point: stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
            append_only: stat.stx_attributes.contains(StatxAttributes::APPEND),
            version: Version {
                id: FileId {
                    device: (stat.stx_dev_major, stat.stx_dev_minor),
                    inode: stat.stx_ino,
                },
                size: stat.stx_size,
                modified: known.contains(StatxFlags::MTIME).then(|| stat.stx_mtime.into()),
                changed: known.contains(StatxFlags::CTIME).then(|| stat.stx_ctime.into()),
                born: known.contains(StatxFlags::BTIME).then(|| stat.stx_btime.into()),
            },
        }
    }
}

impl FileId {
    pub(crate) fn device(self) -> Device {
        self.device
    }

    /// Whether both are on one file system.
    pub(crate) fn same_device(self, other: Self) -> bool {
        self.device == other.device
    }
}

impl Version {
    /// Whether a file that later has the version `now` certainly has the same bytes: neither its size nor its times
    /// have changed.
    pub(crate) fn stands(&self, now: &Self) -> bool {
        self == now && self.modified.is_some() && self.changed.is_some()
    }

    /// The version as the protocol writes it. `None` if the file system has no times: the version would not change with
    /// the content.
    pub(crate) fn word(&self) -> Option<haul_core::Version> {
        let (major, minor) = self.id.device;
        let mut known = Vec::with_capacity(72);
        known.extend([major, minor].map(u32::to_le_bytes).as_flattened());
        known.extend([self.id.inode, self.size].map(u64::to_le_bytes).as_flattened());
        for time in [self.modified?, self.changed?].into_iter().chain(self.born) {
            known.extend(time.seconds.to_le_bytes());
            known.extend(time.nanos.to_le_bytes());
        }
        // A checksum reveals nothing about this machine, is short, and is the same for every server that shares the
        // directory.
        haul_core::Version::parse(&Checksum::of(&known).to_string())
    }

    /// The modification time as the protocol writes it.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        self.modified.map(Moment::timestamp)
    }
}

impl Moment {
    /// The moment as the protocol writes it, clamped to the years that it can write.
    pub(crate) fn timestamp(self) -> Timestamp {
        // From 0000-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
        let seconds = self.seconds.clamp(-62_167_219_200, 253_402_300_799);
        Timestamp::new(seconds, self.nanos).unwrap_or(Timestamp::EPOCH)
    }
}

impl From<StatxTimestamp> for Moment {
    fn from(time: StatxTimestamp) -> Self {
        Self { seconds: time.tv_sec, nanos: time.tv_nsec }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn what_a_file_system_does_not_know_shows_no_change_and_no_sameness() {
        let mut stat = statx(CWD, ".", AtFlags::empty(), StatxFlags::BASIC_STATS).unwrap();
        let known = Stat::from(stat).version;
        assert!(known.stands(&known) && known.timestamp().is_some());
        for missing in [StatxFlags::MTIME, StatxFlags::CTIME] {
            stat.stx_mask = (StatxFlags::BASIC_STATS - missing).bits();
            let version = Stat::from(stat).version;
            assert!(!version.stands(&version) && !version.stands(&known));
            assert_eq!(version.timestamp().is_none(), missing == StatxFlags::MTIME);
        }
        stat.stx_mask = (StatxFlags::BASIC_STATS - StatxFlags::SIZE).bits();
        assert!(!Stat::from(stat).sized);
    }

    #[test]
    fn each_part_of_a_version_changes_its_word() {
        let mut stat = statx(CWD, ".", AtFlags::empty(), ASKED).unwrap();
        let word = |stat| Stat::from(stat).version.word();
        let mut words = vec![word(stat).unwrap()];
        assert_eq!(word(stat), Some(words[0]));
        let changes: [fn(&mut Statx); 9] = [
            |stat| stat.stx_dev_major += 1,
            |stat| stat.stx_dev_minor += 1,
            |stat| stat.stx_ino += 1,
            |stat| stat.stx_size += 1,
            |stat| stat.stx_mtime.tv_sec += 1,
            |stat| stat.stx_mtime.tv_nsec ^= 1,
            |stat| stat.stx_ctime.tv_sec += 1,
            |stat| stat.stx_ctime.tv_nsec ^= 1,
            |stat| stat.stx_btime.tv_nsec ^= 1,
        ];
        stat.stx_mask |= StatxFlags::BTIME.bits();
        words[0] = word(stat).unwrap();
        for change in changes {
            change(&mut stat);
            let new = word(stat).unwrap();
            assert!(!words.contains(&new), "{words:?}");
            words.push(new);
        }
        for missing in [StatxFlags::MTIME, StatxFlags::CTIME] {
            stat.stx_mask = (ASKED - missing).bits();
            assert_eq!(word(stat), None);
        }
    }

    #[test]
    fn times_that_the_protocol_cannot_write_are_moved() {
        let timestamp = |seconds| Moment { seconds, nanos: 5 }.timestamp().to_string();
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000005Z");
        assert_eq!(timestamp(i64::MIN), "0000-01-01T00:00:00.000000005Z");
        assert_eq!(timestamp(i64::MAX), "9999-12-31T23:59:59.000000005Z");
    }
}

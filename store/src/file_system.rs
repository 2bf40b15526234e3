//! What is known about the file system of a file.

use std::fs;
use std::os::fd::AsFd;

use rustix::fs::{fstatfs, fsync, syncfs};
use rustix::io::Errno;

use crate::stat::Device;

/// What a file system keeps after a power cut. docs/RELIABILITY.md describes the tests that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// ext3, ext4, XFS and Btrfs. An `fsync` of a directory makes durable the names in it, the names of the directories
    /// above it, and the link counts of the files.
    Journaled,
    /// ext4 with fast commits. The kernel recovers them, but some versions of `e2fsck`, which runs first, discard them.
    /// Only `syncfs` makes a full commit.
    FastCommits,
    /// ext2, and ext4 without a journal. A new name of a file is durable only if the file is synced after it got the
    /// name.
    Unjournaled,
    /// A file system in user space, about which nothing is known. Flushes do not include it.
    Fuse,
    /// A file system that was not tested.
    Other,
}

/// `f_type` of ext2, ext3 and ext4 (`linux/magic.h`).
pub(crate) const EXT: u32 = 0xef53;
pub(crate) const XFS: u32 = 0x5846_5342;
pub(crate) const BTRFS: u32 = 0x9123_683e;
const FUSE: u32 = 0x6573_5546;

/// The `f_type` of the file system that an open file is on.
pub(crate) fn f_type(file: impl AsFd) -> Option<u32> {
    // The type is as wide as a `long`. A value that does not fit is none of the known ones.
    fstatfs(file).ok().and_then(|stat| u32::try_from(stat.f_type).ok())
}

impl FileSystem {
    /// Finds out the file system of an open file; `device` is the device that it is on.
    pub(crate) fn of(file: impl AsFd, device: Device) -> Self {
        match f_type(file) {
            Some(XFS | BTRFS) => Self::Journaled,
            Some(FUSE) => Self::Fuse,
            Some(EXT) => of_ext(device).unwrap_or(Self::Other),
            _ => Self::Other,
        }
    }

    /// Whether files are created without a name (`O_TMPFILE`). A file that will replace another one needs a name first,
    /// and that name must be as durable as the file that it replaces.
    pub(crate) fn has_tmpfile(self, replaces: bool) -> bool {
        match self {
            Self::Journaled | Self::FastCommits => true,
            Self::Unjournaled => !replaces,
            Self::Fuse | Self::Other => false,
        }
    }

    /// Whether a file may be open for reading while it is written. Some FUSE servers (rclone without a cache) then
    /// accept only as much as fits into their memory.
    pub(crate) fn reads_what_it_writes(self) -> bool {
        self != Self::Fuse
    }

    /// Whether the file system may write a file only when a descriptor of it is closed. The close reports then whether
    /// that failed.
    pub(crate) fn writes_late(self) -> bool {
        matches!(self, Self::Fuse | Self::Other)
    }

    /// Whether the file system may list a name in another case than it was created with.
    pub(crate) fn lists_other_names(self) -> bool {
        matches!(self, Self::Fuse | Self::Other)
    }

    /// Whether a [`flush`](Self::flush) is as good as an fsync of each file.
    pub(crate) fn can_flush(self) -> bool {
        !matches!(self, Self::Fuse | Self::Other)
    }

    /// Flushes everything on the file system of `directory`, which is open for reading.
    pub(crate) fn flush(self, directory: impl AsFd) -> Result<(), Errno> {
        syncfs(&directory)?;
        // Without a journal the kernel flushes the disk's cache before it writes the last inodes.
        if self == Self::Unjournaled { fsync(directory) } else { Ok(()) }
    }
}

/// Tells ext2, ext3 and ext4 apart. They share one number and one driver, which reports which one it is.
fn of_ext((major, minor): Device) -> Option<FileSystem> {
    let device = fs::read_link(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let device = device.file_name()?.to_str()?;
    let journal = fs::read_to_string(format!("/sys/fs/ext4/{device}/journal_task")).ok()?;
    if journal.trim().parse::<u32>().is_err() {
        return (journal.trim() == "<none>").then_some(FileSystem::Unjournaled);
    }
    let options = fs::read_to_string(format!("/proc/fs/ext4/{device}/options")).ok()?;
    let commits = fs::read_to_string(format!("/proc/fs/ext4/{device}/fc_info"));
    let fast = has_fast_commits(&options, commits.as_deref().unwrap_or_default());
    Some(if fast { FileSystem::FastCommits } else { FileSystem::Journaled })
}

/// Some kernels list fast commits among the mount options. All of them count the fast commits.
fn has_fast_commits(options: &str, statistics: &str) -> bool {
    let listed =
        options.lines().any(|option| matches!(option.trim(), "fast_commit" | "fc_debug_force"));
    let counted = |line: &str| {
        let (count, what) = line.trim().split_once(' ')?;
        (what == "commits").then(|| count.parse() != Ok(0))
    };
    listed || statistics.lines().find_map(counted).unwrap_or(false)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    #[test]
    fn fast_commits_are_told_or_counted() {
        let options = "rw\nbsddf\nfc_debug_force\ncommit=5\n";
        assert!(has_fast_commits(options, ""));
        assert!(has_fast_commits("rw\nfast_commit\n", "fc stats:\n0 commits\n"));
        assert!(has_fast_commits("rw\n", "fc stats:\n20 commits\n3 ineligible\n"));
        assert!(!has_fast_commits("rw\ncommit=5\n", "fc stats:\n0 commits\n0 ineligible\n"));
        assert!(!has_fast_commits("rw\n", ""));
    }

    #[test]
    fn what_is_not_known_is_not_trusted() {
        let file = fs::File::open("/proc/self/stat").unwrap();
        let kind = FileSystem::of(&file, (0, 0));
        assert_eq!(
            (kind, kind.can_flush(), kind.has_tmpfile(false)),
            (FileSystem::Other, false, false)
        );
        assert_eq!(of_ext((0, 0)), None);
    }

    /// A file system that stays mounted until this is dropped.
    pub(crate) struct Mount(pub(crate) tempfile::TempDir);

    impl Drop for Mount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0.path()).status();
        }
    }

    /// Creates an image with a file system and mounts it; `None` if this machine cannot.
    pub(crate) fn mounted(program: &str, arguments: &[&str]) -> Option<Mount> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(128 << 20).unwrap();
        let here = tempfile::tempdir().unwrap();
        let done = |program: &str, arguments: &[&str], last: &Path| {
            let output = Command::new(program).args(arguments).arg(last).output();
            output.is_ok_and(|output| output.status.success())
        };
        let image_path = image.path().to_str().unwrap();
        if done(program, arguments, image.path())
            && done("mount", &["-o", "loop", image_path], here.path())
        {
            return Some(Mount(here));
        }
        eprintln!("not shown: {program} {arguments:?} cannot be made or mounted here");
        None
    }

    /// ext2, ext3 and ext4 share one number, one driver and often one name.
    #[test]
    fn journals_are_told_apart() {
        for (program, arguments, expected) in [
            ("mkfs.ext4", &["-qF"][..], FileSystem::Journaled),
            ("mkfs.ext3", &["-qF"], FileSystem::Journaled),
            ("mkfs.ext4", &["-qF", "-O", "fast_commit"], FileSystem::FastCommits),
            ("mkfs.ext4", &["-qF", "-O", "^has_journal"], FileSystem::Unjournaled),
            ("mkfs.ext2", &["-qF"], FileSystem::Unjournaled),
            ("mkfs.btrfs", &["-q"], FileSystem::Journaled),
        ] {
            let Some(mount) = mounted(program, arguments) else { continue };
            let directory = fs::File::open(mount.0.path()).unwrap();
            let device = crate::stat::Stat::of(&directory).unwrap().id().device();
            let found = FileSystem::of(&directory, device);
            assert_eq!(found, expected, "{program} {arguments:?}");
            found.flush(&directory).unwrap();
        }
    }
}

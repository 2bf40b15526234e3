//! Files without a name, which the kernel takes away when nobody has them open any more, however that comes about: not
//! even `kill -9` or a power cut leaves anything of them.
//!
//! To make one and to give it its name costs less than to make one under a name and to rename it: directories are
//! searched and written once, not three times.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::LazyLock;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, linkat, openat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::stat::Stat;
use crate::unsupported::is_unsupported;

/// Where a file that has no name is found to be given one, as `open(2)` tells. To link a descriptor itself takes a
/// capability or Linux 6.10.
const DESCRIPTORS: &str = "/proc/self/fd";

static CAN_LINK: LazyLock<bool> =
    LazyLock::new(|| accessat(CWD, DESCRIPTORS, Access::EXEC_OK, AtFlags::empty()).is_ok());

/// Makes an empty file on the file system of `directory`, to read and to write; `None` if it could not be made so, or
/// not be given a name later.
pub(crate) fn create(directory: impl AsFd, permissions: Mode) -> Result<Option<OwnedFd>, Errno> {
    if !*CAN_LINK {
        return Ok(None);
    }
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match openat(&directory, c".", flags, permissions) {
        // Those who do not know the flag take it for a directory that is to be written.
        Err(Errno::ISDIR) => Ok(None),
        Err(errno) if is_unsupported(errno) => Ok(None),
        // What ext4 says of a directory that was removed.
        Err(Errno::PERM) if Stat::of(&directory).is_ok_and(|stat| stat.links == 0) => {
            Err(Errno::NOENT)
        }
        opened => opened.map(Some),
    }
}

/// Gives a file that has no name its first one, unless there is something of that name.
pub(crate) fn link(file: impl AsFd, directory: impl AsFd, name: impl Arg) -> Result<(), Errno> {
    linkat(CWD, path_of(file), directory, name, AtFlags::SYMLINK_FOLLOW)
}

/// A path by which an open file is found, also one that is open as a path only.
pub(crate) fn path_of(file: impl AsFd) -> String {
    format!("{DESCRIPTORS}/{}", file.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    /// It is not there, rather than not permitted. Not every file system minds.
    #[test]
    fn no_file_is_made_in_a_removed_directory() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("directory");
        fs::create_dir(&path).unwrap();
        let directory = File::open(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        let created = create(&directory, Mode::RWXU);
        assert!(matches!(created, Ok(_) | Err(Errno::NOENT)), "{created:?}");
    }
}

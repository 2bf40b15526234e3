//! Files without a name (`O_TMPFILE`). The kernel removes them when nobody has them open any more: not even `kill -9`
//! or a power cut leaves a trace of them.
//!
//! Creating one and linking it costs less than creating a named file and renaming it: the kernel searches and writes
//! directories once, not three times.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::LazyLock;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, linkat, openat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::stat::Stat;
use crate::unsupported::is_unsupported;

/// The directory by which a file without a name can be linked, see `open(2)`. Linking a descriptor itself needs a
/// capability or Linux 6.10.
const DESCRIPTORS: &str = "/proc/self/fd";

static CAN_LINK: LazyLock<bool> =
    LazyLock::new(|| accessat(CWD, DESCRIPTORS, Access::EXEC_OK, AtFlags::empty()).is_ok());

/// Creates an empty file on the file system of `directory`, for reading and writing; `None` if the file system does not
/// support it, or if the file could not be linked later.
pub(crate) fn create(directory: impl AsFd, permissions: Mode) -> Result<Option<OwnedFd>, Errno> {
    if !*CAN_LINK {
        return Ok(None);
    }
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match openat(&directory, c".", flags, permissions) {
        // A kernel that does not know the flag takes this for a directory opened for writing.
        Err(Errno::ISDIR) => Ok(None),
        Err(errno) if is_unsupported(errno) => Ok(None),
        // ext4 reports this for a removed directory.
        Err(Errno::PERM) if Stat::of(&directory).is_ok_and(|stat| stat.links == 0) => {
            Err(Errno::NOENT)
        }
        opened => opened.map(Some),
    }
}

/// Gives a file without a name its first name, unless that name exists.
pub(crate) fn link(file: impl AsFd, directory: impl AsFd, name: impl Arg) -> Result<(), Errno> {
    linkat(CWD, path_of(file), directory, name, AtFlags::SYMLINK_FOLLOW)
}

/// A path that leads to an open file, even to one that is open as a path only.
pub(crate) fn path_of(file: impl AsFd) -> String {
    format!("{DESCRIPTORS}/{}", file.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    /// The error says that it is missing, not that it is forbidden. Not every file system fails.
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

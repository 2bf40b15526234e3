//! Files without a name, which the kernel takes away when nobody has them open any more, however that comes about: not even `kill -9` or a power cut leaves anything of them.
//!
//! To make one and to give it its name costs less than to make one under a name and to rename it: directories are searched and written once, not three times.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::LazyLock;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, linkat, openat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::lacks::is_missing;

/// Where a file that has no name is found to be given one, as `open(2)` tells. To link a descriptor itself takes a capability or Linux 6.10.
const DESCRIPTORS: &str = "/proc/self/fd";

static CAN_LINK: LazyLock<bool> =
    LazyLock::new(|| accessat(CWD, DESCRIPTORS, Access::EXEC_OK, AtFlags::empty()).is_ok());

/// Makes an empty file on the file system of `directory`, to read and to write; `None` if it could not be made so, or not be given a name later.
pub(crate) fn create(directory: impl AsFd, permissions: Mode) -> Result<Option<OwnedFd>, Errno> {
    if !*CAN_LINK {
        return Ok(None);
    }
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match openat(directory, c".", flags, permissions) {
        // Those who do not know the flag take it for a directory that is to be written.
        Err(Errno::ISDIR) => Ok(None),
        Err(errno) if is_missing(errno) => Ok(None),
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

//! Opening a directory inside an open directory.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Opens the directory `name` in `directory` for reading. It does not follow a symbolic link.
pub(crate) fn open_directory(directory: impl AsFd, name: impl Arg) -> Result<OwnedFd, Errno> {
    open_directory_for(OFlags::RDONLY, directory, name)
}

/// As [`open_directory`], but opens a directory that may not be read as a path only, to look up and create names in it.
pub(crate) fn open_directory_or_path(
    directory: impl AsFd,
    name: impl Arg + Copy,
) -> Result<OwnedFd, Errno> {
    or_path_only(|access| open_directory_for(access, &directory, name))
}

/// Opens for reading or, without that right, as a path only, to look up and create names.
pub(crate) fn or_path_only<T>(open: impl Fn(OFlags) -> Result<T, Errno>) -> Result<T, Errno> {
    match open(OFlags::RDONLY) {
        Err(Errno::ACCESS) => open(OFlags::PATH),
        opened => opened,
    }
}

fn open_directory_for(
    access: OFlags,
    directory: impl AsFd,
    name: impl Arg,
) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    /// A file or link that replaced the directory after the check is not opened.
    #[test]
    fn only_directories_are_entered() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("directory", at("link")).unwrap();
        let handle = File::open(directory.path()).unwrap();
        for access in [OFlags::RDONLY, OFlags::PATH] {
            open_directory_for(access, &handle, "directory").unwrap();
            assert_eq!(open_directory_for(access, &handle, "file").unwrap_err(), Errno::NOTDIR);
            assert_eq!(open_directory_for(access, &handle, "link").unwrap_err(), Errno::NOTDIR);
        }
    }
}

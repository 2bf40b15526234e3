//! Finds files beneath the shared directory, and nowhere else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, open, openat, readlinkat};
use rustix::io::Errno;

use crate::atomic_file::is_temporary_name;
use crate::resolve::{Links, MAX_LINKS, Mounts, Way, open_beneath};
use crate::stat::Stat;

/// The open shared directory. It stays the same directory even if its name changes.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    directory: Arc<OwnedFd>,
    /// What paths may pass.
    way: Way,
}

/// Where a path leads: a name that is not a symbolic link, in a directory beneath the root.
#[derive(Debug)]
pub(crate) struct Located {
    directory: OwnedFd,
    name: OsString,
    pub(crate) stat: Stat,
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Self::new(open(path, flags, Mode::empty())?, Links::Follow.into());
        root.open_directory(Path::new("."), OFlags::PATH)?;
        Ok(root)
    }

    /// The open directory `directory`, whose paths may pass what `way` says.
    pub(crate) fn new(directory: OwnedFd, way: Way) -> Self {
        Self { directory: Arc::new(directory), way }
    }

    /// The same directory, whose paths may pass what `way` says.
    pub(crate) fn with(&self, way: impl Into<Way>) -> Self {
        Self { directory: Arc::clone(&self.directory), way: way.into() }
    }

    /// Whether what is mounted in it is not part of it.
    pub(crate) fn refuses_mounts(&self) -> bool {
        self.way.mounts == Mounts::Refuse
    }

    /// The open directory, to be shared.
    pub(crate) fn shared(&self) -> &Arc<OwnedFd> {
        &self.directory
    }

    /// Opens a directory and, if it may, follows links that stay beneath the root. `access` is for reading it, or for a path only.
    ///
    /// [`Errno::XDEV`] means that the path leaves the root.
    pub(crate) fn open_directory(
        &self,
        path: &Path,
        access: OFlags,
    ) -> Result<(OwnedFd, Stat), Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = access | OFlags::DIRECTORY;
        let directory = open_beneath(&self.directory, path, flags, self.way)?;
        let stat = Stat::of(&directory)?;
        Ok((directory, stat))
    }

    /// Finds the target of `path` and, if it may, follows links that stay beneath the root.
    pub(crate) fn locate(&self, path: &Path) -> Result<Located, Errno> {
        let mut path = path.to_owned();
        for _ in 0..=MAX_LINKS {
            // The last component is resolved separately, so that the real name of the file is known: links to an
            // unfinished file lead nowhere.
            let Some(name) = path.file_name() else {
                let (directory, stat) = self.open_directory(&path, OFlags::PATH)?;
                return Ok(Located { directory, name: ".".into(), stat });
            };
            let parent = path.parent().unwrap_or(Path::new("."));
            let (directory, _) = self.open_directory(parent, OFlags::PATH)?;
            if is_temporary_name(name.as_bytes()) {
                return Err(Errno::NOENT);
            }
            let stat = Stat::at(&directory, name)?;
            if stat.mount_point && self.refuses_mounts() {
                return Err(Errno::XDEV);
            }
            if stat.file_type != FileType::Symlink {
                return Ok(Located { name: name.to_owned(), directory, stat });
            }
            if self.way.links == Links::Refuse {
                return Err(Errno::LOOP);
            }
            let target = match readlinkat(&directory, name, Vec::new()) {
                Ok(target) => target,
                // It is no longer a link.
                Err(Errno::INVAL) => continue,
                Err(errno) => return Err(errno),
            };
            let target = Path::new(OsStr::from_bytes(target.as_bytes()));
            // An absolute target gives an absolute path, which the kernel refuses because it leaves the root.
            path = parent.join(target);
        }
        Err(Errno::LOOP)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Located {
    /// Opens a regular file or a directory for reading. If the name was replaced meanwhile, this neither blocks nor
    /// follows a link.
    pub(crate) fn open(&self) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(&self.directory, &self.name, flags, Mode::empty())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, fcntl_getfl, mkfifoat};

    use super::*;

    /// A FIFO or a link that replaces the name after the check neither blocks nor is followed.
    #[test]
    fn a_name_may_change_before_it_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "x").unwrap();
        let located = Root::open(directory.path()).unwrap().locate(Path::new("file")).unwrap();
        let flags = fcntl_getfl(located.open().unwrap()).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK));

        fs::remove_file(&file).unwrap();
        mkfifoat(CWD, &file, Mode::RWXU).unwrap();
        located.open().unwrap();
        fs::remove_file(&file).unwrap();
        symlink("elsewhere", &file).unwrap();
        assert_eq!(located.open().unwrap_err(), Errno::LOOP);
    }
}

//! An open directory in which files are created, renamed or deleted.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, OFlags, accessat, fcntl_getfl, fsync, syncfs};
use rustix::io::Errno;

use crate::file_system::{BTRFS, FileSystem, f_type};
use crate::open_directory::open_directory;
use crate::stat::{FileId, Stat};
use crate::unsupported::{self, Unsupported};

/// No path has more directories than this above it.
const MAX_ABOVE: usize = 4096;

/// An open directory in which files are created, renamed or deleted.
#[derive(Debug)]
pub(crate) struct DirectoryHandle {
    directory: Arc<OwnedFd>,
    id: FileId,
    /// Whether it is open for reading. That needs more rights than creating files in it.
    readable: bool,
    pub(crate) file_system: FileSystem,
    /// The directory and the path in it by which this one was found, if it was found that way.
    found: Option<(Arc<OwnedFd>, PathBuf)>,
}

impl DirectoryHandle {
    /// Takes a directory that is open for reading or as a path only (`O_PATH`).
    pub(crate) fn new(directory: OwnedFd) -> Result<Self, Errno> {
        let id = Stat::of(&directory)?.id();
        let file_system = FileSystem::of(&directory, id.device());
        Self::with(directory, id, file_system)
    }

    /// As [`new`](Self::new), for a directory whose identity and file system are known.
    pub(crate) fn with(
        directory: OwnedFd,
        id: FileId,
        file_system: FileSystem,
    ) -> Result<Self, Errno> {
        let readable = !fcntl_getfl(&directory)?.contains(OFlags::PATH);
        Ok(Self { directory: Arc::new(directory), id, readable, file_system, found: None })
    }

    /// Records that it was found in `root` by `path`.
    pub(crate) fn found_in(self, root: &Arc<OwnedFd>, path: impl AsRef<Path>) -> Self {
        Self { found: Some((Arc::clone(root), path.as_ref().to_owned())), ..self }
    }

    /// Returns the directory that paths are relative to, and the path of `name` there.
    pub(crate) fn path_of(&self, name: &OsStr) -> (BorrowedFd<'_>, PathBuf) {
        match &self.found {
            Some((root, path)) => (root.as_fd(), path.join(name)),
            None => (self.directory.as_fd(), name.into()),
        }
    }

    /// Whether one fsync covers all names that were given in this directory before.
    pub(crate) fn syncs_names_together(&self) -> bool {
        self.readable && self.file_system != FileSystem::Unjournaled
    }

    /// The open directory, to be shared.
    pub(crate) fn handle(&self) -> &Arc<OwnedFd> {
        &self.directory
    }

    /// Identifies the directory.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Fails if no file can be created in the directory.
    pub(crate) fn require_writable(&self) -> Result<(), Errno> {
        accessat(&self.directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
    }

    /// Fails for a directory from which no name can be removed: a temporary name would stay in it.
    pub(crate) fn require_removable(&self) -> Result<(), Errno> {
        if Stat::of(&self.directory)?.append_only { Err(Errno::PERM) } else { Ok(()) }
    }

    /// Opens the directory again, for reading.
    pub(crate) fn reopened(&self) -> Result<OwnedFd, Errno> {
        open_directory(&self.directory, c".")
    }

    /// Fsyncs the name of `file`, which it got in this directory, and the names of the directories above it up to
    /// `root`. `name` is for the log.
    pub(crate) fn sync_name(&self, file: &OwnedFd, root: FileId, name: &str) -> Result<(), Errno> {
        match self.file_system {
            FileSystem::FastCommits => syncfs(file),
            FileSystem::Journaled if self.readable => fsync(&self.directory),
            // The journal has the new name of the file and all that was written before it.
            FileSystem::Journaled => fsync(file),
            FileSystem::Unjournaled => {
                fsync(file)?;
                self.sync_names_up_to(root, file, name)
            }
            FileSystem::Fuse | FileSystem::Other => self.sync_names_up_to(root, file, name),
        }
    }

    /// Fsyncs changes of names in this directory, and the names of the directories above it up to `root`. `name` is for
    /// the log.
    pub(crate) fn sync_names(&self, root: FileId, name: &str) -> Result<(), Errno> {
        match self.file_system {
            FileSystem::Journaled if self.readable => fsync(&self.directory),
            FileSystem::Journaled | FileSystem::FastCommits | FileSystem::Unjournaled => {
                self.flush()
            }
            FileSystem::Fuse | FileSystem::Other if self.readable => {
                self.sync_directory(&self.directory, name)?;
                self.sync_names_above(root, name)
            }
            FileSystem::Fuse | FileSystem::Other => syncfs(self.readable_above()?),
        }
    }

    pub(crate) fn is_on_btrfs(&self) -> bool {
        f_type(&self.directory) == Some(BTRFS)
    }

    /// Flushes its whole file system.
    pub(crate) fn flush(&self) -> Result<(), Errno> {
        self.file_system.flush(self.readable_above()?)
    }

    /// Opens the nearest directory that can be read, from this one upwards, on the same file system.
    fn readable_above(&self) -> Result<OwnedFd, Errno> {
        let mut path = PathBuf::from(".");
        for _ in 0..MAX_ABOVE {
            let opened = open_directory(&self.directory, &*path);
            match opened {
                Ok(directory) if !Stat::of(&directory)?.id().same_device(self.id) => break,
                Err(Errno::ACCESS) => path.push(".."),
                opened => return opened,
            }
        }
        Err(Errno::ACCESS)
    }

    /// Fsyncs each directory up to `root`, so it does not matter who created them and when.
    fn sync_names_up_to(&self, root: FileId, file: &OwnedFd, name: &str) -> Result<(), Errno> {
        if self.readable {
            self.sync_directory(&self.directory, name)?;
        } else {
            unsupported::warn_once(Unsupported::UnreadableDirectorySync, self.id.device(), name);
            fsync(file)?;
        }
        self.sync_names_above(root, name)
    }

    fn sync_names_above(&self, root: FileId, name: &str) -> Result<(), Errno> {
        let (mut above, mut id): (Option<OwnedFd>, _) = (None, self.id);
        for _ in 0..MAX_ABOVE {
            if id == root {
                break;
            }
            let below = above.as_ref().map_or(self.directory.as_fd(), AsFd::as_fd);
            let Ok(directory) = open_directory(below, c"..") else {
                unsupported::warn_once(
                    Unsupported::UnreadableDirectorySync,
                    self.id.device(),
                    name,
                );
                break;
            };
            let next = Stat::of(&directory)?.id();
            // This is the root directory, or another file system, in which nothing was created.
            if next == id || !next.same_device(self.id) {
                break;
            }
            self.sync_directory(&directory, name)?;
            id = next;
            above = Some(directory);
        }
        Ok(())
    }

    fn sync_directory(&self, directory: &OwnedFd, name: &str) -> Result<(), Errno> {
        match fsync(directory) {
            Err(errno) if unsupported::is_unsupported(errno) => {
                unsupported::warn_once(Unsupported::DirectorySync, self.id.device(), name);
                Ok(())
            }
            synced => synced,
        }
    }
}

impl AsFd for DirectoryHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

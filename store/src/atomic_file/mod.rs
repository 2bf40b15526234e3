//! A file that appears under its name atomically. It is written as a tmpfile or under a temporary name.

mod content;
mod copy;
mod existing;
mod name;
mod publish;
mod rights;
mod space;
mod sparse;
pub(crate) mod spelling;
mod sweep;

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use haul_core::{Checksum, StoreError, StoreErrorKind, Timestamp};
use rustix::fs::{
    AtFlags, FlockOperation, Mode as Permissions, OFlags, Timespec, Timestamps, UTIME_NOW, flock,
    fsync, futimens, openat, unlinkat,
};
use rustix::io::Errno;

use self::content::Content;
pub(crate) use self::existing::{exists, replaceable};
use self::name::TemporaryName;
pub(crate) use self::name::{OLD_STAGING, is_temporary_name};
pub(crate) use self::sweep::{log_removed, sweep};
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, misuse};
use crate::stat::{Stat, Version};
use crate::unsupported::{self, Unsupported};
use crate::{NewFile, PassThrough, tmpfile};

/// How often to create a file again because a sweep took it for a leftover before it was locked.
const MAX_SWEPT: usize = 16;

/// A file that is being written. Dropping it before it has its final name removes it.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    directory: Arc<DirectoryHandle>,
    named: Name,
    /// `None` only during the drop.
    content: Option<Content>,
    /// The final name, for errors.
    name: String,
    modified: Option<Timestamp>,
    executable: bool,
    /// Whether it will be synced.
    durable: bool,
    /// Whether other files can be copied to it, and whether it can be read for its checksum.
    copies: bool,
    state: State,
    /// The name in `directory` of the file that it will replace. Only the owner has access to this file until it gets
    /// the permissions of that one.
    replaces: Option<OsString>,
    /// The version of the replaced file whose permissions it got.
    rights_of: Option<Version>,
    /// Where the replaced file is kept until the new name is on stable storage.
    replaced: Option<(Arc<DirectoryHandle>, TemporaryName)>,
}

#[derive(Debug)]
enum Name {
    /// It is a tmpfile.
    None,
    Temporary(TemporaryName),
    /// It has its own name.
    Final,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Something may not be on stable storage.
    Dirty,
    /// Bytes and times are on stable storage.
    Synced,
    /// An fsync failed. The kernel's cache of the file cannot be trusted, so the file must never be published.
    Failed,
}

impl AtomicFile {
    /// Creates an empty file in `directory`. `replaces` is the name there of the file that it will replace, if there is
    /// one; `name` is for errors.
    pub(crate) fn create(
        directory: Arc<DirectoryHandle>,
        file: &NewFile,
        replaces: Option<&OsStr>,
        name: String,
    ) -> Result<Self, StoreError> {
        let permissions = if replaces.is_some() {
            // The replaced file may be accessible to fewer users than a new one.
            Permissions::RUSR | Permissions::WUSR
        } else {
            permissions_of_new(file.executable)
        };
        let (named, handle) = make(&directory, permissions, replaces.is_some(), &name)
            .map_err(|errno| failed(format_args!("create {name}"), errno))?;
        let content = Content::new(handle, file, directory.file_system);
        let copies = directory.file_system.reads_what_it_writes();
        let mut atomic_file = Self {
            directory,
            named,
            content: Some(content),
            name,
            modified: file.modified,
            executable: file.executable,
            durable: file.durable,
            copies,
            state: State::Dirty,
            replaces: replaces.map(OsStr::to_owned),
            rights_of: None,
            replaced: None,
        };
        let room = atomic_file.content_mut().require_space(file.size.unwrap_or(0));
        room.map_err(|errno| atomic_file.cannot("make room for", errno))?;
        Ok(atomic_file)
    }

    /// Whether it gets another modification time than that of its last write.
    pub(crate) fn is_dated(&self) -> bool {
        self.modified.is_some()
    }

    fn content(&self) -> &Content {
        self.content.as_ref().expect("it is open until it is dropped")
    }

    fn content_mut(&mut self) -> &mut Content {
        self.content.as_mut().expect("it is open until it is dropped")
    }

    /// The open file.
    pub(crate) fn file(&self) -> &OwnedFd {
        &self.content().file
    }

    /// The directory in which it was created, or got its name.
    pub(crate) fn directory(&self) -> &Arc<DirectoryHandle> {
        &self.directory
    }

    /// Whether it has no name, so that nobody can remove it.
    pub(crate) fn is_tmpfile(&self) -> bool {
        matches!(self.named, Name::None)
    }

    /// See [`Staged::write`](crate::Staged::write).
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.begin_write(offset)?;
        self.content_mut().write(data).map_err(|errno| self.cannot("write", errno))
    }

    /// See [`Staged::pass_through`](crate::Staged::pass_through).
    pub(crate) fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.content_mut().pass_through()
    }

    /// See [`Staged::write_received`](crate::Staged::write_received).
    pub(crate) fn write_received(
        &mut self,
        offset: u64,
        length: usize,
    ) -> Result<Checksum, StoreError> {
        self.begin_write(offset)?;
        if !self.content().has_pipe() {
            return Err(misuse("nothing was received"));
        }
        self.content_mut().write_received(length).map_err(|errno| self.cannot("write", errno))
    }

    /// Appends up to `length` bytes of `source`, which has that many at `offset`; see [`Content::copy`].
    pub(crate) fn copy(
        &mut self,
        source: &OwnedFd,
        offset: u64,
        length: usize,
        known: Option<Checksum>,
    ) -> Result<Option<(usize, Checksum)>, StoreError> {
        self.begin_write(offset)?;
        if !self.copies {
            return Ok(None);
        }
        let copied = self.content_mut().copy(source, length, known);
        let copied = copied.map_err(|errno| self.cannot("write", errno))?;
        self.copies = copied.is_some();
        Ok(copied)
    }

    fn begin_write(&mut self, offset: u64) -> Result<(), StoreError> {
        if offset != self.content().written {
            return Err(misuse("a staged file is written from front to back"));
        }
        if self.state == State::Synced {
            self.state = State::Dirty;
        }
        Ok(())
    }

    /// See [`Staged::sync`](crate::Staged::sync).
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.finish_writing()?;
        let synced = fsync(self.file());
        self.note_sync(synced)
    }

    /// Does everything that has to precede a sync.
    pub(crate) fn finish_writing(&mut self) -> Result<(), StoreError> {
        // After a failed `fsync` the next one may succeed although bytes are lost: the kernel marks them clean.
        if self.state == State::Failed {
            return Err(self.untrusted());
        }
        self.content_mut().finish().map_err(|errno| self.cannot("write", errno))?;
        self.take_expected_rights();
        self.set_times()
    }

    /// Records the result of a sync.
    pub(crate) fn note_sync(&mut self, synced: Result<(), Errno>) -> Result<(), StoreError> {
        self.state = if synced.is_ok() { State::Synced } else { State::Failed };
        synced.map_err(|errno| failed(format_args!("bring {} to stable storage", self.name), errno))
    }

    fn set_times(&self) -> Result<(), StoreError> {
        let Some(modified) = self.modified else {
            return Ok(());
        };
        let times = Timestamps {
            // Both times are set: FUSE servers with libfuse 2 set both or none, and report no error.
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            last_modification: Timespec {
                tv_sec: modified.seconds(),
                tv_nsec: modified.nanos().into(),
            },
        };
        match futimens(self.file(), &times) {
            Err(errno)
                if unsupported::is_unsupported(errno)
                    || matches!(errno, Errno::PERM | Errno::ACCESS) =>
            {
                unsupported::warn_once(
                    Unsupported::Times,
                    self.directory.id().device(),
                    &self.name,
                );
                Ok(())
            }
            set => set.map_err(|errno| self.cannot("set the time of", errno)),
        }
    }

    fn cannot(&self, what: &str, errno: Errno) -> StoreError {
        failed(format_args!("{what} {}", self.name), errno)
    }

    fn untrusted(&self) -> StoreError {
        let detail = format!("{} could not be brought to stable storage before", self.name);
        StoreError::new(StoreErrorKind::Io, detail)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // Some file systems write a file when it is closed, and would create it again.
        drop(self.content.take());
        if let Name::Temporary(TemporaryName(name)) = &self.named {
            // If this fails too, the next sweep removes the file.
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
        if let Some((directory, TemporaryName(name))) = &self.replaced {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }
}

/// The permissions to request for a new file. The umask or the default ACL of the directory reduces them, as for any
/// other program.
fn permissions_of_new(executable: bool) -> Permissions {
    Permissions::from_raw_mode(if executable { 0o777 } else { 0o666 })
}

/// Creates an empty file, without a name where that is safe.
fn make(
    directory: &DirectoryHandle,
    permissions: Permissions,
    replaces: bool,
    name: &str,
) -> Result<(Name, OwnedFd), Errno> {
    if directory.file_system.has_tmpfile(replaces)
        && let Some(file) = tmpfile::create(directory, permissions)?
    {
        return Ok((Name::None, file));
    }
    directory.require_removable()?;
    sweep::sweep_once(directory);
    let reads = directory.file_system.reads_what_it_writes();
    for _ in 0..MAX_SWEPT {
        let temporary_name = TemporaryName::new();
        let access = if reads { OFlags::RDWR } else { OFlags::WRONLY };
        let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = match openat(directory, &temporary_name.0, flags, permissions) {
            Err(Errno::EXIST) => continue,
            made => made?,
        };
        if is_mine(&file, directory, name) {
            return Ok((Name::Temporary(temporary_name), file));
        }
    }
    // Sweeps removed the file again and again.
    Err(Errno::AGAIN)
}

/// Locks a temporary file that was just created. Returns false if a sweep was faster.
fn is_mine(file: &OwnedFd, directory: &DirectoryHandle, name: &str) -> bool {
    match lock(file) {
        Ok(()) => Stat::of(file).is_ok_and(|stat| stat.links > 0),
        // A sweep is checking the file right now.
        Err(Errno::WOULDBLOCK) => false,
        // This file system has no locks, so no sweep removes anything.
        Err(_) => {
            unsupported::warn_once(Unsupported::Locks, directory.id().device(), name);
            true
        }
    }
}

/// Locks a file that is being written.
fn lock(file: &OwnedFd) -> Result<(), Errno> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

#[cfg(test)]
mod tests {
    use haul_core::{FilePath, Mode};
    use rustix::fs::{CWD, open};
    use tempfile::TempDir;

    use super::*;
    use crate::file_system::FileSystem;

    pub(super) fn open_handle(directory: &TempDir) -> Arc<DirectoryHandle> {
        let handle = open(directory.path(), OFlags::RDONLY, Permissions::empty()).unwrap();
        Arc::new(DirectoryHandle::new(handle).unwrap())
    }

    pub(super) fn create(directory: &Arc<DirectoryHandle>, mode: Mode) -> AtomicFile {
        let path = FilePath::parse("file").unwrap();
        let file = NewFile {
            path,
            mode,
            if_match: None,
            size: None,
            modified: None,
            executable: false,
            durable: false,
        };
        AtomicFile::create(Arc::clone(directory), &file, None, "file".into()).unwrap()
    }

    #[test]
    fn a_failed_sync_is_final() {
        let directory = tempfile::tempdir().unwrap();
        let handle = open_handle(&directory);
        let mut atomic_file = create(&handle, Mode::Replace);
        atomic_file.write(0, b"byte").unwrap();
        atomic_file.sync().unwrap();
        assert_eq!(atomic_file.state, State::Synced);
        atomic_file.write(4, b"s").unwrap();
        assert_ne!(atomic_file.state, State::Synced);

        // A device cannot be synced.
        let device = openat(CWD, "/dev/null", OFlags::RDWR, Permissions::empty()).unwrap();
        let good = std::mem::replace(&mut atomic_file.content_mut().file, device);
        atomic_file.sync().unwrap_err();
        atomic_file.content_mut().file = good;

        assert_eq!(atomic_file.sync().unwrap_err().kind, StoreErrorKind::Io);
        let published = atomic_file.publish(&handle, "file".as_ref(), Mode::Replace);
        assert_eq!(published.unwrap_err().kind, StoreErrorKind::Io);
        assert_ne!(atomic_file.state, State::Synced);
    }

    /// A file with a temporary name and a tmpfile, each in a directory of its own. Tmpfs supports both, though this
    /// store does not use tmpfiles there by default.
    pub(super) fn named_and_tmpfile(
        mode: Mode,
    ) -> [(TempDir, Arc<DirectoryHandle>, AtomicFile); 2] {
        [false, true].map(|tmpfile| {
            let directory = tempfile::tempdir_in("/dev/shm").unwrap();
            let mut handle = DirectoryHandle::new(
                open(directory.path(), OFlags::RDONLY, Permissions::empty()).unwrap(),
            )
            .unwrap();
            assert_eq!(handle.file_system, FileSystem::Other);
            if tmpfile {
                handle.file_system = FileSystem::Journaled;
            }
            let handle = Arc::new(handle);
            let atomic_file = create(&handle, mode);
            assert_eq!(atomic_file.is_tmpfile(), tmpfile);
            (directory, handle, atomic_file)
        })
    }

    /// A file that gets a name before it replaces another one is locked, or another program would sweep it.
    #[test]
    fn a_file_with_a_name_is_locked() {
        for (_directory, handle, mut atomic_file) in named_and_tmpfile(Mode::Replace) {
            if atomic_file.is_tmpfile() {
                atomic_file.take_temporary_name().unwrap();
            }
            let Name::Temporary(TemporaryName(name)) = &atomic_file.named else {
                panic!("it has no name");
            };
            let other = openat(&handle, name, OFlags::RDWR, Permissions::empty()).unwrap();
            let locked = flock(other, FlockOperation::NonBlockingLockExclusive);
            assert_eq!(locked, Err(Errno::WOULDBLOCK));
        }
    }

    #[test]
    fn what_a_sweep_took_is_not_mine() {
        let [(directory, handle, atomic_file), _] = named_and_tmpfile(Mode::Replace);
        let Name::Temporary(TemporaryName(name)) = &atomic_file.named else {
            panic!("it has no name");
        };
        let flags = OFlags::RDWR;
        let other = openat(&handle, name, flags, Permissions::empty()).unwrap();
        assert!(is_mine(atomic_file.file(), &handle, "file"));
        assert!(!is_mine(&other, &handle, "file"));
        std::fs::remove_file(directory.path().join(name)).unwrap();
        assert!(!is_mine(atomic_file.file(), &handle, "file"));
    }
}

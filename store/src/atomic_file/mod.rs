//! A file that is written without a name, or under a temporary one, and then takes its own.

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
pub(crate) use self::sweep::{sweep, told};
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, misuse};
use crate::stat::{Stat, Version};
use crate::unsupported::{self, Unsupported};
use crate::{NewFile, PassThrough, tmpfile};

/// How often a file is made anew because a sweep took it for a leftover, in the instant before it was locked.
const MAX_SWEPT: usize = 16;

/// A file that is being written. Dropping it before it has its own name removes it.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    directory: Arc<DirectoryHandle>,
    named: Name,
    /// `None` only while it is dropped.
    content: Option<Content>,
    /// The file's own name in errors.
    name: String,
    modified: Option<Timestamp>,
    executable: bool,
    /// Whether it will be synced.
    durable: bool,
    /// Whether bytes of other files can be copied to it, and be read for their checksum.
    copies: bool,
    state: State,
    /// The name in `directory` of the file that it will replace. Nobody but its owner has any right to it until it is
    /// given that file's.
    replaces: Option<OsString>,
    /// The version of the replaced file whose rights it was given.
    rights_of: Option<Version>,
    /// Where the file that it replaced is kept until its own name is on stable storage.
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
    /// Stable storage failed; what the kernel holds of the file cannot be trusted any more, so it must never be
    /// published.
    Failed,
}

impl AtomicFile {
    /// Makes an empty file in `directory`. `replaces` is the name in it of the file that it will replace, if there is
    /// one; `name` is for errors.
    pub(crate) fn create(
        directory: Arc<DirectoryHandle>,
        file: &NewFile,
        replaces: Option<&OsStr>,
        name: String,
    ) -> Result<Self, StoreError> {
        let permissions = if replaces.is_some() {
            // The file that is replaced may be open to fewer than a new one.
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

    /// Whether it is to have another time than that of its last write.
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

    /// The directory that it was made in, or took its name in.
    pub(crate) fn directory(&self) -> &Arc<DirectoryHandle> {
        &self.directory
    }

    /// Whether it has no name by which anybody could take it away.
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

    /// Appends up to `length` bytes of `source`, which has as many at `offset`; see [`Content::copy`].
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

    /// Does all that a sync must find done.
    pub(crate) fn finish_writing(&mut self) -> Result<(), StoreError> {
        // An `fsync` that failed may succeed the next time and yet have lost the bytes: the kernel marks them clean.
        if self.state == State::Failed {
            return Err(self.untrusted());
        }
        self.content_mut().finish().map_err(|errno| self.cannot("write", errno))?;
        self.take_expected_rights();
        self.set_times()
    }

    /// Takes note of what came of a sync.
    pub(crate) fn note_sync(&mut self, synced: Result<(), Errno>) -> Result<(), StoreError> {
        self.state = if synced.is_ok() { State::Synced } else { State::Failed };
        synced.map_err(|errno| failed(format_args!("bring {} to stable storage", self.name), errno))
    }

    fn set_times(&self) -> Result<(), StoreError> {
        let Some(modified) = self.modified else {
            return Ok(());
        };
        let times = Timestamps {
            // Not left as it is: FUSE servers with libfuse 2 set both times or none, and say nothing.
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
        // Some file systems write a file when it is closed, and would make it anew.
        drop(self.content.take());
        if let Name::Temporary(TemporaryName(name)) = &self.named {
            // If even that fails there is nobody to tell; the next sweep takes it.
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
        if let Some((directory, TemporaryName(name))) = &self.replaced {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }
}

/// What a new file asks for. The process's umask takes from it, or the directory's default access list, as with any
/// other program's files.
fn permissions_of_new(executable: bool) -> Permissions {
    Permissions::from_raw_mode(if executable { 0o777 } else { 0o666 })
}

/// Makes an empty file, without a name where that is safe.
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
    // Sweeps are faster, again and again.
    Err(Errno::AGAIN)
}

/// Locks a temporary file that was just made, unless a sweep was faster.
fn is_mine(file: &OwnedFd, directory: &DirectoryHandle, name: &str) -> bool {
    match lock(file) {
        Ok(()) => Stat::of(file).is_ok_and(|stat| stat.links > 0),
        // A sweep looks at it right now.
        Err(Errno::WOULDBLOCK) => false,
        // There are no locks on this file system, so no sweep can remove anything.
        Err(_) => {
            unsupported::warn_once(Unsupported::Locks, directory.id().device(), name);
            true
        }
    }
}

/// Marks a file as one that somebody writes.
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

        // A device has no stable storage.
        let device = openat(CWD, "/dev/null", OFlags::RDWR, Permissions::empty()).unwrap();
        let good = std::mem::replace(&mut atomic_file.content_mut().file, device);
        atomic_file.sync().unwrap_err();
        atomic_file.content_mut().file = good;

        assert_eq!(atomic_file.sync().unwrap_err().kind, StoreErrorKind::Io);
        let published = atomic_file.publish(&handle, "file".as_ref(), Mode::Replace);
        assert_eq!(published.unwrap_err().kind, StoreErrorKind::Io);
        assert_ne!(atomic_file.state, State::Synced);
    }

    /// One that has a temporary name and one that has none, each in a directory of its own. Tmpfs can have both, though
    /// the second is not made there by itself.
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

    /// What is named before it takes the place of another file is locked, or another program would sweep it.
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

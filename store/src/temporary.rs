//! A file that is written without a name, or under a temporary one, and then takes its own.

use std::ffi::OsStr;
use std::fmt::Display;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use haul_core::{Checksum, Mode, StoreError, StoreErrorKind, Timestamp};
use rustix::fs::{
    Access, Advice, AtFlags, FallocateFlags, FileType, FlockOperation, Mode as Permissions, OFlags,
    RenameFlags, Timespec, Timestamps, UTIME_OMIT, accessat, fadvise, fallocate, fchmod, flock,
    fsync, futimens, linkat, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::{Errno, pwrite, retry_on_intr};

use crate::error::{failed, misuse};
use crate::held::{Held, WORTH_HOLDING, checksum_of};
use crate::stat::Stat;
use crate::{NewFile, nameless};

/// Files smaller than this are not worth a system call that reserves their blocks.
const WORTH_RESERVING: u64 = 1 << 20;

/// What is sent to stable storage at once.
const WRITTEN_BACK: NonZeroU64 = NonZeroU64::new(8 << 20).unwrap();

/// An open directory that files are made in.
#[derive(Debug)]
pub(crate) struct Workplace {
    directory: OwnedFd,
    /// Whether they can be made without a name.
    nameless: bool,
}

impl Workplace {
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self { nameless: nameless::is_possible(&directory), directory }
    }
}

impl AsFd for Workplace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// A file that is being written. Dropping it before it has its own name removes it.
#[derive(Debug)]
pub(crate) struct Temporary {
    directory: Arc<Workplace>,
    called: Called,
    file: OwnedFd,
    /// The file's own name in errors.
    name: String,
    modified: Option<Timestamp>,
    written: u64,
    /// Whether it will be synced.
    durable: bool,
    /// The first so many bytes are on their way to stable storage.
    begun: u64,
    state: State,
    held: Option<Held>,
    /// Whether it becomes large enough for that, as far as is known.
    worth_holding: bool,
}

#[derive(Debug)]
enum Called {
    /// It has no name.
    Nothing,
    Temporarily(TemporaryName),
    /// It has its own name.
    Finally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Something may not be on stable storage.
    Dirty,
    /// Bytes and times are on stable storage.
    Synced,
    /// Stable storage failed; what the kernel holds of the file cannot be trusted any more, so it must never be published.
    Failed,
}

/// A name that no other file has: as long as any other of its kind, and not made from any name of the peer's.
#[derive(Debug)]
pub(crate) struct TemporaryName(String);

impl TemporaryName {
    const PREFIX: &str = ".haul-";
    const DIGITS: usize = 16;

    fn new() -> Self {
        // Keyed at random once a thread, and otherwise each time; a name that is taken all the same is refused.
        let random = RandomState::new().build_hasher().finish();
        Self(format!("{}{random:016x}", Self::PREFIX))
    }

    /// Whether `name` looks like one.
    pub(crate) fn matches(name: &[u8]) -> bool {
        name.strip_prefix(Self::PREFIX.as_bytes()).is_some_and(|digits| {
            digits.len() == Self::DIGITS && digits.iter().all(u8::is_ascii_hexdigit)
        })
    }
}

impl Temporary {
    /// Makes an empty file in `directory`, with room for `file` if its size is known. `name` is for errors.
    pub(crate) fn create(
        directory: Arc<Workplace>,
        file: &NewFile,
        name: String,
    ) -> Result<Self, StoreError> {
        let new = || {
            // The process's umask takes from these permissions, as with any other program's files.
            let permissions = Permissions::from_raw_mode(0o666);
            if directory.nameless
                && let Some(file) = nameless::create(&directory, permissions)?
            {
                return Ok((Called::Nothing, file));
            }
            let temporary_name = TemporaryName::new();
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = openat(&directory, &temporary_name.0, flags, permissions)?;
            Ok((Called::Temporarily(temporary_name), file))
        };
        let (called, handle) =
            new().map_err(|errno| failed(format_args!("create {name}"), errno))?;
        let temporary = Self {
            directory,
            called,
            file: handle,
            name,
            modified: file.modified,
            written: 0,
            durable: file.durable,
            begun: 0,
            state: State::Dirty,
            held: None,
            worth_holding: file.size.is_none_or(|size| size >= WORTH_HOLDING),
        };
        temporary.reserve(file.size.unwrap_or(0))?;
        Ok(temporary)
    }

    /// Finds out early that there is no room. A file system that cannot tell will do so when the bytes come.
    fn reserve(&self, size: u64) -> Result<(), StoreError> {
        if size < WORTH_RESERVING {
            return Ok(());
        }
        match retry_on_intr(|| fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size)) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                Err(failed(format_args!("make room for {}", self.name), errno))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is to have another time than that of its last write.
    pub(crate) fn is_dated(&self) -> bool {
        self.modified.is_some()
    }

    /// The open file.
    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Whether it has no name by which anybody could take it away.
    pub(crate) fn is_nameless(&self) -> bool {
        matches!(self.called, Called::Nothing)
    }

    /// Whether all that was written is on stable storage.
    pub(crate) fn is_synced(&self) -> bool {
        self.state == State::Synced
    }

    /// See [`Staged::write`](crate::Staged::write).
    pub(crate) fn write(&mut self, offset: u64, mut data: &[u8]) -> Result<(), StoreError> {
        self.begin_write(offset)?;
        while !data.is_empty() {
            let count = retry_on_intr(|| pwrite(&self.file, data, self.written))
                .and_then(|count| if count == 0 { Err(Errno::IO) } else { Ok(count) })
                .map_err(|errno| failed(format_args!("write {}", self.name), errno))?;
            self.written += count as u64;
            data = &data[count..];
        }
        self.write_back();
        Ok(())
    }

    /// See [`Staged::held`](crate::Staged::held).
    pub(crate) fn held(&mut self) -> Option<&mut Held> {
        if self.held.is_none() && self.worth_holding {
            self.held = Held::new().ok();
        }
        self.held.as_mut()
    }

    /// See [`Staged::write_held`](crate::Staged::write_held).
    pub(crate) fn write_held(
        &mut self,
        offset: u64,
        length: usize,
    ) -> Result<Checksum, StoreError> {
        self.begin_write(offset)?;
        let Some(held) = self.held.take() else {
            return Err(misuse("nothing is held"));
        };
        let put = || {
            held.put(&self.file, offset, length)?;
            // Of what is in the file: what the processor copied there is still at hand.
            checksum_of(&self.file, offset, length as u64)?.ok_or(Errno::IO)
        };
        let checksum = put().map_err(|errno| failed(format_args!("write {}", self.name), errno))?;
        self.written += length as u64;
        self.held = Some(held);
        self.write_back();
        Ok(checksum)
    }

    /// Sends what has come to stable storage while more comes, so that a sync has less to wait for.
    fn write_back(&mut self) {
        while self.durable && self.written - self.begun >= WRITTEN_BACK.get() {
            // This begins to write dirty pages and drops clean ones, of which there are hardly any yet: the file stays in memory. A failure is met again by the sync.
            let _ = fadvise(&self.file, self.begun, Some(WRITTEN_BACK), Advice::DontNeed);
            self.begun += WRITTEN_BACK.get();
        }
    }

    fn begin_write(&mut self, offset: u64) -> Result<(), StoreError> {
        if offset != self.written {
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
        let synced = fsync(&self.file);
        self.note_sync(synced)
    }

    /// Does all that a sync must find done.
    pub(crate) fn finish_writing(&self) -> Result<(), StoreError> {
        // An `fsync` that failed may succeed the next time and yet have lost the bytes: the kernel marks them clean.
        if self.state == State::Failed {
            return Err(self.untrusted());
        }
        self.set_times()
    }

    /// Takes note of what came of a sync.
    pub(crate) fn note_sync(&mut self, synced: Result<(), Errno>) -> Result<(), StoreError> {
        self.state = if synced.is_ok() { State::Synced } else { State::Failed };
        synced.map_err(|errno| failed(format_args!("bring {} to stable storage", self.name), errno))
    }

    /// Gives the file its times, the permissions of the file that it replaces, if there is one, and then its name, atomically. Answers whether the directory, or the file's temporary name, was still there.
    pub(crate) fn publish(
        &mut self,
        directory: impl AsFd,
        name: &OsStr,
        mode: Mode,
    ) -> Result<bool, StoreError> {
        match self.state {
            State::Failed => return Err(self.untrusted()),
            State::Dirty => self.set_times()?,
            State::Synced => {}
        }
        // Mostly there is nothing of that name, and then it need not be looked at before.
        if mode == Mode::Create || self.is_nameless() {
            match self.take_new_name(&directory, name) {
                Err(Errno::EXIST) if mode == Mode::Replace => {}
                taken => return self.published(taken),
            }
        }
        if let Some(permissions) = replaceable(&directory, name, mode, &self.name)? {
            // Whoever may not change them keeps those of a new file.
            let _ = fchmod(&self.file, permissions);
        }
        let taken = self.take_name_of_another(directory, name);
        self.published(taken)
    }

    fn take_new_name(&mut self, directory: impl AsFd, name: &OsStr) -> Result<(), Errno> {
        match &self.called {
            Called::Nothing => nameless::link(&self.file, directory, name)?,
            Called::Temporarily(TemporaryName(old)) => {
                match renameat_with(&self.directory, old, &directory, name, RenameFlags::NOREPLACE)
                {
                    // Not every file system has it. A second link is as atomic, and the first one goes when `self` is dropped.
                    Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                        return linkat(&self.directory, old, directory, name, AtFlags::empty());
                    }
                    renamed => renamed?,
                }
            }
            Called::Finally => return Err(Errno::NOENT),
        }
        self.called = Called::Finally;
        Ok(())
    }

    fn take_name_of_another(&mut self, directory: impl AsFd, name: &OsStr) -> Result<(), Errno> {
        if self.is_nameless() {
            self.take_temporary_name()?;
        }
        let Called::Temporarily(TemporaryName(old)) = &self.called else {
            return Err(Errno::NOENT);
        };
        renameat(&self.directory, old, directory, name)?;
        self.called = Called::Finally;
        Ok(())
    }

    fn published(&self, taken: Result<(), Errno>) -> Result<bool, StoreError> {
        match taken {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::EXIST) => Err(exists(&self.name)),
            Err(Errno::XDEV) => Err(other_file_system(&self.name)),
            Err(errno) => Err(failed(format_args!("create {}", self.name), errno)),
        }
    }

    /// Only what has a name can take the place of another file.
    fn take_temporary_name(&mut self) -> Result<(), Errno> {
        // A sweep takes what nobody has locked; where there are no locks there are no sweeps.
        let _ = self.lock();
        let name = TemporaryName::new();
        nameless::link(&self.file, &self.directory, &name.0)?;
        self.called = Called::Temporarily(name);
        Ok(())
    }

    /// Marks the file as one that somebody writes.
    pub(crate) fn lock(&self) -> Result<(), Errno> {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive)
    }

    fn set_times(&self) -> Result<(), StoreError> {
        let Some(modified) = self.modified else {
            return Ok(());
        };
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: modified.seconds(),
                tv_nsec: modified.nanos().into(),
            },
        };
        futimens(&self.file, &times)
            .map_err(|errno| failed(format_args!("set the time of {}", self.name), errno))
    }

    fn untrusted(&self) -> StoreError {
        let detail = format!("{} could not be brought to stable storage before", self.name);
        StoreError::new(StoreErrorKind::Io, detail)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Called::Temporarily(TemporaryName(name)) = &self.called {
            // If even that fails there is nobody to tell; a server's next start sweeps it.
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
    }
}

/// Refuses what a file must not take the place of. Answers the permissions of the file that it will replace, if there is one.
///
/// A symbolic link is replaced itself, whatever it leads to.
pub(crate) fn replaceable(
    directory: impl AsFd,
    name: &OsStr,
    mode: Mode,
    shown: impl Display,
) -> Result<Option<Permissions>, StoreError> {
    let stat = match Stat::at(directory, name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(format_args!("create {shown}"), errno)),
    };
    match (mode, stat.file_type) {
        (Mode::Create, _) => Err(exists(shown)),
        (Mode::Replace, FileType::Symlink) => Ok(None),
        (Mode::Replace, _) => stat.require_regular(shown).map(|()| Some(stat.permissions)),
    }
}

/// What must not be replaced is there.
fn exists(shown: impl Display) -> StoreError {
    StoreError::new(StoreErrorKind::Exists, format!("{shown} exists already"))
}

/// A file cannot be given a name there.
pub(crate) fn other_file_system(shown: impl Display) -> StoreError {
    let detail =
        format!("cannot create {shown}: it would be on another file system than the staging area");
    StoreError::new(StoreErrorKind::Denied, detail)
}

/// Refuses a directory that no file can be put into.
pub(crate) fn require_writable(
    directory: impl AsFd,
    shown: impl Display,
) -> Result<(), StoreError> {
    accessat(directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|errno| failed(format_args!("create {shown}"), errno))
}

#[cfg(test)]
mod tests {
    use haul_core::FilePath;
    use rustix::fs::{CWD, open};
    use tempfile::TempDir;

    use super::*;

    fn open_workplace(directory: &TempDir) -> Arc<Workplace> {
        let handle = open(directory.path(), OFlags::RDONLY, Permissions::empty()).unwrap();
        Arc::new(Workplace::new(handle))
    }

    fn create(directory: &Arc<Workplace>, mode: Mode) -> Temporary {
        let path = FilePath::parse("file").unwrap();
        let file =
            NewFile { path, mode, size: None, modified: None, executable: false, durable: false };
        Temporary::create(Arc::clone(directory), &file, "file".into()).unwrap()
    }

    #[test]
    fn a_failed_sync_is_final() {
        let directory = tempfile::tempdir().unwrap();
        let mut temporary = create(&open_workplace(&directory), Mode::Replace);
        temporary.write(0, b"byte").unwrap();
        temporary.sync().unwrap();
        assert!(temporary.is_synced());
        temporary.write(4, b"s").unwrap();
        assert!(!temporary.is_synced());

        // A device has no stable storage.
        let device = openat(CWD, "/dev/null", OFlags::RDWR, Permissions::empty()).unwrap();
        let good = std::mem::replace(&mut temporary.file, device);
        temporary.sync().unwrap_err();
        temporary.file = good;

        assert_eq!(temporary.sync().unwrap_err().kind, StoreErrorKind::Io);
        let published = temporary.publish(CWD, "file".as_ref(), Mode::Replace);
        assert_eq!(published.unwrap_err().kind, StoreErrorKind::Io);
        assert!(!temporary.is_synced());
    }

    /// One that has a temporary name and one that has none, each in a directory of its own. Tmpfs can have both, though the second is not made there by itself.
    fn named_and_nameless(mode: Mode) -> [(TempDir, Arc<Workplace>, Temporary); 2] {
        [false, true].map(|nameless| {
            let directory = tempfile::tempdir_in("/dev/shm").unwrap();
            let handle = open_workplace(&directory);
            let mut temporary = create(&handle, mode);
            if nameless && let Called::Temporarily(TemporaryName(name)) = &temporary.called {
                unlinkat(&handle, name, AtFlags::empty()).unwrap();
                let flags = OFlags::RDWR | OFlags::TMPFILE;
                temporary.file = openat(&handle, c".", flags, Permissions::RWXU).unwrap();
                temporary.called = Called::Nothing;
            }
            assert_eq!(temporary.is_nameless(), nameless);
            (directory, handle, temporary)
        })
    }

    /// What appears after the last look at the name is kept all the same.
    #[test]
    fn a_file_that_must_be_new_replaces_none() {
        for (directory, handle, mut temporary) in named_and_nameless(Mode::Create) {
            std::fs::write(directory.path().join("file"), "old").unwrap();
            temporary.write(0, b"new").unwrap();
            let published = temporary.publish(&handle, "file".as_ref(), Mode::Create);
            assert_eq!(published.unwrap_err().kind, StoreErrorKind::Exists);
            assert_eq!(std::fs::read(directory.path().join("file")).unwrap(), b"old");
        }
    }

    /// It needs a name to take the place of another file, and must not keep that one.
    #[test]
    fn a_file_takes_the_place_of_another() {
        for (directory, handle, mut temporary) in named_and_nameless(Mode::Replace) {
            std::fs::create_dir(directory.path().join("directory")).unwrap();
            std::fs::write(directory.path().join("file"), "old").unwrap();
            temporary.write(0, b"new").unwrap();
            let published = temporary.publish(&handle, "directory".as_ref(), Mode::Replace);
            assert_eq!(published.unwrap_err().kind, StoreErrorKind::IsDirectory);
            // Nor if it becomes one after the last look.
            let taken = temporary.take_name_of_another(&handle, "directory".as_ref());
            assert_eq!(taken, Err(Errno::ISDIR));
            assert!(!temporary.is_nameless());
            assert!(temporary.publish(&handle, "file".as_ref(), Mode::Replace).unwrap());
            drop(temporary);
            assert_eq!(std::fs::read(directory.path().join("file")).unwrap(), b"new");
            std::fs::remove_dir(directory.path().join("directory")).unwrap();
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    /// What is named before it takes the place of another file is locked, or another server's start would sweep it.
    #[test]
    fn a_file_with_a_name_is_locked() {
        let [_, (_directory, handle, mut temporary)] = named_and_nameless(Mode::Replace);
        temporary.take_temporary_name().unwrap();
        let Called::Temporarily(TemporaryName(name)) = &temporary.called else {
            panic!("it has no name");
        };
        let other = openat(&handle, name, OFlags::RDWR, Permissions::empty()).unwrap();
        let locked = flock(other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(locked, Err(Errno::WOULDBLOCK));
    }

    #[test]
    fn temporary_names_are_known_and_differ() {
        let [one, other] = [TemporaryName::new(), TemporaryName::new()];
        assert_ne!(one.0, other.0);
        assert_eq!(one.0.len(), 22);
        assert!(TemporaryName::matches(one.0.as_bytes()));
        for name in [
            "",
            ".haul-",
            ".haul-staging",
            ".haul-0123456789abcde",
            ".haul-0123456789abcdefg",
            "xhaul-0123456789abcdef",
        ] {
            assert!(!TemporaryName::matches(name.as_bytes()), "{name}");
        }
    }
}

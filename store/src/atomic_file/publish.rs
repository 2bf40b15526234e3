//! How a file gets its final name.

use std::ffi::OsStr;
use std::fmt::Display;
use std::mem;
use std::sync::Arc;

use haul_core::{Mode, StoreError, StoreErrorKind};
use rustix::fs::{
    AtFlags, FileType, RenameFlags, fsync, linkat, renameat, renameat_with, unlinkat,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::existing::{exists, mount_point, replaceable};
use super::name::TemporaryName;
use super::rights::Rights;
use super::spelling;
use super::{AtomicFile, Name, State, lock, make, permissions_of_new};
use crate::directory_handle::DirectoryHandle;
use crate::file_system::FileSystem;
use crate::name_locks::{may_be_unsupported, rename_after_checking};
use crate::stat::Stat;
use crate::tmpfile;
use crate::unsupported::{self, Unsupported};

/// How often to check a name again because it was created or removed after the check.
const MAX_CHECKS: usize = 16;

impl AtomicFile {
    /// Sets the times of the file and the permissions of the file that it replaces, if any, and then gives it its name,
    /// atomically. Returns whether the directory, or the file's temporary name, still existed.
    pub(crate) fn publish(
        &mut self,
        directory: &Arc<DirectoryHandle>,
        name: &OsStr,
        mode: Mode,
    ) -> Result<bool, StoreError> {
        match self.state {
            State::Failed => return Err(self.untrusted()),
            State::Dirty => self.finish_writing()?,
            State::Synced => {}
        }
        self.report_late_failures()?;
        // Since Linux 6.13 a change after a `stat` gets a new time, and thus a new version.
        let file = Stat::of(self.file()).map_err(|errno| self.cannot("create", errno))?;
        spelling::note(directory, name, file.id());
        let taken = self.take_name(directory, name, mode)?;
        match taken {
            Ok(()) => {
                self.named = Name::Final;
                self.directory = Arc::clone(directory);
                self.content_mut().settle();
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::EXIST) => Err(match Stat::at(directory, name) {
                Ok(old) => exists(directory, name, &old, &self.name),
                Err(errno) => self.cannot("create", errno),
            }),
            Err(Errno::BUSY) => Err(mount_point(&self.name)),
            Err(Errno::XDEV) => Err(moved_away(&self.name)),
            Err(errno) => Err(self.cannot("create", errno)),
        }
    }

    fn take_name(
        &mut self,
        directory: &DirectoryHandle,
        name: &OsStr,
        mode: Mode,
    ) -> Result<Result<(), Errno>, StoreError> {
        for _ in 0..MAX_CHECKS {
            // Usually the name is free, and then no check is needed.
            if self.replaces.is_none() {
                match self.take_new_name(directory, name) {
                    Err(Errno::EXIST) if mode == Mode::Replace => {}
                    taken => return Ok(taken),
                }
            }
            match replaceable(directory, name, mode, &self.name)? {
                Some(old) => {
                    self.take_rights_of(directory, name, &old)?;
                    return Ok(self.take_name_of_another(directory, name));
                }
                None => self.take_rights_of_new(directory)?,
            }
        }
        Ok(Err(Errno::AGAIN))
    }

    fn take_new_name(&mut self, directory: &DirectoryHandle, name: &OsStr) -> Result<(), Errno> {
        let old = match &self.named {
            Name::None => return tmpfile::link(self.file(), directory, name),
            Name::Temporary(TemporaryName(old)) => old,
            Name::Final => return Err(Errno::NOENT),
        };
        match renameat_with(&self.directory, old, directory, name, RenameFlags::NOREPLACE) {
            Err(errno) if may_be_unsupported(errno) => {}
            renamed => return renamed,
        }
        // A second link is as atomic.
        match linkat(&self.directory, old, directory, name, AtFlags::empty()) {
            Ok(()) => {
                // If this fails, the file has two names, and the next sweep removes this one.
                let _ = unlinkat(&self.directory, old, AtFlags::empty());
                return Ok(());
            }
            Err(errno) if may_be_unsupported(errno) || errno == Errno::MLINK => {}
            linked => return linked,
        }
        rename_after_checking(&self.directory, old.as_ref(), directory, name, &self.name)
    }

    pub(super) fn take_name_of_another(
        &mut self,
        directory: &DirectoryHandle,
        name: &OsStr,
    ) -> Result<(), Errno> {
        if self.is_tmpfile() {
            self.take_temporary_name()?;
        }
        let keeps = self.keeps_what_it_replaces();
        let Name::Temporary(TemporaryName(old)) = &self.named else {
            return Err(Errno::NOENT);
        };
        if !keeps
            || renameat_with(&self.directory, old, directory, name, RenameFlags::EXCHANGE).is_err()
        {
            return renameat(&self.directory, old, directory, name);
        }
        if let Name::Temporary(old) = mem::replace(&mut self.named, Name::Final) {
            self.replaced = Some((Arc::clone(&self.directory), old));
        }
        Ok(())
    }

    /// Without a journal the disk may record that the replaced file is gone before it records which file has its name
    /// now. So the replaced file keeps a name until then.
    fn keeps_what_it_replaces(&self) -> bool {
        self.durable && self.directory.file_system == FileSystem::Unjournaled
    }

    /// Gives the file a temporary name, because only a file with a name can replace another one.
    pub(super) fn take_temporary_name(&mut self) -> Result<(), Errno> {
        self.directory.require_removable()?;
        // A sweep removes files that nobody has locked. Without locks there are no sweeps.
        let _ = lock(self.file());
        let name = TemporaryName::new();
        tmpfile::link(self.file(), &self.directory, &name.0)?;
        self.named = Name::Temporary(name);
        if self.durable && self.directory.file_system == FileSystem::Unjournaled {
            // The file that it replaces is durable, so the temporary name must be durable before it replaces that one.
            fsync(self.file())?;
        }
        Ok(())
    }

    /// Removes the name that was just given, so that the file can be published elsewhere. A file that it replaced is
    /// gone.
    pub(crate) fn take_back(&mut self, name: &OsStr) -> Result<(), Errno> {
        let mine = Stat::of(self.file())?.id();
        if Stat::at(&self.directory, name)?.id() != mine {
            return Err(Errno::NOENT);
        }
        let temporary = TemporaryName::new();
        // Lock it before it has a name that other programs may sweep.
        let _ = lock(self.file());
        renameat(&self.directory, name, &self.directory, &temporary.0)?;
        self.named = Name::Temporary(temporary);
        Ok(())
    }

    fn report_late_failures(&self) -> Result<(), StoreError> {
        if !self.directory.file_system.writes_late() {
            return Ok(());
        }
        let close = || {
            nix::unistd::close(fcntl_dupfd_cloexec(self.file(), 0)?)
                .map_err(|errno| Errno::from_raw_os_error(errno as i32))
        };
        match close() {
            Err(Errno::INTR) => Ok(()),
            closed => closed.map_err(|errno| self.cannot("write", errno)),
        }
    }

    /// Takes the permissions of the file that it will probably replace, before it is synced.
    pub(super) fn take_expected_rights(&mut self) {
        if self.rights_of.is_none()
            && let Some(name) = &self.replaces
            && let Ok((rights, old)) = Rights::at(&self.directory, name)
            && old.file_type == FileType::RegularFile
        {
            self.be_given(&rights);
            self.rights_of = Some(old.version);
        }
    }

    fn take_rights_of(
        &mut self,
        directory: &DirectoryHandle,
        name: &OsStr,
        old: &Stat,
    ) -> Result<(), StoreError> {
        // A symbolic link has no permissions to take.
        if old.file_type != FileType::RegularFile {
            return if self.replaces.is_some() {
                self.take_rights_of_new(directory)
            } else {
                Ok(())
            };
        }
        if self.rights_of == Some(old.version) {
            return Ok(());
        }
        match Rights::at(directory, name) {
            Ok((rights, old)) => {
                self.be_given(&rights);
                self.rights_of = Some(old.version);
                self.sync_again()
            }
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.cannot("create", errno)),
        }
    }

    /// The file to be replaced is gone: takes the permissions of a new file.
    fn take_rights_of_new(&mut self, directory: &DirectoryHandle) -> Result<(), StoreError> {
        if self.replaces.is_none() {
            return Ok(());
        }
        let permissions = permissions_of_new(self.executable);
        let rights = make(directory, permissions, false, &self.name).and_then(|(named, probe)| {
            if let Name::Temporary(TemporaryName(name)) = &named {
                unlinkat(directory, name, AtFlags::empty())?;
            }
            Rights::of(&probe)
        });
        let (rights, _) = rights.map_err(|errno| self.cannot("create", errno))?;
        self.be_given(&rights);
        (self.replaces, self.rights_of) = (None, None);
        self.sync_again()
    }

    fn be_given(&self, rights: &Rights) {
        if !rights.give_to(self.file(), self.executable) {
            unsupported::warn_once(Unsupported::Rights, self.directory.id().device(), &self.name);
        }
    }

    fn sync_again(&mut self) -> Result<(), StoreError> {
        if self.state != State::Synced {
            return Ok(());
        }
        let synced = fsync(self.file());
        self.note_sync(synced)
    }
}

/// The error if another file system was mounted meanwhile over the path of the file.
fn moved_away(shown: impl Display) -> StoreError {
    let detail = format!("cannot create {shown}: another file system was mounted there meanwhile");
    StoreError::new(StoreErrorKind::Io, detail)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::named_and_tmpfile;
    use super::*;
    use crate::NewFile;

    /// A file that is created after the last check of the name is not replaced.
    #[test]
    fn a_file_that_must_be_new_replaces_none() {
        for (directory, handle, mut atomic_file) in named_and_tmpfile(Mode::Create) {
            fs::write(directory.path().join("file"), "old").unwrap();
            atomic_file.write(0, b"new").unwrap();
            let published = atomic_file.publish(&handle, "file".as_ref(), Mode::Create);
            assert_eq!(published.unwrap_err().kind, StoreErrorKind::Exists);
            assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"old");
        }
    }

    /// It needs a name to replace another file, and must not keep that name.
    #[test]
    fn a_file_takes_the_place_of_another() {
        for (directory, handle, mut atomic_file) in named_and_tmpfile(Mode::Replace) {
            fs::create_dir(directory.path().join("directory")).unwrap();
            fs::write(directory.path().join("file"), "old").unwrap();
            atomic_file.write(0, b"new").unwrap();
            let published = atomic_file.publish(&handle, "directory".as_ref(), Mode::Replace);
            assert_eq!(published.unwrap_err().kind, StoreErrorKind::IsDirectory);
            // Not even if a directory is created after the last check.
            let taken = atomic_file.take_name_of_another(&handle, "directory".as_ref());
            assert_eq!(taken, Err(Errno::ISDIR));
            assert!(!atomic_file.is_tmpfile());
            assert!(atomic_file.publish(&handle, "file".as_ref(), Mode::Replace).unwrap());
            drop(atomic_file);
            assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"new");
            fs::remove_dir(directory.path().join("directory")).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    /// The name is free again, and the file can be published again.
    #[test]
    fn a_name_can_be_taken_back() {
        for (directory, handle, mut atomic_file) in named_and_tmpfile(Mode::Create) {
            atomic_file.write(0, b"new").unwrap();
            assert!(atomic_file.publish(&handle, "file".as_ref(), Mode::Create).unwrap());
            atomic_file.take_back("file".as_ref()).unwrap();
            assert!(!directory.path().join("file").exists());
            assert!(atomic_file.publish(&handle, "other".as_ref(), Mode::Create).unwrap());
            // The file of that name is now somebody else's.
            fs::remove_file(directory.path().join("other")).unwrap();
            fs::write(directory.path().join("other"), "theirs").unwrap();
            assert_eq!(atomic_file.take_back("other".as_ref()), Err(Errno::NOENT));
            drop(atomic_file);
            assert_eq!(fs::read(directory.path().join("other")).unwrap(), b"theirs");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    /// Without a journal, a power cut may remove the new name and the old file.
    #[test]
    fn a_replaced_file_keeps_a_name_until_the_new_one_is_durable() {
        for durable in [true, false] {
            let directory = tempfile::tempdir_in("/dev/shm").unwrap();
            let mut handle = DirectoryHandle::new(opened(directory.path())).unwrap();
            handle.file_system = FileSystem::Unjournaled;
            let handle = Arc::new(handle);
            let file = directory.path().join("file");
            fs::write(&file, "old").unwrap();
            let path = haul_core::FilePath::parse("file").unwrap();
            let (mode, executable) = (Mode::Replace, false);
            let new = NewFile {
                path,
                mode,
                if_match: None,
                size: None,
                modified: None,
                executable,
                durable,
            };
            let name = OsStr::new("file");
            let mut atomic_file =
                AtomicFile::create(Arc::clone(&handle), &new, Some(name), "file".into()).unwrap();
            atomic_file.write(0, b"new").unwrap();
            atomic_file.sync().unwrap();
            assert!(atomic_file.publish(&handle, name, mode).unwrap());
            assert_eq!(fs::read(&file).unwrap(), b"new");
            let kept = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(kept, if durable { 2 } else { 1 });
            drop(atomic_file);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    fn opened(directory: &std::path::Path) -> std::os::fd::OwnedFd {
        fs::File::open(directory).unwrap().into()
    }
}

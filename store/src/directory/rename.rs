//! Renames files and directories.

use std::ffi::OsStr;
use std::sync::Arc;

use haul_core::{FilePath, Mode, StoreError, StoreErrorKind, Version};
use rustix::fs::{AtFlags, FileType, renameat, unlinkat};
use rustix::io::Errno;

use super::change::DirectoryChange;
use super::parent::Parent;
use super::preconditions::mount_point;
use super::shared::{MAX_MOVED, Shared, moves_again_and_again};
use crate::atomic_file::{exists, replaceable, spelling};
use crate::directory_handle::DirectoryHandle;
use crate::error::failed;
use crate::name_locks::{self, rename_new};
use crate::stat::Stat;

/// See [`Store::rename`](crate::Store::rename).
///
/// A rename to another file system or mount fails, for a file too. A copy and a deletion are not atomic: if the process
/// ended in between, both names would exist. A client can do both on its own.
pub(super) fn rename(
    shared: &Arc<Shared>,
    from: &FilePath,
    to: &FilePath,
    mode: Mode,
    if_match: Option<&Version>,
) -> Result<DirectoryChange, StoreError> {
    shared.require_changeable(from, "renamed")?;
    shared.require_served(to)?;
    for _ in 0..MAX_MOVED {
        if let Some(change) = (Renaming { shared, from, to, mode }).once(if_match)? {
            return Ok(change);
        }
    }
    Err(moves_again_and_again("rename", from))
}

struct Renaming<'a> {
    shared: &'a Arc<Shared>,
    from: &'a FilePath,
    to: &'a FilePath,
    mode: Mode,
}

/// The operation to do, given what was found under the new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The name is free, and must still be free when it is taken.
    TakeNew,
    /// Replace the file of that name.
    Replace,
    /// It is the same file under another name: remove the old name.
    Unlink,
    /// It is the same name in another case.
    Respell,
}

/// Whether `path` is below the directory `above`.
fn is_below(path: &FilePath, above: &FilePath) -> bool {
    path.as_str().strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

impl Renaming<'_> {
    /// `None` if another program changed something meanwhile.
    fn once(&self, if_match: Option<&Version>) -> Result<Option<DirectoryChange>, StoreError> {
        let Self { shared, from, to, .. } = *self;
        let old_directory = shared.handle(from.parent().as_ref());
        let old_directory = Arc::new(old_directory.map_err(|errno| self.cannot(errno))?);
        let find = || shared.changeable(&old_directory, from, if_match, "rename");
        let is_directory = find()?.file_type == FileType::Directory;
        // Check this before directories are created below it.
        if is_directory && is_below(to, from) {
            return Err(self.moved_into_itself());
        }
        let Some(mut parent) = Parent::make(shared, to, |errno| self.cannot(errno))? else {
            return Ok(None);
        };
        let new_directory = Arc::clone(parent.handle());
        let [old_name, new_name] = [from, to].map(|path| OsStr::new(path.file_name()));
        let _locked =
            name_locks::lock([(old_directory.id(), old_name), (new_directory.id(), new_name)]);
        let found = find()?;
        if (old_directory.id(), old_name) == (new_directory.id(), new_name) {
            return Ok(Some(DirectoryChange::new(shared, to, Vec::new())));
        }
        if !self.lead_to(&old_directory, &new_directory) {
            return Ok(None);
        }
        let step = self.step(&found, &old_directory, &new_directory)?;
        spelling::note(&new_directory, new_name, found.id());
        match self.carry_out(step, &old_directory, &new_directory) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => {
                return Ok(None);
            }
            Err(Errno::BUSY) => return Err(mount_point("rename", from)),
            Err(Errno::XDEV) => return Err(self.not_supported("they are on two file systems")),
            Err(Errno::INVAL) if is_directory => return Err(self.moved_into_itself()),
            Err(errno) => return Err(self.cannot(errno)),
        }
        if step == Step::Respell && self.is_listed_otherwise(&new_directory, &found) {
            return Err(self.not_supported("its file system keeps the case that a name has"));
        }
        // Only now it is certain that nobody moved the directory away before the file was in it.
        let is_there = || shared.leads_to(to.parent().as_ref(), new_directory.id());
        if matches!(step, Step::TakeNew | Step::Replace) && !is_there() {
            let back = (Renaming { shared, from: to, to: from, mode: Mode::Create }).carry_out(
                Step::TakeNew,
                &new_directory,
                &old_directory,
            );
            back.map_err(|errno| self.cannot(errno))?;
            return Ok(None);
        }
        parent.keep();
        Ok(Some(DirectoryChange::new(shared, to, vec![new_directory, old_directory])))
    }

    fn carry_out(
        &self,
        step: Step,
        old_directory: &DirectoryHandle,
        new_directory: &DirectoryHandle,
    ) -> Result<(), Errno> {
        let [old_name, new_name] = [self.from, self.to].map(|path| OsStr::new(path.file_name()));
        let shown = self.to.escaped().to_string();
        match step {
            Step::TakeNew => rename_new(old_directory, old_name, new_directory, new_name, &shown),
            Step::Unlink => unlinkat(old_directory, old_name, AtFlags::empty()),
            Step::Replace | Step::Respell => {
                renameat(old_directory, old_name, new_directory, new_name)
            }
        }
    }

    fn lead_to(&self, old_directory: &DirectoryHandle, new_directory: &DirectoryHandle) -> bool {
        [(self.from, old_directory), (self.to, new_directory)]
            .into_iter()
            .all(|(path, directory)| self.shared.leads_to(path.parent().as_ref(), directory.id()))
    }

    /// Decides by what has the new name.
    fn step(
        &self,
        found: &Stat,
        old_directory: &DirectoryHandle,
        new_directory: &DirectoryHandle,
    ) -> Result<Step, StoreError> {
        let name = OsStr::new(self.to.file_name());
        let there = match Stat::at(new_directory, name) {
            Ok(there) => there,
            Err(Errno::NOENT) => return Ok(Step::TakeNew),
            Err(errno) => return Err(self.cannot(errno)),
        };
        let same_but_case = old_directory.id() == new_directory.id()
            && self.from.file_name().to_lowercase() == self.to.file_name().to_lowercase();
        if same_but_case && self.is_listed_otherwise(new_directory, &there) {
            return Ok(Step::Respell);
        }
        if self.mode == Mode::Create {
            return Err(exists(new_directory, name, &there, self.to.escaped()));
        }
        if there.file_type == FileType::Directory {
            return Err(self.refused(StoreErrorKind::IsDirectory, "is a directory"));
        }
        if found.file_type == FileType::Directory {
            return Err(self.refused(StoreErrorKind::NotAFile, "is not a directory's name"));
        }
        match replaceable(new_directory, name, self.mode, self.to.escaped())? {
            None => Ok(Step::TakeNew),
            Some(there) if there.id() == found.id() => Ok(Step::Unlink),
            Some(_) => Ok(Step::Replace),
        }
    }

    /// Whether the new name is listed in another case.
    fn is_listed_otherwise(&self, directory: &DirectoryHandle, there: &Stat) -> bool {
        let (root, path) = directory.path_of(OsStr::new(self.to.file_name()));
        spelling::other(root, &path, there.id()).is_some()
    }

    fn refused(&self, kind: StoreErrorKind, why: &str) -> StoreError {
        StoreError::new(kind, format!("cannot rename to {}: it {why}", self.to.escaped()))
    }

    fn moved_into_itself(&self) -> StoreError {
        let detail = format!("{} cannot be moved into itself", self.from.escaped());
        StoreError::new(StoreErrorKind::IntoItself, detail)
    }

    fn not_supported(&self, why: &str) -> StoreError {
        let (from, to) = (self.from.escaped(), self.to.escaped());
        let detail = format!("cannot rename {from} to {to} in one step: {why}");
        StoreError::new(StoreErrorKind::NotSupported, detail)
    }

    fn cannot(&self, errno: Errno) -> StoreError {
        failed(format_args!("rename {} to {}", self.from.escaped(), self.to.escaped()), errno)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::directory::{Directory, Options};

    /// A file that is created after the last check of the name is not replaced.
    #[test]
    fn a_name_that_must_be_new_is_not_taken_from_another() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let store = Directory::open(directory.path(), Options::default()).unwrap();
        fs::write(at("old"), "old").unwrap();
        fs::create_dir(at("directory")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("new"), "new").unwrap();
        for (from, to) in [("old", "new"), ("directory", "empty"), ("directory", "new")] {
            let [from, to] = [from, to].map(|path| FilePath::parse(path).unwrap());
            let handle = store.0.handle(None).unwrap();
            let renaming = Renaming { shared: &store.0, from: &from, to: &to, mode: Mode::Replace };
            let taken = renaming.carry_out(Step::TakeNew, &handle, &handle);
            assert_eq!(taken, Err(Errno::EXIST), "{from:?} to {to:?}");
        }
        assert_eq!(fs::read(at("new")).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}

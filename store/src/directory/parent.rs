//! The parent directory of a file that is published.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use haul_core::account::Right;
use haul_core::{FilePath, StoreError};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::shared::Shared;
use crate::directory_handle::DirectoryHandle;
use crate::error::forbidden;
use crate::open_directory::{open_directory_or_path, or_path_only};
use crate::resolve::{Links, open_beneath};
use crate::stat::{FileId, Stat};

/// An open directory, and its parents that had to be created. Dropping it removes these again, if nobody else has put
/// anything in them.
#[derive(Debug)]
pub(crate) struct Parent {
    handle: Arc<DirectoryHandle>,
    made: Option<Made>,
}

/// Directories that were created, each in the one before.
#[derive(Debug)]
struct Made {
    /// The directory in which the first one was created.
    within: OwnedFd,
    /// Their names, after those of directories that somebody else created on the way.
    path: String,
    /// The length of the front part of `path` that is not to be removed.
    kept: usize,
}

/// The nearest existing directory above a file.
#[derive(Debug)]
pub(crate) struct Nearest {
    pub(crate) handle: DirectoryHandle,
    /// The names of the missing directories, the outermost last.
    pub(crate) missing: Vec<String>,
}

/// Finds the nearest existing directory above `file`.
pub(crate) fn nearest(shared: &Shared, file: &FilePath) -> Result<Nearest, Errno> {
    let mut missing = Vec::new();
    let mut path = file.parent();
    loop {
        match (shared.handle(path.as_ref()), path) {
            (Err(Errno::NOENT), Some(absent)) => {
                missing.push(absent.file_name().to_owned());
                path = absent.parent();
            }
            (opened, _) => return Ok(Nearest { handle: opened?, missing }),
        }
    }
}

impl Parent {
    /// Opens the parent of `file` and creates the missing directories, where it may. `None` if another program removed
    /// one of them at the same time.
    pub(crate) fn make(
        shared: &Shared,
        file: &FilePath,
        cannot: impl Fn(Errno) -> StoreError,
    ) -> Result<Option<Self>, StoreError> {
        let nearest = match nearest(shared, file) {
            Err(Errno::NOENT) => return Ok(None),
            nearest => nearest.map_err(&cannot)?,
        };
        if nearest.missing.is_empty() {
            return Ok(Some(Self { handle: Arc::new(nearest.handle), made: None }));
        }
        if !shared.makes_parents {
            return Err(forbidden(Right::MakeDirectory));
        }
        match Self::make_missing(shared, file, nearest) {
            Err(Errno::NOENT) => Ok(None),
            made => made.map(Some).map_err(cannot),
        }
    }

    /// [`Errno::NOENT`] means that a directory was removed at the same time, [`Errno::LOOP`] that a link leads nowhere.
    fn make_missing(shared: &Shared, file: &FilePath, nearest: Nearest) -> Result<Self, Errno> {
        let Nearest { handle, mut missing } = nearest;
        if missing.last().is_some_and(|name| leads_nowhere(&handle, name)) {
            return Err(Errno::LOOP);
        }
        let mut making = Making { innermost: None, made: Made::nothing_yet(&handle)? };
        while let Some(name) = missing.pop() {
            making.descend(&handle, &name)?;
        }
        let Making { innermost, made } = making;
        let innermost = innermost.ok_or(Errno::NOENT)?;
        let stat = Stat::of(&innermost)?;
        let handle = shared.known_handle(innermost, stat.id(), file.parent().as_ref())?;
        Ok(Self { handle: Arc::new(handle), made: Some(made) })
    }

    pub(crate) fn handle(&self) -> &Arc<DirectoryHandle> {
        &self.handle
    }

    /// Keeps the created directories.
    pub(crate) fn keep(&mut self) {
        if let Some(made) = &mut self.made {
            made.kept = made.path.len();
        }
    }
}

/// Whether a name beneath which nothing was found is a link. No directory can be created there.
pub(super) fn leads_nowhere(directory: &DirectoryHandle, name: &str) -> bool {
    Stat::at(directory, name).is_ok_and(|stat| stat.file_type == FileType::Symlink)
}

struct Making {
    innermost: Option<OwnedFd>,
    made: Made,
}

impl Making {
    fn descend(&mut self, outermost: &DirectoryHandle, name: &str) -> Result<(), Errno> {
        let directory = match &self.innermost {
            Some(directory) => directory.as_fd(),
            None => outermost.as_fd(),
        };
        let made = match mkdirat(directory, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        // Record what was created before anything else can fail.
        self.made.add(name, made);
        self.innermost = Some(open_directory_or_path(directory, name)?);
        Ok(())
    }
}

impl Made {
    fn nothing_yet(handle: &DirectoryHandle) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let within = openat(handle, c".", flags, Mode::empty())?;
        Ok(Self { within, path: String::new(), kept: 0 })
    }

    fn add(&mut self, name: &str, made: bool) {
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
        if !made {
            // A directory that somebody else created stays, and so do its parents.
            self.kept = self.path.len();
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // This goes from the innermost directory outwards and opens each one again, so that it uses one descriptor at a
        // time. It follows no link that replaced a directory.
        while self.path.len() > self.kept {
            let (above, name) = self.path.rsplit_once('/').unwrap_or((".", &self.path));
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let removed = open_beneath(&self.within, above.as_ref(), flags, Links::Refuse)
                .and_then(|above| unlinkat(above, name, AtFlags::REMOVEDIR));
            if removed.is_err() {
                // The directories above are not empty either.
                break;
            }
            let above = self.path.rfind('/').unwrap_or(0);
            self.path.truncate(above);
        }
    }
}

impl Shared {
    /// Opens the directory `path` to create files in it; `None` is the shared directory itself.
    pub(crate) fn handle(&self, path: Option<&FilePath>) -> Result<DirectoryHandle, Errno> {
        let open =
            |access| self.root.open_directory(path.map_or(".", FilePath::as_str).as_ref(), access);
        let (directory, stat) = or_path_only(open)?;
        self.known_handle(directory, stat.id(), path)
    }

    /// Whether `path` still leads to `directory`, beneath the shared directory.
    pub(crate) fn leads_to(&self, path: Option<&FilePath>, directory: FileId) -> bool {
        let path = Path::new(path.map_or(".", FilePath::as_str));
        let found = self.root.open_directory(path, OFlags::PATH);
        found.is_ok_and(|(_, stat)| stat.id() == directory)
    }

    fn known_handle(
        &self,
        directory: OwnedFd,
        id: FileId,
        path: Option<&FilePath>,
    ) -> Result<DirectoryHandle, Errno> {
        let handle = if id.same_device(self.location.id()) {
            DirectoryHandle::with(directory, id, self.file_system)?
        } else {
            DirectoryHandle::new(directory)?
        };
        Ok(handle.found_in(self.root.shared(), path.map_or("", FilePath::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use crate::directory::{Directory, Options};

    use super::*;

    /// Somebody may take the name of a directory that is about to be created.
    #[test]
    fn only_directories_are_entered() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("directory", at("link")).unwrap();
        let Directory(shared) = Directory::open(directory.path(), Options::default()).unwrap();
        let enter = |name| {
            let handle = shared.handle(None)?;
            let made = Made::nothing_yet(&handle)?;
            Making { innermost: None, made }.descend(&handle, name)
        };
        assert_eq!(enter("directory"), Ok(()));
        assert_eq!(enter("file"), Err(Errno::NOTDIR));
        assert_eq!(enter("link"), Err(Errno::NOTDIR));
        assert!(at("directory").is_dir());
    }

    /// Directories that others created or filled stay, and so do their parents.
    #[test]
    fn only_what_was_made_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let Directory(shared) = Directory::open(directory.path(), Options::default()).unwrap();
        let make = |path| {
            let cannot = |errno| panic!("{errno}");
            Parent::make(&shared, &FilePath::parse(path).unwrap(), cannot).unwrap().unwrap()
        };
        fs::create_dir(at("old")).unwrap();
        drop(make("old/a/b/c/file"));
        assert!(at("old").is_dir() && !at("old/a").exists());
        let filled = make("old/a/b/c/file");
        fs::write(at("old/a/other"), "x").unwrap();
        drop(filled);
        assert!(at("old/a/other").exists() && !at("old/a/b").exists());
        make("new/b/file").keep();
        assert!(at("new/b").is_dir());
    }
}

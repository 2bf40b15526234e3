//! The directory that a published file goes into.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::PoisonError;

use haul_core::FilePath;
use rustix::fs::{AtFlags, Mode, OFlags, fsync, mkdirat, unlinkat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::Shared;
use super::beneath::Root;
use crate::enter::enter;
use crate::stat::{FileId, Stat};

/// An open directory, with those above it that had to be made. Dropping it removes these again, if nobody else has put anything in them.
#[derive(Debug)]
pub(crate) struct Parent {
    directory: OwnedFd,
    id: FileId,
    /// From the outermost inwards: where it was made, and its name.
    made: Vec<(OwnedFd, String)>,
}

/// The innermost directory above a file that is there.
#[derive(Debug)]
pub(crate) struct Nearest {
    pub(crate) directory: OwnedFd,
    pub(crate) id: FileId,
    /// The names of those that are missing, the outermost last.
    pub(crate) missing: Vec<String>,
}

/// Finds the innermost directory above `file` that is there.
pub(crate) fn nearest(root: &Root, file: &FilePath, staging: FileId) -> Result<Nearest, Errno> {
    let mut missing = Vec::new();
    let mut path = file.parent();
    loop {
        let text = path.as_ref().map_or(".", FilePath::as_str);
        match (root.open_directory(Path::new(text), OFlags::RDONLY, Some(staging)), path) {
            (Err(Errno::NOENT), Some(absent)) => {
                missing.push(absent.file_name().to_owned());
                path = absent.parent();
            }
            (opened, _) => {
                let (directory, stat) = opened?;
                return Ok(Nearest { directory, id: stat.id(), missing });
            }
        }
    }
}

impl Parent {
    /// Opens the directory that `file` goes into and makes what is missing of it; if `durable`, on stable storage.
    ///
    /// [`Errno::NOENT`] means that a directory was removed at the same time.
    pub(crate) fn make(
        shared: &Shared,
        file: &FilePath,
        staging: FileId,
        durable: bool,
    ) -> Result<Self, Errno> {
        let Nearest { directory, id, mut missing } = nearest(&shared.root, file, staging)?;
        let mut parent = Self { directory, id, made: Vec::new() };
        while let Some(name) = missing.pop() {
            parent.descend(shared, &name, durable)?;
        }
        Ok(parent)
    }

    fn descend(&mut self, shared: &Shared, name: &str, durable: bool) -> Result<(), Errno> {
        let above = fcntl_dupfd_cloexec(&self.directory, 0)?;
        let making = durable.then(|| shared.making.write().unwrap_or_else(PoisonError::into_inner));
        let made = match mkdirat(&self.directory, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        // What is made is noted before anything else can fail.
        if made {
            self.made.push((above, name.to_owned()));
            if durable {
                fsync(&self.directory)?;
            }
        }
        drop(making);
        self.directory = enter(&self.directory, name)?;
        self.id = Stat::of(&self.directory)?.id();
        Ok(())
    }

    pub(crate) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Which directory it is.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Keeps what was made.
    pub(crate) fn keep(&mut self) {
        self.made.clear();
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        for (directory, name) in self.made.drain(..).rev() {
            let _ = unlinkat(directory, name, AtFlags::REMOVEDIR);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use crate::directory::{Directory, Options};

    use super::*;

    /// Somebody may take the name of a directory that is about to be made.
    #[test]
    fn only_directories_are_entered() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("directory", at("link")).unwrap();
        let Directory(shared) = Directory::open(directory.path(), Options::default()).unwrap();
        let enter = |name| {
            let staging = shared.root.staging_id().unwrap();
            let Nearest { directory, id, .. } =
                nearest(&shared.root, &FilePath::parse("new").unwrap(), staging)?;
            Parent { directory, id, made: Vec::new() }.descend(&shared, name, false)
        };
        assert_eq!(enter("directory"), Ok(()));
        assert_eq!(enter("file"), Err(Errno::NOTDIR));
        assert_eq!(enter("link"), Err(Errno::NOTDIR));
    }
}

//! A directory that the client's user names, and what lies beneath it.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use haul_core::{FilePath, StoreError, StoreErrorKind};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, fsync, mkdirat, open, openat2};
use rustix::io::{Errno, retry_on_intr};

use super::file::{LocalSource, LocalTarget, Place};
use crate::enter::enter;
use crate::error::{failed, failed_io, shown};
use crate::regular::RegularFile;
use crate::stat::Stat;
use crate::temporary::Workplace;

/// A directory of this machine, for many uploads from it or downloads into it.
///
/// Names beneath it are [`FilePath`]s, so none of them is absolute or has a `..`, and no symbolic link beneath it is followed: whoever sent the names, nothing outside is read or written.
#[derive(Debug, Clone)]
pub struct LocalDirectory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Arc<Workplace>,
    shown: String,
    /// Directories that are made are brought to stable storage.
    durable: bool,
    /// The directory that was opened last: files of one directory mostly come together.
    last: Mutex<Option<(FilePath, Arc<Workplace>)>>,
}

impl LocalDirectory {
    /// Opens a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::new(path.as_ref(), false)
    }

    /// Opens a directory, and makes it if it is missing in the one above. If `durable`, directories that are made, this one and those beneath it, are brought to stable storage.
    pub fn make(path: impl AsRef<Path>, durable: bool) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let above = path.parent().filter(|above| *above != Path::new(""));
        let made = match fs::create_dir(path) {
            Ok(()) if durable => {
                File::open(above.unwrap_or(Path::new("."))).and_then(|above| above.sync_all())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        let shown = || shown(path.as_os_str());
        made.map_err(|error| failed_io(format_args!("make {}", shown()), &error))?;
        Self::new(path, durable)
    }

    fn new(path: &Path, durable: bool) -> Result<Self, StoreError> {
        let shown = shown(path.as_os_str());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty())
            .map_err(|errno| failed(format_args!("open {shown}"), errno))?;
        Ok(Self(Arc::new(Inner {
            root: Arc::new(Workplace::new(root)),
            shown,
            durable,
            last: Mutex::default(),
        })))
    }

    /// Opens a regular file beneath it for an upload.
    pub fn source(&self, path: &FilePath) -> Result<LocalSource, StoreError> {
        let name = self.shown(path);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.beneath(path, flags).map_err(|errno| refused("open", &name, errno))?;
        RegularFile::new(file, name).map(LocalSource::from)
    }

    /// A file beneath it for a download; directories on the way are made. For `overwrite` see [`LocalTarget::new`].
    pub fn target(&self, path: &FilePath, overwrite: bool) -> Result<LocalTarget, StoreError> {
        let shown = self.shown(path);
        let directory = match path.parent() {
            None => Arc::clone(&self.0.root),
            Some(parent) => {
                self.directory(&parent).map_err(|errno| refused("create", &shown, errno))?
            }
        };
        LocalTarget::at(Place { directory, name: path.file_name().into(), shown }, overwrite)
    }

    /// Makes a directory beneath it, and those on the way, unless they are there.
    pub fn make_directory(&self, path: &FilePath) -> Result<(), StoreError> {
        let made = self.directory(path);
        made.map(drop).map_err(|errno| refused("make", &self.shown(path), errno))
    }

    /// All regular files beneath it, in the order of the directories on disk; those whose path has a part that begins with `.` only if `hidden`.
    pub fn walk(&self, hidden: bool) -> Walk {
        Walk { directory: self.clone(), hidden, levels: Vec::new(), begun: false }
    }

    fn directory(&self, path: &FilePath) -> Result<Arc<Workplace>, Errno> {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, directory)) = last.as_ref().filter(|(before, _)| before == path) {
            return Ok(Arc::clone(directory));
        }
        let opened = match self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => self.descend(path)?,
            opened => opened?,
        };
        let directory = Arc::new(Workplace::new(opened));
        *last = Some((path.clone(), Arc::clone(&directory)));
        Ok(directory)
    }

    /// Opens a directory and makes what is missing of it.
    fn descend(&self, path: &FilePath) -> Result<OwnedFd, Errno> {
        let mut inner: Option<OwnedFd> = None;
        for name in path.components() {
            let above = inner.as_ref().map_or(self.0.root.as_fd(), AsFd::as_fd);
            match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                Ok(()) if self.0.durable => fsync(above)?,
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            inner = Some(enter(above, name)?);
        }
        inner.ok_or(Errno::NOENT)
    }

    fn beneath(&self, path: &FilePath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        retry_on_intr(|| openat2(&self.0.root, path.as_str(), flags, Mode::empty(), resolve))
    }

    fn shown(&self, path: &FilePath) -> String {
        let slash = if self.0.shown.ends_with('/') { "" } else { "/" };
        format!("{}{slash}{}", self.0.shown, path.escaped())
    }
}

fn refused(what: &str, shown: &str, errno: Errno) -> StoreError {
    match errno {
        Errno::LOOP => StoreError::new(
            StoreErrorKind::Denied,
            format!("cannot {what} {shown}: a symbolic link on the way is not followed"),
        ),
        errno => failed(format_args!("{what} {shown}"), errno),
    }
}

/// What a [walk](LocalDirectory::walk) comes upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A regular file, by its path beneath the directory.
    File(FilePath),
    /// A symbolic link, a device or the like, by its name as it can be shown. It is neither followed nor opened.
    Special(String),
    /// A file or directory that was left out because its name begins with `.`.
    Hidden(String),
}

/// The files beneath a directory. What cannot be read, and names that the protocol cannot carry, are errors; the walk goes on after them.
#[derive(Debug)]
pub struct Walk {
    directory: LocalDirectory,
    hidden: bool,
    /// The directories being read, each in the one before.
    levels: Vec<Level>,
    begun: bool,
}

#[derive(Debug)]
struct Level {
    /// `None` is the directory that is walked.
    path: Option<FilePath>,
    entries: Dir,
}

impl Walk {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.begun = true;
        let opened = enter(&self.directory.0.root, c".").and_then(Dir::new);
        let entries = opened
            .map_err(|errno| failed(format_args!("read {}", self.directory.0.shown), errno))?;
        self.levels.push(Level { path: None, entries });
        Ok(())
    }

    /// What a name in the innermost directory is. A directory becomes the innermost one.
    fn visit(&mut self, name: &CStr, kind: FileType) -> Result<Option<Found>, StoreError> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let above = level.path.as_ref();
        let shown_here = || {
            let name = shown(OsStr::from_bytes(name.to_bytes()));
            match above {
                Some(above) => format!("{}/{name}", self.directory.shown(above)),
                None => format!("{}/{name}", self.directory.0.shown),
            }
        };
        if !self.hidden && name.to_bytes().starts_with(b".") {
            return Ok(Some(Found::Hidden(shown_here())));
        }
        let fd = level.entries.fd().map_err(|errno| failed("read a directory", errno))?;
        let kind = match kind {
            FileType::Unknown => {
                let stat = Stat::at(fd, name);
                stat.map_err(|errno| failed(format_args!("read {}", shown_here()), errno))?
                    .file_type
            }
            kind => kind,
        };
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Ok(Some(Found::Special(shown_here())));
        }
        let joined = name.to_str().ok().and_then(|name| match above {
            Some(above) => above.join(name).ok(),
            None => FilePath::parse(name).ok(),
        });
        let Some(path) = joined else {
            let detail = format!("{}: the protocol cannot carry this name", shown_here());
            return Err(StoreError::new(StoreErrorKind::BadName, detail));
        };
        if kind == FileType::RegularFile {
            return Ok(Some(Found::File(path)));
        }
        match enter(fd, name).and_then(Dir::new) {
            Ok(entries) => self.levels.push(Level { path: Some(path), entries }),
            // It was removed, or is something else by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(failed(format_args!("read {}", shown_here()), errno)),
        }
        Ok(None)
    }
}

impl Iterator for Walk {
    type Item = Result<Found, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.begun
            && let Err(error) = self.begin()
        {
            return Some(Err(error));
        }
        loop {
            let level = self.levels.last_mut()?;
            let found = match level.entries.read() {
                None => {
                    self.levels.pop();
                    continue;
                }
                Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => continue,
                Some(Ok(entry)) => self.visit(entry.file_name(), entry.file_type()),
                Some(Err(errno)) => {
                    let shown = match &level.path {
                        Some(path) => self.directory.shown(path),
                        None => self.directory.0.shown.clone(),
                    };
                    self.levels.pop();
                    Err(failed(format_args!("read {shown}"), errno))
                }
            };
            if let Some(found) = found.transpose() {
                return Some(found);
            }
        }
    }
}

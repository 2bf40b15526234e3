//! Walks everything beneath a directory that the user of a client names.

use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use haul_core::{FilePath, PathError, StoreError};
use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use super::directory::LocalDirectory;
use crate::atomic_file::is_temporary_name;
use crate::entries::DirEntry;
use crate::error::{failed, is_want_of_descriptors, shown};
use crate::open_directory::open_directory;
use crate::stat::{FileId, Stat};
use crate::traversal::{OpenByPath, Step, Traversal};

/// What a [walk](LocalDirectory::walk) finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A regular file, by its path beneath the directory.
    File(FilePath),
    /// A directory, after everything in it.
    Directory {
        /// Its path; `None` is the directory that is walked.
        path: Option<FilePath>,
        /// Whether it was empty and contained nothing that was left out either.
        empty: bool,
    },
    /// A name that is neither, or whose type is unknown. The walk reports nothing below it.
    LeftOut {
        /// Its path, starting with the directory as the user named it, escaped for display.
        shown: String,
        /// Why it is left out.
        why: LeftOut,
    },
}

/// Why a [walk](LocalDirectory::walk) leaves something out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// It is a symbolic link, and links are not followed.
    Link,
    /// It is a link that leads nowhere.
    Dangling,
    /// It is a link whose path leads out of the directory that is walked.
    Outside,
    /// It is a link to a directory that contains it, or that another link led to.
    Again,
    /// It is a device, a FIFO or a socket.
    Special,
    /// Haul keeps [such names](crate::is_reserved) for its own unfinished files.
    Reserved,
    /// The protocol cannot express such a name.
    Name,
    /// The path is too long for the protocol.
    TooLong,
    /// It cannot be read, or its content cannot: the error says why.
    Unreadable(StoreError),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "a symbolic link",
            Self::Dangling => "a link that leads nowhere",
            Self::Outside => "a link whose path leads out of the directory",
            Self::Again => "a link to a directory that is there already",
            Self::Special => "a device, a FIFO or a socket",
            Self::Reserved => "Haul keeps such names for its own unfinished files",
            Self::Name => "the protocol cannot carry this name",
            Self::TooLong => "the protocol carries no path as long as this",
            Self::Unreadable(error) => return fmt::Display::fmt(&error.detail, f),
        })
    }
}

/// Decides by path, and by whether it is a directory, what a walk does not report at all.
type Excluded = dyn Fn(&str, bool) -> bool + Send;

/// The files beneath a directory, in the order in which the file system lists them. An error means that the directory
/// itself cannot be read, and ends the walk.
///
/// It follows links if the directory [follows them](LocalDirectory::following), to each directory at most once, so that
/// a walk ends. The number of open directories is bounded at any depth.
pub struct Walk {
    directory: LocalDirectory,
    excluded: Option<Box<Excluded>>,
    /// The directories that links led to.
    followed: HashSet<FileId>,
    traversal: Traversal,
    begun: bool,
}

impl LocalDirectory {
    /// Walks everything beneath it.
    pub fn walk(&self) -> Walk {
        Walk::new(self.clone())
    }
}

impl Walk {
    fn new(directory: LocalDirectory) -> Self {
        Self {
            directory,
            excluded: None,
            followed: HashSet::new(),
            traversal: Traversal::new(false, None),
            begun: false,
        }
    }

    /// Skips what `excluded` selects, by its path beneath the directory and whether it is a directory, and everything
    /// below it.
    #[must_use]
    pub fn excluding(self, excluded: impl Fn(&str, bool) -> bool + Send + 'static) -> Self {
        Self { excluded: Some(Box::new(excluded)), ..self }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.begun = true;
        let directory = OpenByPath::open(&self.directory, None, OFlags::RDONLY);
        let entered = directory.and_then(|directory| self.traversal.enter(None, directory));
        entered.map_err(|errno| failed(format_args!("read {}", self.directory.shown_as()), errno))
    }

    /// Finds out what a name in the innermost directory is. A directory becomes the innermost one, and is reported when
    /// it is left.
    fn visit(&mut self, entry: &DirEntry) -> Option<Found> {
        let name = entry.name();
        if self.is_excluded(name, entry.file_type) {
            return None;
        }
        match self.look(name, entry.file_type) {
            Ok(found) => found,
            Err(why) => Some(Found::LeftOut { shown: self.shown(name), why }),
        }
    }

    fn look(&mut self, name: &CStr, kind: FileType) -> Result<Option<Found>, LeftOut> {
        if is_temporary_name(name.to_bytes()) {
            return Err(LeftOut::Reserved);
        }
        let path = self.join(name)?;
        let kind = match kind {
            FileType::Unknown => {
                match self.traversal.here().and_then(|here| Stat::at(here, name)) {
                    Ok(stat) => stat.file_type,
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(self.unreadable(name, errno)),
                }
            }
            kind => kind,
        };
        let open = |walk: &Self| match kind {
            FileType::Symlink => OpenByPath::open(&walk.directory, Some(&path), OFlags::RDONLY),
            _ => walk.traversal.here().and_then(|here| open_directory(here, name)),
        };
        match kind {
            FileType::RegularFile => return Ok(Some(Found::File(path))),
            FileType::Directory => {}
            FileType::Symlink => {
                if !self.directory.follows() {
                    return Err(LeftOut::Link);
                }
                let found = self.directory.reopen(Some(&path), OFlags::PATH);
                let stat = found.and_then(Stat::of).map_err(|errno| match errno {
                    Errno::NOENT | Errno::NOTDIR | Errno::LOOP => LeftOut::Dangling,
                    Errno::XDEV if self.leads_back(name) => LeftOut::Again,
                    Errno::XDEV => LeftOut::Outside,
                    errno => self.unreadable(name, errno),
                })?;
                match stat.file_type {
                    FileType::RegularFile => return Ok(Some(Found::File(path))),
                    FileType::Directory => {}
                    _ => return Err(LeftOut::Special),
                }
                if self.traversal.contains(stat.id()) || !self.followed.insert(stat.id()) {
                    return Err(LeftOut::Again);
                }
            }
            _ => return Err(LeftOut::Special),
        }
        let mut opened = open(self);
        if matches!(opened, Err(errno) if is_want_of_descriptors(errno))
            && self.traversal.close_others()
        {
            opened = open(self);
        }
        let entered = match opened {
            Ok(directory) => self.traversal.enter(Some(path), directory),
            Err(errno) => Err(errno),
        };
        match entered {
            // It was removed or replaced.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(self.unreadable(name, errno)),
        }
    }

    /// Whether a link leads to a directory that contains it, or that another link led to, by any path.
    fn leads_back(&self, name: &CStr) -> bool {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened =
            self.traversal.here().and_then(|here| openat(here, name, flags, Mode::empty()));
        opened.and_then(Stat::of).is_ok_and(|stat| {
            self.traversal.contains(stat.id()) || self.followed.contains(&stat.id())
        })
    }

    /// The path of a name in the innermost directory.
    fn join(&self, name: &CStr) -> Result<FilePath, LeftOut> {
        let name = name.to_str().map_err(|_| LeftOut::Name)?;
        let joined = match self.traversal.path() {
            Some(above) => above.join(name),
            None => FilePath::parse(name),
        };
        joined.map_err(|error| match error {
            PathError::TooLong | PathError::ComponentTooLong => LeftOut::TooLong,
            _ => LeftOut::Name,
        })
    }

    fn is_excluded(&self, name: &CStr, kind: FileType) -> bool {
        self.excluded.as_ref().is_some_and(|excluded| {
            let name = name.to_string_lossy();
            let is_directory = kind == FileType::Directory;
            match self.traversal.path() {
                Some(above) => excluded(&format!("{}/{name}", above.as_str()), is_directory),
                None => excluded(&name, is_directory),
            }
        })
    }

    fn shown(&self, name: &CStr) -> String {
        let name = shown(OsStr::from_bytes(name.to_bytes()));
        match self.traversal.path() {
            Some(above) => format!("{}/{name}", self.directory.shown(above)),
            None => self.directory.shown_below(&name),
        }
    }

    fn unreadable(&self, name: &CStr, errno: Errno) -> LeftOut {
        LeftOut::Unreadable(failed(format_args!("read {}", self.shown(name)), errno))
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
            let found = match self.traversal.next(&self.directory)? {
                Step::Entry(entry) => self.visit(&entry),
                Step::Left { path, empty } => Some(Found::Directory { path, empty }),
                Step::Broken { path: None, errno } => {
                    let what = format!("read {}", self.directory.shown_as());
                    return Some(Err(failed(what, errno)));
                }
                Step::Broken { path: Some(path), errno } => {
                    let shown = self.directory.shown(&path);
                    let why = LeftOut::Unreadable(failed(format_args!("read {shown}"), errno));
                    Some(Found::LeftOut { shown, why })
                }
            };
            if let Some(found) = found {
                return Some(Ok(found));
            }
        }
    }
}

impl OpenByPath for LocalDirectory {
    fn open(&self, path: Option<&FilePath>, access: OFlags) -> Result<OwnedFd, Errno> {
        self.reopen(path, access | OFlags::DIRECTORY)
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("directory", &self.directory).finish_non_exhaustive()
    }
}

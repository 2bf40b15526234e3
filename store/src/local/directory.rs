//! A directory that the user of a client names, and everything beneath it.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use haul_core::{FilePath, StoreError, StoreErrorKind};
use rustix::fs::{Mode, OFlags, fsync, mkdirat, open, openat, syncfs};
use rustix::io::Errno;

use super::file::{Destination, LocalSource, LocalTarget};
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, failed_io, shown};
use crate::open_directory::{open_directory_or_path, or_path_only};
use crate::regular_file::RegularFile;
use crate::resolve::{Links, open_beneath};
use crate::unsupported::is_unsupported;

/// A local directory, for many uploads from it or downloads into it.
///
/// Names beneath it are [`FilePath`]s, so none of them is absolute or contains `..`, and no symbolic link beneath it is
/// followed unless the application [asks for that](Self::following). So nothing outside is read or written, whoever
/// sent the names.
#[derive(Debug, Clone)]
pub struct LocalDirectory {
    inner: Arc<Inner>,
    /// Whether reading follows links. Writing never does.
    links: Links,
}

#[derive(Debug)]
struct Inner {
    root: Arc<DirectoryHandle>,
    shown: String,
    /// Whether directories that are created are fsynced.
    durable: bool,
    /// The directory that was opened last: files of one directory usually come together.
    last: Mutex<Option<(FilePath, Arc<DirectoryHandle>)>>,
}

impl LocalDirectory {
    /// Opens a directory.
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound); [`NotAFile`](haul_core::StoreErrorKind::NotAFile) for
    /// anything else; [`Denied`](haul_core::StoreErrorKind::Denied); [`Io`](haul_core::StoreErrorKind::Io).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::new(path.as_ref(), false)
    }

    /// Opens a directory, and creates it if it is missing in an existing parent. If `durable`, the directories that are
    /// created, this one and those beneath it, are fsynced.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and for creating or fsyncing it.
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
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = or_path_only(|access| open(path, flags | access, Mode::empty()))
            .and_then(DirectoryHandle::new)
            .map_err(|errno| failed(format_args!("open {shown}"), errno))?;
        let root = Arc::new(root);
        let inner = Inner { root, shown, durable, last: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), links: Links::Refuse })
    }

    /// The same directory, but reading follows links as long as they stay beneath it.
    #[must_use]
    pub fn following(&self) -> Self {
        Self { links: Links::Follow, ..self.clone() }
    }

    pub(super) fn follows(&self) -> bool {
        self.links == Links::Follow
    }

    /// Opens a regular file beneath it for an upload.
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound), also for a path that leaves the directory;
    /// [`IsDirectory`](haul_core::StoreErrorKind::IsDirectory); [`NotAFile`](haul_core::StoreErrorKind::NotAFile), also
    /// for a link that is not followed; [`Denied`](haul_core::StoreErrorKind::Denied);
    /// [`Io`](haul_core::StoreErrorKind::Io).
    pub fn source(&self, path: &FilePath) -> Result<LocalSource, StoreError> {
        let name = self.shown(path);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.reopen(Some(path), flags).map_err(|errno| refused("open", &name, errno))?;
        RegularFile::new(file, name).map(LocalSource::from)
    }

    /// A file beneath it for a download. Missing directories are created. For `overwrite` see [`LocalTarget::new`].
    ///
    /// # Errors
    /// As for [`LocalTarget::new`], and as for [`make_directory`](Self::make_directory).
    pub fn target(&self, path: &FilePath, overwrite: bool) -> Result<LocalTarget, StoreError> {
        let shown = self.shown(path);
        let directory = match path.parent() {
            None => Arc::clone(&self.inner.root),
            Some(parent) => {
                self.directory(&parent).map_err(|errno| refused("create", &shown, errno))?
            }
        };
        LocalTarget::at(Destination { directory, name: path.file_name().into(), shown }, overwrite)
    }

    /// Creates a directory beneath it and its missing parents. The directory may exist already.
    ///
    /// # Errors
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) if something else, or a link, has the name or that of a
    /// parent; [`Denied`](haul_core::StoreErrorKind::Denied); [`NoSpace`](haul_core::StoreErrorKind::NoSpace);
    /// [`Io`](haul_core::StoreErrorKind::Io).
    pub fn make_directory(&self, path: &FilePath) -> Result<(), StoreError> {
        let made = self.directory(path);
        made.map(drop).map_err(|errno| refused("make", &self.shown(path), errno))
    }

    /// Opens a path beneath it for reading, or the directory itself.
    pub(super) fn reopen(&self, path: Option<&FilePath>, flags: OFlags) -> Result<OwnedFd, Errno> {
        let root = &self.inner.root;
        match path {
            Some(path) => open_beneath(root, path.as_str().as_ref(), flags, self.links),
            None => openat(root, c".", flags | OFlags::CLOEXEC, Mode::empty()),
        }
    }

    fn directory(&self, path: &FilePath) -> Result<Arc<DirectoryHandle>, Errno> {
        let mut last = self.inner.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, directory)) = last.as_ref().filter(|(before, _)| before == path) {
            return Ok(Arc::clone(directory));
        }
        let beneath = |access| {
            let flags = access | OFlags::DIRECTORY;
            open_beneath(&self.inner.root, path.as_str().as_ref(), flags, Links::Refuse)
        };
        let opened = match or_path_only(beneath) {
            Err(Errno::NOENT) => self.descend(path)?,
            opened => opened?,
        };
        let handle =
            DirectoryHandle::new(opened)?.found_in(self.inner.root.handle(), path.as_str());
        let directory = Arc::new(handle);
        *last = Some((path.clone(), Arc::clone(&directory)));
        Ok(directory)
    }

    /// Opens a directory and creates what is missing of its path.
    fn descend(&self, path: &FilePath) -> Result<OwnedFd, Errno> {
        let mut inner: Option<OwnedFd> = None;
        for name in path.components() {
            let above = inner.as_ref().map_or(self.inner.root.as_fd(), AsFd::as_fd);
            let made = match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(errno) => return Err(errno),
            };
            let entered = open_directory_or_path(above, name)?;
            if made && self.inner.durable {
                match fsync(above) {
                    // It is writable but not readable.
                    Err(Errno::BADF) => syncfs(&entered)?,
                    Err(errno) if is_unsupported(errno) => {}
                    synced => synced?,
                }
            }
            inner = Some(entered);
        }
        inner.ok_or(Errno::NOENT)
    }

    /// A path beneath it, escaped for display.
    pub(super) fn shown(&self, path: &FilePath) -> String {
        self.shown_below(path.escaped())
    }

    pub(super) fn shown_below(&self, path: impl Display) -> String {
        let slash = if self.inner.shown.ends_with('/') { "" } else { "/" };
        format!("{}{slash}{path}", self.inner.shown)
    }

    /// The directory, as the user named it.
    pub(super) fn shown_as(&self) -> &str {
        &self.inner.shown
    }
}

fn refused(what: &str, shown: &str, errno: Errno) -> StoreError {
    match errno {
        // A link is neither a directory nor a regular file.
        Errno::LOOP => StoreError::new(
            StoreErrorKind::NotAFile,
            format!("cannot {what} {shown}: a symbolic link on the way is not followed"),
        ),
        errno => failed(format_args!("{what} {shown}"), errno),
    }
}

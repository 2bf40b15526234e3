//! A local directory as a store.

mod beneath;
mod budget;
mod checksums;
mod flush;
mod listing;
mod location;
mod parent;
mod source;
mod staged;
mod sweeper;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haul_core::{Depth, FilePath, StoreError, StoreErrorKind};
use rustix::fs::{StatVfsMountFlags, fstatvfs};
use rustix::io::Errno;

use self::beneath::Root;
pub(crate) use self::budget::{Budget, Place};
use self::checksums::Checksums;
use self::flush::Flushes;
pub use self::listing::DirectoryListing;
use self::location::Location;
pub use self::source::DirectorySource;
pub use self::staged::DirectoryStaged;
use crate::file_system::FileSystem;
use crate::stat::Stat;
use crate::temporary::is_temporary;
use crate::{NewFile, Store};

/// How a directory is shared.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether names that begin with `.` are served. Those of unfinished files never are.
    pub hidden: bool,
    /// Whether uploads are refused. Nothing is written or removed then.
    pub read_only: bool,
}

/// A local directory and all below it as a [`Store`].
///
/// What it promises is told in the [crate's documentation](crate).
#[derive(Debug, Clone)]
pub struct Directory(Arc<Shared>);

/// What everything that is open in a directory needs of it.
#[derive(Debug)]
struct Shared {
    root: Root,
    location: Location,
    options: Options,
    checksums: Mutex<Checksums>,
    /// That of the shared directory itself; others may be mounted in it.
    file_system: FileSystem,
    /// Where flushing that file system is as good as syncing each file.
    flushes: Option<Flushes>,
    /// Room for staged files beyond one a session.
    beside: Budget,
    /// Room for the directories of listings beyond one each.
    listed: Budget,
}

impl Directory {
    /// Shares the directory `path`, which must exist. What a crash left anywhere in it is removed in the background.
    ///
    /// Fails if `path` is not a directory that can be read and entered, or is on a file system that is mounted to be read only (unless [`Options::read_only`]). Whether a file may be made is decided by
    /// the directory that it goes into.
    pub fn open(path: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        let path = path.as_ref();
        let root = Root::open(path)?;
        let id = Stat::of(&root)?.id();
        let file_system = FileSystem::of(&root, id.device());
        if !options.read_only && fstatvfs(&root)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, Errno::ROFS));
        }
        let shared = Arc::new(Shared {
            flushes: flush::can_flush(file_system).then(Flushes::default),
            beside: Budget::new(),
            listed: Budget::of_listings(),
            location: Location::new(path, id)?,
            root,
            options,
            checksums: Mutex::default(),
            file_system,
        });
        if !shared.options.read_only {
            sweeper::start(&shared);
        }
        Ok(Self(shared))
    }
}

impl Store for Directory {
    type Listing = DirectoryListing;
    type Source = DirectorySource;
    type Staged = DirectoryStaged;

    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<DirectoryListing, StoreError> {
        self.0.location.require()?;
        DirectoryListing::begin(Arc::clone(&self.0), path, depth, omitted)
    }

    fn open(&self, path: &FilePath) -> Result<DirectorySource, StoreError> {
        self.0.location.require()?;
        DirectorySource::open(Arc::clone(&self.0), path)
    }

    fn create(&self, file: &NewFile) -> Result<DirectoryStaged, StoreError> {
        if self.0.options.read_only {
            let detail =
                format!("{} is not created: files are only read here", file.path.escaped());
            return Err(StoreError::new(StoreErrorKind::ReadOnly, detail));
        }
        DirectoryStaged::begin(&self.0, file)
    }

    fn create_another(&self, file: &NewFile) -> Result<Option<DirectoryStaged>, StoreError> {
        self.0.beside.take().map(|place| Ok(self.create(file)?.beside(place))).transpose()
    }

    fn sync(&self, files: &mut [DirectoryStaged]) -> Result<(), StoreError> {
        staged::sync(&self.0, files)
    }

    fn sync_directories(&self, files: &mut [DirectoryStaged]) -> Result<(), StoreError> {
        staged::sync_directories(&self.0, files)
    }
}

impl Shared {
    /// Whether a component of a path may be seen at all.
    fn serves(&self, component: &[u8]) -> bool {
        !is_temporary(component) && (self.options.hidden || component.first() != Some(&b'.'))
    }

    /// Refuses a path that is not there because it is hidden.
    fn require_served(&self, path: &FilePath) -> Result<(), StoreError> {
        if path.components().all(|component| self.serves(component.as_bytes())) {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::NotFound, format!("{} is hidden", path.escaped())))
    }

    fn checksums(&self) -> MutexGuard<'_, Checksums> {
        self.checksums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

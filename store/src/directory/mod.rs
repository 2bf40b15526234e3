//! A local directory as a store.

mod beneath;
mod budget;
mod checksums;
mod flush;
mod listing;
mod parent;
mod source;
mod staged;
mod staging;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use haul_core::{Depth, FilePath, StoreError, StoreErrorKind};

use self::beneath::Root;
pub(crate) use self::budget::{Budget, Place};
use self::checksums::Checksums;
use self::flush::Flushes;
pub use self::listing::DirectoryListing;
pub use self::source::DirectorySource;
pub use self::staged::DirectoryStaged;
pub(crate) use self::staging::is_temporary;
use crate::{NewFile, Store};

/// How a directory is shared.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether names that begin with `.` are served. The staging area never is.
    pub hidden: bool,
    /// Whether uploads are refused. Nothing is written then, not even in the staging area.
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
    options: Options,
    /// Opened again if it has become another one.
    staging: Mutex<Option<staging::Area>>,
    checksums: Mutex<Checksums>,
    /// Held for writing while a directory is made and brought to stable storage. Whoever has found a directory and then held it for reading knows that the
    /// directory is on stable storage.
    making: RwLock<()>,
    /// Where flushing the file system is as good as syncing each file.
    flushes: Option<Flushes>,
    /// Room for staged files beyond one a session.
    beside: Budget,
    /// Room for the directories of listings beyond one each.
    listed: Budget,
}

impl Directory {
    /// Shares the directory `path`, which must exist, and sweeps what a crash left in its staging area.
    ///
    /// Fails if `path` is not a directory that can be read and written ([`Options::read_only`] asks for less).
    pub fn open(path: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        let root = Root::open(path.as_ref())?;
        let staging = if options.read_only { None } else { staging::prepare(&root)? };
        Ok(Self(Arc::new(Shared {
            flushes: flush::can_flush(&root).then(Flushes::default),
            beside: Budget::new(),
            listed: Budget::of_listings(),
            root,
            options,
            staging: Mutex::new(staging),
            checksums: Mutex::default(),
            making: RwLock::default(),
        })))
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
        DirectoryListing::begin(Arc::clone(&self.0), path, depth, omitted)
    }

    fn open(&self, path: &FilePath) -> Result<DirectorySource, StoreError> {
        DirectorySource::open(Arc::clone(&self.0), path)
    }

    fn create(&self, file: &NewFile) -> Result<DirectoryStaged, StoreError> {
        if self.0.options.read_only {
            let detail =
                format!("{} is not created: files are only read here", file.path.escaped());
            return Err(StoreError::new(StoreErrorKind::ReadOnly, detail));
        }
        DirectoryStaged::begin(Arc::clone(&self.0), file)
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

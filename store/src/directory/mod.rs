//! A store for a local directory.

mod change;
mod checksums;
mod copy;
mod delete;
mod flush;
mod listing;
mod location;
mod make_directory;
mod mount;
mod parent;
mod preconditions;
mod rename;
mod root;
mod shared;
mod source;
mod staged;
mod sweeper;

use std::io;
use std::path::Path;
use std::sync::Arc;

use haul_core::{Checksum, Depth, FilePath, Mode, StoreError, Version};
use rustix::fs::{StatVfsMountFlags, fstatvfs};
use rustix::io::Errno;

pub use self::change::DirectoryChange;
pub use self::listing::DirectoryListing;
use self::location::Location;
use self::root::Root;
pub use self::shared::Options;
use self::shared::Shared;
pub use self::source::DirectorySource;
pub use self::staged::DirectoryStaged;
use crate::budget::Budget;
use crate::file_system::FileSystem;
use crate::stat::Stat;
use crate::{MountOptions, Mountable, NewFile, Store};

/// A local directory and everything below it as a [`Store`].
///
/// The [crate's documentation](crate) describes its guarantees.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Shared>);

impl Directory {
    /// Shares the directory `path`, which must exist. A background thread removes leftovers of a crash anywhere in it.
    ///
    /// # Errors
    /// If `path` is not a directory that can be read and entered, or if it is on a read-only file system (unless
    /// [`Options::read_only`] is set). Whether a file may be created depends on the directory that it goes into.
    pub fn open(path: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        let path = path.as_ref();
        let root = Root::open(path)?;
        let id = Stat::of(&root)?.id();
        let file_system = FileSystem::of(&root, id.device());
        if !options.read_only && fstatvfs(&root)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, Errno::ROFS));
        }
        let shared = Arc::new(Shared {
            flushes: flush::can_flush(file_system).then(Arc::default),
            extra_files: Budget::new(),
            listing_directories: Budget::of_listings(),
            location: Arc::new(Location::new(path, id)?),
            root,
            options,
            makes_parents: true,
            checksums: Arc::default(),
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
    type Change = DirectoryChange;

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
        self.0.require_changeable(&file.path, "created")?;
        DirectoryStaged::begin(&self.0, file)
    }

    fn create_another(&self, file: &NewFile) -> Result<Option<DirectoryStaged>, StoreError> {
        self.0
            .extra_files
            .take()
            .map(|permit| Ok(self.create(file)?.with_permit(permit)))
            .transpose()
    }

    fn sync(&self, files: &mut [DirectoryStaged]) -> Result<(), StoreError> {
        staged::sync(&self.0, files)
    }

    fn copy(
        &self,
        source: &mut DirectorySource,
        staged: &mut DirectoryStaged,
        offset: u64,
        length: usize,
    ) -> Result<(usize, Checksum), StoreError> {
        copy::copy(source, staged, offset, length)
    }

    fn delete(
        &self,
        path: &FilePath,
        if_match: Option<&Version>,
    ) -> Result<DirectoryChange, StoreError> {
        delete::delete(&self.0, path, if_match)
    }

    fn make_directory(&self, path: &FilePath) -> Result<DirectoryChange, StoreError> {
        make_directory::make_directory(&self.0, path)
    }

    fn rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<DirectoryChange, StoreError> {
        rename::rename(&self.0, from, to, mode, if_match)
    }

    fn sync_directories(
        &self,
        files: &mut [DirectoryStaged],
        changes: &mut [DirectoryChange],
    ) -> Result<(), StoreError> {
        change::sync_directories(&self.0, files, changes)
    }
}

impl Mountable for Directory {
    fn mount(
        &self,
        directory: Option<&FilePath>,
        options: MountOptions,
    ) -> Result<Self, StoreError> {
        mount::mount(&self.0, directory, options).map(|shared| Self(Arc::new(shared)))
    }

    fn is_in_place(&self) -> bool {
        self.0.location.require().is_ok()
    }

    fn are_same(&self, one: &FilePath, other: &FilePath) -> bool {
        self.0.are_same(one, other)
    }
}

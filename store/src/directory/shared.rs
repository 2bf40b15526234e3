//! The state that all sessions of a directory share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haul_core::{FilePath, StoreError, StoreErrorKind};

use super::checksums::Checksums;
use super::flush::Flushes;
use super::location::Location;
use super::root::Root;
use crate::atomic_file::is_temporary_name;
use crate::budget::Budget;
use crate::file_system::FileSystem;

/// How often to repeat an operation because somebody removed or moved its directory at the same time. A program that
/// does nothing else can do so as fast as the directory is created.
pub(super) const MAX_MOVED: usize = 64;

pub(super) fn moves_again_and_again(doing: &str, path: &FilePath) -> StoreError {
    let detail =
        format!("cannot {doing} {}: its directory changes again and again", path.escaped());
    StoreError::new(StoreErrorKind::Io, detail)
}

/// How a directory is shared.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether names that begin with `.` are served. Unfinished files never are.
    pub hidden: bool,
    /// Whether uploads and changes are refused. Nothing is written or removed then.
    pub read_only: bool,
}

/// The state that all sessions of a directory share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) root: Root,
    pub(super) location: Arc<Location>,
    pub(super) options: Options,
    /// Whether missing parents of a new name are created.
    pub(super) makes_parents: bool,
    pub(super) checksums: Arc<Mutex<Checksums>>,
    /// The file system of the shared directory itself; others may be mounted in it.
    pub(super) file_system: FileSystem,
    /// `None` where a flush of that file system is not as good as an fsync of each file.
    pub(super) flushes: Option<Arc<Flushes>>,
    /// Permits for staged files beyond one a session.
    pub(super) extra_files: Budget,
    /// Permits for the directories of listings beyond one each.
    pub(super) listing_directories: Budget,
}

impl Shared {
    /// Whether a component of a path is served.
    pub(super) fn serves(&self, component: &[u8]) -> bool {
        !is_temporary_name(component) && (self.options.hidden || component.first() != Some(&b'.'))
    }

    /// Fails for a path that is hidden.
    pub(super) fn require_served(&self, path: &FilePath) -> Result<(), StoreError> {
        if path.components().all(|component| self.serves(component.as_bytes())) {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::NotFound, format!("{} is hidden", path.escaped())))
    }

    pub(super) fn checksums(&self) -> MutexGuard<'_, Checksums> {
        self.checksums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

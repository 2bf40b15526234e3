//! What everything that is open in a directory needs of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use haul_core::{FilePath, StoreError, StoreErrorKind};

use super::checksums::Checksums;
use super::flush::Flushes;
use super::location::Location;
use super::root::Root;
use crate::atomic_file::is_temporary_name;
use crate::budget::Budget;
use crate::file_system::FileSystem;

/// How often something is done anew because somebody removed or moved its directory at the same time. Whoever does
/// nothing else may do so as fast as it is made.
pub(super) const MAX_MOVED: usize = 64;

pub(super) fn moves_again_and_again(doing: &str, path: &FilePath) -> StoreError {
    let detail =
        format!("cannot {doing} {}: its directory changes again and again", path.escaped());
    StoreError::new(StoreErrorKind::Io, detail)
}

/// How a directory is shared.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether names that begin with `.` are served. Those of unfinished files never are.
    pub hidden: bool,
    /// Whether uploads are refused. Nothing is written or removed then.
    pub read_only: bool,
}

/// What everything that is open in a directory needs of it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) root: Root,
    pub(super) location: Location,
    pub(super) options: Options,
    pub(super) checksums: Mutex<Checksums>,
    /// That of the shared directory itself; others may be mounted in it.
    pub(super) file_system: FileSystem,
    /// Where flushing that file system is as good as syncing each file.
    pub(super) flushes: Option<Flushes>,
    /// Room for staged files beyond one a session.
    pub(super) extra_files: Budget,
    /// Room for the directories of listings beyond one each.
    pub(super) listing_directories: Budget,
}

impl Shared {
    /// Whether a component of a path may be seen at all.
    pub(super) fn serves(&self, component: &[u8]) -> bool {
        !is_temporary_name(component) && (self.options.hidden || component.first() != Some(&b'.'))
    }

    /// Refuses a path that is not there because it is hidden.
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

//! Checks whether the shared directory is still at its path.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haul_core::{StoreError, StoreErrorKind};
use rustix::fs::{AtFlags, CWD, OFlags, StatxFlags, statx};
use rustix::io::Errno;

use super::root::Root;
use crate::error::shown;
use crate::stat::{FileId, Stat};

/// The shared path, and the directory that it led to at the start. An open directory stays the same when its path is
/// given to another one, when something is mounted over it, and when it is removed; but nobody would find the files
/// that are stored in it then.
#[derive(Debug)]
pub(crate) struct Location {
    id: FileId,
    path: SharedPath,
}

#[derive(Debug)]
enum SharedPath {
    Absolute {
        path: PathBuf,
        /// Whether the log says that the path leads elsewhere.
        lost: AtomicBool,
    },
    /// A path in another shared directory.
    Within { around: Arc<Location>, root: Root, path: PathBuf },
}

impl Location {
    /// The location of the directory `id`, which `path` leads to.
    pub(crate) fn new(path: &Path, id: FileId) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        Ok(Self { id, path: SharedPath::Absolute { path, lost: AtomicBool::new(false) } })
    }

    /// The location of the directory `id`, which `path` leads to in `root`, the directory at the location `around`.
    pub(crate) fn within(around: Arc<Self>, root: Root, path: &Path, id: FileId) -> Self {
        Self { id, path: SharedPath::Within { around, root, path: path.to_owned() } }
    }

    /// Identifies the shared directory.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Fails if the path leads elsewhere. The log reports this once, and once more when the path is right again.
    pub(crate) fn require(&self) -> Result<(), StoreError> {
        match &self.path {
            SharedPath::Absolute { path, lost } => self.require_absolute(path, lost),
            SharedPath::Within { around, root, path } => {
                around.require()?;
                let found = root.open_directory(path, OFlags::PATH);
                if found.is_ok_and(|(_, stat)| stat.id() == self.id) {
                    return Ok(());
                }
                let path = shown(path.as_os_str());
                let detail = format!("{path} does not lead to the directory that was opened");
                Err(StoreError::new(StoreErrorKind::Io, detail))
            }
        }
    }

    fn require_absolute(&self, path: &Path, lost_before: &AtomicBool) -> Result<(), StoreError> {
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
        let lost = match found.map(Stat::from) {
            Ok(stat) => stat.id() != self.id,
            Err(errno) => matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP),
        };
        let was_lost = lost_before.swap(lost, Ordering::Relaxed);
        let path = shown(path.as_os_str());
        if !lost {
            if was_lost {
                tracing::warn!("{path} leads to the shared directory again");
            }
            return Ok(());
        }
        let detail = format!(
            "{path} does not lead to the shared directory any more: it was replaced, mounted over, moved or removed"
        );
        if !was_lost {
            tracing::error!(
                "everything is refused until this is mended or the server is started anew: {detail}"
            );
        }
        Err(StoreError::new(StoreErrorKind::Io, detail))
    }
}

//! Checks whether a path may be changed, deleted or renamed.

use std::ffi::OsStr;

use haul_core::{FilePath, StoreError, StoreErrorKind, Version};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::shared::Shared;
use crate::atomic_file::spelling;
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, shown};
use crate::stat::Stat;

impl Shared {
    /// Fails for a path that must not be changed. `done` is the past participle for the error.
    pub(super) fn require_changeable(&self, path: &FilePath, done: &str) -> Result<(), StoreError> {
        if self.options.read_only {
            let detail = format!("{} is not {done}: files are only read here", path.escaped());
            return Err(StoreError::new(StoreErrorKind::ReadOnly, detail));
        }
        self.require_served(path)?;
        self.location.require()
    }

    /// Returns what `path` names in `directory`, if that may be changed. A link counts itself, not its target.
    pub(super) fn changeable(
        &self,
        directory: &DirectoryHandle,
        path: &FilePath,
        if_match: Option<&Version>,
        doing: &str,
    ) -> Result<Stat, StoreError> {
        let cannot = |errno| failed(format_args!("{doing} {}", path.escaped()), errno);
        let name = OsStr::new(path.file_name());
        let found = Stat::at(directory, name).map_err(cannot)?;
        if !matches!(found.file_type, FileType::Directory | FileType::Symlink) {
            found.require_regular(path.escaped())?;
        }
        if found.mount_point && self.root.refuses_mounts() {
            return Err(cannot(Errno::XDEV));
        }
        if found.mount_point {
            return Err(mount_point(doing, path));
        }
        let (root, listed) = directory.path_of(name);
        if let Some(other) = spelling::other(root, &listed, found.id()) {
            // Nothing is listed under this name, so the client may mean another file.
            let detail = format!("{} is there as {}", path.escaped(), shown(other.as_os_str()));
            return Err(StoreError::new(StoreErrorKind::NotFound, detail));
        }
        if let Some(wanted) = if_match {
            self.require_version(path, found, wanted).map_err(cannot)??;
        }
        Ok(found)
    }

    /// Fails unless `found`, which has the name `path`, is a file of the version `wanted`. A link has the version of
    /// its target.
    pub(super) fn require_version(
        &self,
        path: &FilePath,
        found: Stat,
        wanted: &Version,
    ) -> Result<Result<(), StoreError>, Errno> {
        let file = match found.file_type {
            FileType::Symlink => self.root.locate(path.as_str().as_ref())?.stat,
            _ => found,
        };
        let is_file = file.file_type == FileType::RegularFile;
        if is_file && file.version.word().as_ref() == Some(wanted) {
            return Ok(Ok(()));
        }
        let detail = format!("{} does not have the version {wanted}", path.escaped());
        Ok(Err(StoreError::new(StoreErrorKind::Changed, detail)))
    }
}

/// The error for a path at which something is mounted.
pub(super) fn mount_point(doing: &str, path: &FilePath) -> StoreError {
    let detail = format!("cannot {doing} {}: it is a mount point", path.escaped());
    StoreError::new(StoreErrorKind::Denied, detail)
}

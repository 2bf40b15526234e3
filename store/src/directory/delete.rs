//! Deleting files and empty directories.

use std::ffi::OsStr;
use std::sync::Arc;

use haul_core::{FilePath, StoreError, StoreErrorKind, Version};
use rustix::fs::{AtFlags, FileType, unlinkat};
use rustix::io::Errno;

use super::change::DirectoryChange;
use super::preconditions::mount_point;
use super::shared::{MAX_MOVED, Shared, moves_again_and_again};
use crate::directory_handle::DirectoryHandle;
use crate::error::failed;
use crate::name_locks;

/// See [`Store::delete`](crate::Store::delete).
pub(super) fn delete(
    shared: &Arc<Shared>,
    path: &FilePath,
    if_match: Option<&Version>,
) -> Result<DirectoryChange, StoreError> {
    shared.require_changeable(path, "deleted")?;
    for _ in 0..MAX_MOVED {
        if let Some(directory) = delete_once(shared, path, if_match)? {
            return Ok(DirectoryChange::new(shared, path, vec![Arc::new(directory)]));
        }
    }
    Err(moves_again_and_again("delete", path))
}

/// Returns the directory that had the name; `None` if another program changed something meanwhile.
fn delete_once(
    shared: &Shared,
    path: &FilePath,
    if_match: Option<&Version>,
) -> Result<Option<DirectoryHandle>, StoreError> {
    let cannot = |errno| failed(format_args!("delete {}", path.escaped()), errno);
    let parent = path.parent();
    let directory = shared.handle(parent.as_ref()).map_err(cannot)?;
    let name = OsStr::new(path.file_name());
    let _locked = name_locks::lock([(directory.id(), name)]);
    let found = shared.changeable(&directory, path, if_match, "delete")?;
    // A deletion cannot be undone, so this is the last check.
    if !shared.leads_to(parent.as_ref(), directory.id()) {
        return Ok(None);
    }
    let flags = match found.file_type {
        FileType::Directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    match unlinkat(&directory, name, flags) {
        Ok(()) => Ok(Some(directory)),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            let detail = format!("{} is not empty", path.escaped());
            Err(StoreError::new(StoreErrorKind::NotEmpty, detail))
        }
        Err(Errno::ISDIR | Errno::NOTDIR) => Ok(None),
        Err(Errno::BUSY) => Err(mount_point("delete", path)),
        Err(errno) => Err(cannot(errno)),
    }
}

//! Creates directories.

use std::ffi::OsStr;
use std::sync::Arc;

use haul_core::{FilePath, StoreError};
use rustix::fs::{AtFlags, Mode, mkdirat, unlinkat};
use rustix::io::Errno;

use super::change::DirectoryChange;
use super::parent::Parent;
use super::shared::{MAX_MOVED, Shared, moves_again_and_again};
use crate::atomic_file::exists;
use crate::error::failed;
use crate::name_locks;
use crate::stat::Stat;

/// See [`Store::make_directory`](crate::Store::make_directory).
pub(super) fn make_directory(
    shared: &Arc<Shared>,
    path: &FilePath,
) -> Result<DirectoryChange, StoreError> {
    shared.require_changeable(path, "created")?;
    make(shared, path)
}

/// As [`make_directory`], even if the path is hidden.
pub(super) fn make(shared: &Arc<Shared>, path: &FilePath) -> Result<DirectoryChange, StoreError> {
    for _ in 0..MAX_MOVED {
        if let Some(change) = make_once(shared, path)? {
            return Ok(change);
        }
    }
    Err(moves_again_and_again("create", path))
}

/// `None` if another program changed something meanwhile.
fn make_once(shared: &Arc<Shared>, path: &FilePath) -> Result<Option<DirectoryChange>, StoreError> {
    let cannot = |errno| failed(format_args!("create {}", path.escaped()), errno);
    let Some(mut parent) = Parent::make(shared, path, cannot)? else { return Ok(None) };
    let (directory, name) = (Arc::clone(parent.handle()), OsStr::new(path.file_name()));
    let _locked = name_locks::lock([(directory.id(), name)]);
    match mkdirat(&directory, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let old = match Stat::at(&directory, name) {
                Err(Errno::NOENT) => return Ok(None),
                old => old.map_err(cannot)?,
            };
            return Err(exists(&directory, name, &old, path.escaped()));
        }
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(cannot(errno)),
    }
    if !shared.leads_to(path.parent().as_ref(), directory.id()) {
        // If its parent was moved away, nothing is left there.
        unlinkat(&directory, name, AtFlags::REMOVEDIR).map_err(cannot)?;
        return Ok(None);
    }
    parent.keep();
    Ok(Some(DirectoryChange::new(shared, path, vec![directory])))
}

//! Checks what exists under the name that a file will take.

use std::ffi::OsStr;
use std::fmt::Display;
use std::path::Path;

use haul_core::{Mode, StoreError, StoreErrorKind};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::spelling;
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, shown};
use crate::stat::Stat;

/// Fails if a file must not replace what has the name. Returns what it will replace, if anything.
///
/// A symbolic link is replaced itself, whatever it leads to.
pub(crate) fn replaceable(
    directory: &DirectoryHandle,
    name: &OsStr,
    mode: Mode,
    shown: impl Display,
) -> Result<Option<Stat>, StoreError> {
    let stat = match Stat::at(directory, name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(format_args!("create {shown}"), errno)),
    };
    match (mode, stat.file_type) {
        (Mode::Create, _) => return Err(exists(directory, name, &stat, shown)),
        (Mode::Replace, FileType::Symlink) => {}
        (Mode::Replace, _) => stat.require_regular(&shown)?,
    }
    // The mount would stay there.
    if stat.mount_point {
        return Err(mount_point(shown));
    }
    let (root, path) = directory.path_of(name);
    match spelling::other(root, &path, stat.id()) {
        Some(other) => Err(exists_as(StoreErrorKind::OtherSpelling, &other, shown)),
        None => Ok(Some(stat)),
    }
}

/// The error for a name that exists and must not be replaced.
pub(crate) fn exists(
    directory: &DirectoryHandle,
    name: &OsStr,
    old: &Stat,
    shown: impl Display,
) -> StoreError {
    let (root, path) = directory.path_of(name);
    match spelling::other(root, &path, old.id()) {
        Some(other) => exists_as(StoreErrorKind::Exists, &other, shown),
        None => StoreError::new(StoreErrorKind::Exists, format!("{shown} exists already")),
    }
}

/// The error for a file that exists under another spelling of the name.
fn exists_as(kind: StoreErrorKind, other: &Path, shown_name: impl Display) -> StoreError {
    let other = shown(other.as_os_str());
    let detail = format!(
        "{shown_name} exists already, as {other}: this file system takes both names for one"
    );
    StoreError::new(kind, detail)
}

pub(super) fn mount_point(shown: impl Display) -> StoreError {
    let detail = format!(
        "cannot create {shown}: something is mounted there, so it is a mount point that cannot be replaced"
    );
    StoreError::new(StoreErrorKind::Denied, detail)
}

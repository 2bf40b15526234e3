//! What has the name that a file is to take.

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

/// Refuses what a file must not take the place of. Answers what it will replace, if there is something.
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
    // Whatever is mounted there would stay.
    if stat.mount_point {
        return Err(mount_point(shown));
    }
    let (root, path) = directory.path_of(name);
    match spelling::other(root, &path, stat.id()) {
        Some(other) => Err(exists_as(StoreErrorKind::OtherSpelling, &other, shown)),
        None => Ok(Some(stat)),
    }
}

/// What must not be replaced is there.
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

/// It is there under another name, which is not that of the new file.
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

//! Changes of names on the simulated disk. Each gives the directories to sync, in this order.

use haul_core::{FilePath, Mode, StoreError, StoreErrorKind, Version};

use crate::disk::Disk;
use crate::oracle::is_below;
use crate::planted::Planted;
use crate::tree::{DirectoryId, NoParent, Node};

/// The text of every error of the simulation. Any other error is a mistake of a machine or a session.
pub(super) const SIMULATED: &str = "simulated";

pub(super) fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, SIMULATED)
}

/// Why a name cannot be looked up.
pub(super) fn no_parent(reason: NoParent) -> StoreError {
    error(match reason {
        NoParent::Missing => StoreErrorKind::NotFound,
        NoParent::File => StoreErrorKind::NotAFile,
    })
}

/// Whether a file may take this name.
pub(super) fn replaceable(
    disk: &Disk,
    path: &FilePath,
    mode: Mode,
    if_match: Option<&Version>,
) -> Result<(), StoreError> {
    let found = match disk.names.node(path) {
        Err(NoParent::File) => return Err(error(StoreErrorKind::NotAFile)),
        Err(NoParent::Missing) => None,
        Ok(found) => found,
    };
    match found {
        Some(Node::Directory(_)) if mode != Mode::Create => Err(error(StoreErrorKind::IsDirectory)),
        Some(_) if mode == Mode::Create => Err(error(StoreErrorKind::Exists)),
        None if if_match.is_some() => Err(error(StoreErrorKind::NotFound)),
        _ => require_version(disk, path, if_match),
    }
}

/// What has this name must be a file of this version.
fn require_version(
    disk: &Disk,
    path: &FilePath,
    if_match: Option<&Version>,
) -> Result<(), StoreError> {
    let is_ignored = disk.planted == Some(Planted::MatchIgnored);
    if is_ignored || if_match.is_none() || disk.version(path).as_ref() == if_match {
        Ok(())
    } else {
        Err(error(StoreErrorKind::Changed))
    }
}

fn find(disk: &Disk, path: &FilePath, if_match: Option<&Version>) -> Result<Node, StoreError> {
    let found = disk.names.node(path).map_err(no_parent)?;
    let node = found.ok_or_else(|| error(StoreErrorKind::NotFound))?;
    require_version(disk, path, if_match)?;
    Ok(node)
}

pub(super) fn delete(
    disk: &mut Disk,
    path: &FilePath,
    if_match: Option<&Version>,
) -> Result<Vec<DirectoryId>, StoreError> {
    let node = find(disk, path, if_match)?;
    if let Node::Directory(directory) = node
        && !disk.names.is_empty(directory)
    {
        return Err(error(StoreErrorKind::NotEmpty));
    }
    disk.touched = true;
    Ok(vec![disk.names.remove(path, node)])
}

pub(super) fn make_directory(
    disk: &mut Disk,
    path: &FilePath,
) -> Result<Vec<DirectoryId>, StoreError> {
    match disk.names.node(path) {
        Err(NoParent::File) => return Err(error(StoreErrorKind::NotAFile)),
        Ok(Some(_)) => return Err(error(StoreErrorKind::Exists)),
        Err(NoParent::Missing) | Ok(None) => {}
    }
    disk.touched = true;
    Ok(vec![disk.names.make_directory(path)])
}

pub(super) fn rename(
    disk: &mut Disk,
    from: &FilePath,
    to: &FilePath,
    mode: Mode,
    if_match: Option<&Version>,
) -> Result<Vec<DirectoryId>, StoreError> {
    let node = find(disk, from, if_match)?;
    if from == to {
        return Ok(Vec::new());
    }
    if is_below(to, from) && matches!(node, Node::Directory(_)) {
        return Err(error(StoreErrorKind::IntoItself));
    }
    replaceable(disk, to, mode, None)?;
    if matches!((node, disk.names.node(to)), (Node::Directory(_), Ok(Some(_)))) {
        return Err(error(StoreErrorKind::NotAFile));
    }
    disk.touched = true;
    if disk.planted == Some(Planted::MoveSplit) {
        let directory = disk.names.remove(from, node);
        disk.names.sync(directory);
        return Ok(vec![disk.names.link(to, node)]);
    }
    Ok(disk.names.rename(node, from, to).into())
}

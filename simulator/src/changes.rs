//! Changes of names on the simulated disk.

use haul_core::{FilePath, Mode, StoreError, StoreErrorKind, Version};
use haul_store::{Change, Store};

use crate::disk::Disk;
use crate::fault::Fault;
use crate::oracle::is_below;
use crate::planted::Planted;
use crate::store::{SimStore, error, no_parent, replaceable, require_version};
use crate::tree::{DirectoryId, NoParent, Node};

/// A change of names that was made.
pub(super) struct SimChange {
    store: SimStore,
    /// The directories to sync, in this order.
    pub(super) directories: Vec<DirectoryId>,
}

impl Change for SimChange {
    fn sync(&mut self) -> Result<(), StoreError> {
        let store = self.store.clone();
        store.sync_directories(&mut [], std::slice::from_mut(self))
    }
}

fn find(disk: &Disk, path: &FilePath, if_match: Option<&Version>) -> Result<Node, StoreError> {
    let found = disk.names.node(path).map_err(no_parent)?;
    let node = found.ok_or_else(|| error(StoreErrorKind::NotFound))?;
    require_version(disk, path, if_match)?;
    Ok(node)
}

impl SimStore {
    fn changed(&self, directories: impl Into<Vec<DirectoryId>>) -> SimChange {
        SimChange { store: self.clone(), directories: directories.into() }
    }

    pub(super) fn delete_name(
        &self,
        path: &FilePath,
        if_match: Option<&Version>,
    ) -> Result<SimChange, StoreError> {
        self.fails(&[(Fault::DeleteFails, StoreErrorKind::Denied)])?;
        let mut disk = self.disk.lock();
        let node = find(&disk, path, if_match)?;
        if let Node::Directory(directory) = node
            && !disk.names.is_empty(directory)
        {
            return Err(error(StoreErrorKind::NotEmpty));
        }
        disk.touched = true;
        Ok(self.changed([disk.names.remove(path, node)]))
    }

    pub(super) fn make_new_directory(&self, path: &FilePath) -> Result<SimChange, StoreError> {
        self.fails(&[(Fault::MakeDirectoryFails, StoreErrorKind::NoSpace)])?;
        let mut disk = self.disk.lock();
        match disk.names.node(path) {
            Err(NoParent::File) => return Err(error(StoreErrorKind::NotAFile)),
            Ok(Some(_)) => return Err(error(StoreErrorKind::Exists)),
            Err(NoParent::Missing) | Ok(None) => {}
        }
        disk.touched = true;
        Ok(self.changed([disk.names.make_directory(path)]))
    }

    pub(super) fn rename_to(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<SimChange, StoreError> {
        self.fails(&[(Fault::MoveFails, StoreErrorKind::NotSupported)])?;
        let mut disk = self.disk.lock();
        let node = find(&disk, from, if_match)?;
        if from == to {
            return Ok(self.changed([]));
        }
        if is_below(to, from) && matches!(node, Node::Directory(_)) {
            return Err(error(StoreErrorKind::IntoItself));
        }
        replaceable(&disk, to, mode, None)?;
        if matches!((node, disk.names.node(to)), (Node::Directory(_), Ok(Some(_)))) {
            return Err(error(StoreErrorKind::NotAFile));
        }
        disk.touched = true;
        if disk.planted == Some(Planted::MoveSplit) {
            let directory = disk.names.remove(from, node);
            disk.names.sync(directory);
            return Ok(self.changed([disk.names.link(to, node)]));
        }
        Ok(self.changed(disk.names.rename(node, from, to)))
    }
}

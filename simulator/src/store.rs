//! The server's store on the simulated disk.

use std::{slice, vec};

use bytes::Bytes;
use haul_core::message::Omission;
use haul_core::{
    Checksum, Depth, Entry, ErrorCode, FilePath, Mode, Opened, StoreError, StoreErrorKind,
    Timestamp, Version,
};
use haul_store::{Change, Listing, NewFile, Source, Staged, Store};

use crate::changes::{self, error, no_parent, replaceable};
use crate::disk::{Disk, Inode, SharedDisk};
use crate::fault::Fault;
use crate::plan;
use crate::planted::Planted;
use crate::tree::{DirectoryId, Node};

/// A directory at the root that cannot be read, and a name there that listings leave out, if the plan has such
/// oddities.
pub(super) const LOCKED: &str = "locked";
const HIDDEN: &[u8] = b".hidden";

/// One session's handle of the disk, until the next power cut.
#[derive(Debug, Clone)]
pub(super) struct SimStore {
    pub(super) disk: SharedDisk,
    pub(super) session: usize,
    pub(super) durable: bool,
}

impl SimStore {
    pub(super) fn fails(&self, faults: &[(Fault, StoreErrorKind)]) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        let failing = faults.iter().find(|(fault, _)| disk.triggers(self.session, *fault));
        failing.map_or(Ok(()), |(_, kind)| Err(error(*kind)))
    }
}

/// A change of names that was made.
pub(super) struct SimChange {
    store: SimStore,
    /// The directories to sync, in this order.
    directories: Vec<DirectoryId>,
}

impl SimStore {
    fn change(
        &self,
        fault: (Fault, StoreErrorKind),
        make: impl FnOnce(&mut Disk) -> Result<Vec<DirectoryId>, StoreError>,
    ) -> Result<SimChange, StoreError> {
        self.fails(&[fault])?;
        let directories = make(&mut self.disk.lock())?;
        Ok(SimChange { store: self.clone(), directories })
    }
}

impl Change for SimChange {
    fn sync(&mut self) -> Result<(), StoreError> {
        let store = self.store.clone();
        store.sync_directories(&mut [], slice::from_mut(self))
    }
}

impl Store for SimStore {
    type Listing = SimListing;
    type Source = SimSource;
    type Staged = SimStaged;
    type Change = SimChange;

    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<SimListing, StoreError> {
        self.fails(&[(Fault::ListFails, StoreErrorKind::Io)])?;
        let disk = self.disk.lock();
        let mut entries = entries(&disk, path, depth)?;
        if path.is_none() && disk.oddities {
            let error = Some(ErrorCode::Denied);
            entries.push(Entry::Directory { path: plan::path(LOCKED), error, link: false });
            if omitted {
                entries.push(Entry::omitted(HIDDEN, Omission::Hidden));
            }
        }
        Ok(SimListing { store: self.clone(), rest: entries.into_iter() })
    }

    fn open(&self, path: &FilePath) -> Result<SimSource, StoreError> {
        self.fails(&[(Fault::OpenFails, StoreErrorKind::Denied)])?;
        let disk = self.disk.lock();
        let inode = match disk.names.node(path).map_err(no_parent)? {
            None => return Err(error(StoreErrorKind::NotFound)),
            Some(Node::Directory(_)) => return Err(error(StoreErrorKind::IsDirectory)),
            Some(Node::File(inode)) => inode,
        };
        let Inode { data, changes, executable, .. } = &disk.inodes[inode];
        let (size, changes, executable) = (data.len() as u64, *changes, *executable);
        let version = disk.inodes[inode].version(inode);
        Ok(SimSource {
            store: self.clone(),
            path: path.clone(),
            begun: false,
            inode,
            changes,
            size,
            executable,
            version,
        })
    }

    fn create(&self, file: &NewFile) -> Result<SimStaged, StoreError> {
        self.fails(&[(Fault::CreateFails, StoreErrorKind::NoSpace)])?;
        let mut disk = self.disk.lock();
        replaceable(&disk, &file.path, file.mode, file.if_match.as_ref())?;
        let inode = disk.allocate(Vec::new());
        disk.inodes[inode].executable =
            file.executable && disk.planted != Some(Planted::ExecutableForgotten);
        disk.staging.insert(inode);
        let (path, mode, boot) = (file.path.clone(), file.mode, disk.boot);
        Ok(SimStaged {
            store: self.clone(),
            path,
            mode,
            if_match: file.if_match,
            inode,
            published: false,
            directory: None,
            rest: Vec::new(),
            boot,
        })
    }

    fn create_another(&self, file: &NewFile) -> Result<Option<SimStaged>, StoreError> {
        let full = self.disk.lock().triggers(self.session, Fault::NoRoom);
        if full { Ok(None) } else { self.create(file).map(Some) }
    }

    fn sync(&self, files: &mut [SimStaged]) -> Result<(), StoreError> {
        self.fails(&[(Fault::SyncFails, StoreErrorKind::Io)])?;
        let mut disk = self.disk.lock();
        let inodes: Vec<usize> = files.iter().map(|file| file.inode).collect();
        match disk.planted {
            Some(Planted::SyncSkipped) => {}
            Some(Planted::PublishBeforeSync) => {
                for file in files {
                    file.directory = Some(disk.link(&file.path, file.inode));
                    file.published = true;
                }
            }
            Some(Planted::BatchSyncShort) if inodes.len() > 1 => {
                disk.sync(&inodes[..inodes.len() - 1]);
            }
            _ => disk.sync(&inodes),
        }
        Ok(())
    }

    fn copy(
        &self,
        source: &mut SimSource,
        staged: &mut SimStaged,
        offset: u64,
        length: usize,
    ) -> Result<(usize, Checksum), StoreError> {
        self.fails(&[(Fault::CopyFails, StoreErrorKind::NoSpace)])?;
        let bytes = source.read(offset, length.min(COPIED_AT_ONCE))?;
        if !bytes.is_empty() {
            staged.write(offset, &bytes)?;
        }
        Ok((bytes.len(), Checksum::of(&bytes)))
    }

    fn delete(&self, path: &FilePath, if_match: Option<&Version>) -> Result<SimChange, StoreError> {
        let fault = (Fault::DeleteFails, StoreErrorKind::Denied);
        self.change(fault, |disk| changes::delete(disk, path, if_match))
    }

    fn make_directory(&self, path: &FilePath) -> Result<SimChange, StoreError> {
        let fault = (Fault::MakeDirectoryFails, StoreErrorKind::NoSpace);
        self.change(fault, |disk| changes::make_directory(disk, path))
    }

    fn rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<SimChange, StoreError> {
        let fault = (Fault::MoveFails, StoreErrorKind::NotSupported);
        self.change(fault, |disk| changes::rename(disk, from, to, mode, if_match))
    }

    fn sync_directories(
        &self,
        files: &mut [SimStaged],
        changes: &mut [SimChange],
    ) -> Result<(), StoreError> {
        self.fails(&[(Fault::SyncDirectoryFails, StoreErrorKind::Io)])?;
        let mut disk = self.disk.lock();
        for file in &mut *files {
            disk.inodes[file.inode].data.append(&mut file.rest);
        }
        let (files_synced, changes_synced) = match disk.planted {
            Some(Planted::DirectorySyncSkipped) => (0, changes.len()),
            Some(Planted::BatchDirectorySyncShort) => (1.min(files.len()), changes.len()),
            Some(Planted::ChangeSyncSkipped) => (files.len(), 0),
            _ => (files.len(), changes.len()),
        };
        let of_files = files[..files_synced].iter().filter_map(|file| file.directory);
        let of_changes = changes[..changes_synced].iter().flat_map(|change| &change.directories);
        of_files.chain(of_changes.copied()).for_each(|directory| disk.names.sync(directory));
        disk.touched = true;
        Ok(())
    }
}

/// The most bytes that are copied at once, so that something may happen meanwhile.
const COPIED_AT_ONCE: usize = 2000;

fn entries(disk: &Disk, path: Option<&FilePath>, depth: Depth) -> Result<Vec<Entry>, StoreError> {
    let entry = |path: &FilePath, node: Node| match node {
        Node::Directory(_) => Entry::Directory { path: path.clone(), error: None, link: false },
        Node::File(inode) => Entry::File {
            path: path.clone(),
            size: disk.inodes[inode].data.len() as u64,
            modified: Timestamp::EPOCH,
            executable: disk.inodes[inode].executable,
        },
    };
    let mut prefix = String::new();
    if let Some(path) = path {
        match disk.names.node(path).map_err(no_parent)? {
            None => return Err(error(StoreErrorKind::NotFound)),
            Some(file @ Node::File(_)) => return Ok(vec![entry(path, file)]),
            Some(Node::Directory(_)) => prefix = format!("{}/", path.as_str()),
        }
    }
    let all = disk.names.all();
    let below = all.iter().filter(|(path, _)| {
        path.as_str().strip_prefix(&prefix).is_some_and(|rest| {
            let level = rest.matches('/').count() as u64;
            level == 0 || depth.goes_below(level)
        })
    });
    Ok(below.map(|(path, node)| entry(path, *node)).collect())
}

pub(super) struct SimListing {
    store: SimStore,
    rest: vec::IntoIter<Entry>,
}

impl Listing for SimListing {
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.fails(&[(Fault::NextEntriesFails, StoreErrorKind::Io)])?;
        Ok(self.rest.by_ref().take(max).collect())
    }

    fn skipped(&self) -> u64 {
        0
    }
}

pub(super) struct SimSource {
    store: SimStore,
    path: FilePath,
    /// A part of it was read.
    begun: bool,
    inode: usize,
    changes: u32,
    size: u64,
    executable: bool,
    version: Version,
}

impl Source for SimSource {
    fn opened(&self) -> Opened {
        let (size, executable) = (Some(self.size), self.executable);
        Opened { size, executable, version: Some(self.version), ..Opened::default() }
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        self.store.fails(&[(Fault::ReadFails, StoreErrorKind::Io)])?;
        let mut disk = self.store.disk.lock();
        if !std::mem::replace(&mut self.begun, true) {
            disk.reading.push(self.path.clone());
        }
        let short = length > 1 && disk.triggers(self.store.session, Fault::ShortStoreReads);
        let data = &disk.inodes[self.inode].data;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let length = if short { length / 2 } else { length };
        Ok(Bytes::copy_from_slice(&data[start..data.len().min(start.saturating_add(length))]))
    }

    fn finish(&mut self, _: u64, _: u64, _: Checksum) -> Result<(), StoreError> {
        self.store.fails(&[
            (Fault::FinishFails, StoreErrorKind::Io),
            (Fault::FinishChanged, StoreErrorKind::Changed),
        ])?;
        let disk = self.store.disk.lock();
        let changed = disk.inodes[self.inode].changes != self.changes;
        if changed && disk.planted != Some(Planted::ChangeOverlooked) {
            return Err(error(StoreErrorKind::Changed));
        }
        Ok(())
    }
}

impl Drop for SimSource {
    fn drop(&mut self) {
        let mut disk = self.store.disk.lock();
        if self.begun
            && let Some(at) = disk.reading.iter().position(|path| *path == self.path)
        {
            disk.reading.swap_remove(at);
        }
    }
}

pub(super) struct SimStaged {
    store: SimStore,
    path: FilePath,
    mode: Mode,
    if_match: Option<Version>,
    inode: usize,
    published: bool,
    /// The directory that it is in, if it has its name.
    directory: Option<DirectoryId>,
    /// The part that a torn publication holds back.
    rest: Vec<u8>,
    boot: u32,
}

impl Staged for SimStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.store.fails(&[
            (Fault::WriteFails, StoreErrorKind::Io),
            (Fault::WriteNoSpace, StoreErrorKind::NoSpace),
        ])?;
        let mut disk = self.store.disk.lock();
        let planted = disk.planted;
        let mut inode = self.inode;
        if planted == Some(Planted::StagedMixed) {
            inode = disk.staging.last().copied().unwrap_or(inode);
        } else if offset != disk.inodes[inode].data.len() as u64 {
            disk.breach("a write out of its place");
        }
        let content = &mut disk.inodes[inode].data;
        content.extend_from_slice(data);
        if planted == Some(Planted::StoredAltered)
            && let Some(last) = content.last_mut()
        {
            *last ^= 1;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let store = self.store.clone();
        store.sync(slice::from_mut(self))
    }

    fn publish(&mut self, _: Checksum) -> Result<Option<Version>, StoreError> {
        self.store.fails(&[
            (Fault::PublishFails, StoreErrorKind::Io),
            (Fault::PublishExists, StoreErrorKind::Exists),
        ])?;
        let mut disk = self.store.disk.lock();
        let planted = disk.planted;
        if !self.published {
            replaceable(&disk, &self.path, self.mode, self.if_match.as_ref())?;
        }
        let inode = &mut disk.inodes[self.inode];
        let (length, version) = (inode.data.len(), Some(inode.version(self.inode)));
        let unsynced = inode.synced < length;
        match planted {
            Some(Planted::PublishBeforeSync) if self.store.durable => {
                inode.synced = length;
                return Ok(version);
            }
            Some(Planted::PublishSkipped) => {
                self.published = true;
                disk.staging.remove(&self.inode);
                return Ok(version);
            }
            Some(Planted::TornPublish) => self.rest = inode.data.split_off(length / 2),
            Some(Planted::SyncSkipped | Planted::BatchSyncShort | Planted::FlushJoinedLate) => {}
            _ if unsynced && self.store.durable => disk.breach("published before it was synced"),
            _ => {}
        }
        self.directory = Some(disk.link(&self.path, self.inode));
        self.published = true;
        Ok(version)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        let store = self.store.clone();
        store.sync_directories(slice::from_mut(self), &mut [])
    }
}

impl Drop for SimStaged {
    fn drop(&mut self) {
        let mut disk = self.store.disk.lock();
        if self.published || disk.boot != self.boot {
            return;
        }
        let planted = disk.planted;
        match planted {
            Some(Planted::DiscardSkipped) => {}
            Some(Planted::RefusedPublished) => {
                disk.link(&self.path, self.inode);
            }
            _ if disk.triggers(self.store.session, Fault::DiscardFails) => disk.leftovers += 1,
            _ => {
                disk.staging.remove(&self.inode);
            }
        }
    }
}

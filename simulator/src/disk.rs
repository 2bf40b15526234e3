//! A file system that loses at a power cut what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haul_core::{FilePath, RequestId, Version};
use haul_harness::Random;

use crate::fault::{Fault, Tally};
use crate::planted::Planted;
use crate::tree::{DirectoryId, Node, Tree};

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) data: Vec<u8>,
    /// This many bytes survive a power cut.
    pub(super) synced: usize,
    /// This many bytes were there at the last sync of any file.
    pub(super) flushed: Option<usize>,
    /// The number of changes by other programs, and by power cuts.
    pub(super) changes: u32,
    pub(super) executable: bool,
}

impl Inode {
    /// The version of the file that has the number `inode`.
    pub(super) fn version(&self, inode: usize) -> Version {
        Version::parse(&format!("{inode}-{}", self.changes)).expect("a short word")
    }
}

/// A file that a client has downloaded.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetched {
    pub(super) data: Vec<u8>,
    pub(super) executable: bool,
}

/// What all sessions share: the disk, and the faults that wait for an effect.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: Tree,
    pub(super) staging: BTreeSet<usize>,
    /// Staged files that could not be removed.
    pub(super) leftovers: usize,
    /// The number of power cuts. What was opened before a cut does nothing any more.
    pub(super) boot: u32,
    /// The visible files may have changed.
    pub(super) touched: bool,
    /// Faults that wait for an effect of their session.
    armed: Vec<(usize, Fault)>,
    pub(super) tally: Tally,
    /// The files that clients have published.
    pub(super) fetched: BTreeMap<(usize, RequestId), Fetched>,
    pub(super) planted: Option<Planted>,
    /// See [`Plan`](crate::Plan).
    pub(super) oddities: bool,
    /// Something that a machine asked for and must not have.
    pub(super) breach: Option<String>,
    /// Files that are open for reading, at which changes by other programs aim.
    pub(super) reading: Vec<FilePath>,
}

/// The disk, shared by all sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedDisk(Arc<Mutex<Disk>>);

impl SharedDisk {
    pub(super) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    pub(super) fn arm(&mut self, session: usize, fault: Fault) {
        self.armed.push((session, fault));
    }

    /// Whether `fault` waits for this effect of the session. If so, it happens now.
    pub(super) fn triggers(&mut self, session: usize, fault: Fault) -> bool {
        let waiting = self.armed.iter().position(|armed| *armed == (session, fault));
        if let Some(at) = waiting {
            self.armed.swap_remove(at);
            self.tally.note(fault);
        }
        waiting.is_some()
    }

    pub(super) fn allocate(&mut self, data: Vec<u8>) -> usize {
        let synced = data.len();
        self.inodes.push(Inode { data, synced, flushed: None, changes: 0, executable: false });
        self.inodes.len() - 1
    }

    /// Creates a synced file, from the beginning or as another program would.
    pub(super) fn place(&mut self, path: &FilePath, data: Vec<u8>) {
        let executable = self.is_executable(&data);
        let inode = self.allocate(data);
        self.inodes[inode].executable = executable;
        self.names.link(path, Node::File(inode));
        self.names.sync_all();
        self.touched = true;
    }

    /// Another program changes the content of a file, and syncs everything.
    pub(super) fn change(&mut self, path: &FilePath, data: Vec<u8>) {
        let executable = self.is_executable(&data);
        if let Some(inode) = self.inode(path) {
            let inode = &mut self.inodes[inode];
            let changes = inode.changes + 1;
            *inode = Inode { synced: data.len(), data, flushed: None, changes, executable };
            self.names.sync_all();
            self.touched = true;
        }
    }

    /// Whether a file with this content is executable, under any name. Every second content is.
    pub(super) fn is_executable(&self, data: &[u8]) -> bool {
        self.oddities && data.first().is_some_and(|byte| byte % 2 == 1)
    }

    pub(super) fn inode(&self, path: &FilePath) -> Option<usize> {
        match self.names.node(path) {
            Ok(Some(Node::File(inode))) => Some(inode),
            _ => None,
        }
    }

    pub(super) fn file(&self, path: &FilePath) -> Option<&[u8]> {
        self.inode(path).map(|inode| self.inodes[inode].data.as_slice())
    }

    /// The version of a file.
    pub(super) fn version(&self, path: &FilePath) -> Option<Version> {
        self.inode(path).map(|inode| self.inodes[inode].version(inode))
    }

    /// A staged file gets its name. Returns the directory that it is in.
    pub(super) fn link(&mut self, path: &FilePath, inode: usize) -> DirectoryId {
        self.staging.remove(&inode);
        self.touched = true;
        self.names.link(path, Node::File(inode))
    }

    /// Syncs the bytes of these files.
    pub(super) fn sync(&mut self, inodes: &[usize]) {
        let joins = self.planted == Some(Planted::FlushJoinedLate);
        let begun = |inode: &usize| self.inodes[*inode].flushed.is_some();
        if joins && inodes.iter().all(begun) {
            for inode in inodes {
                let inode = &mut self.inodes[*inode];
                inode.synced = inode.flushed.unwrap_or(0);
            }
            return;
        }
        for inode in inodes {
            let inode = &mut self.inodes[*inode];
            inode.synced = inode.data.len();
        }
        for inode in &self.staging {
            let inode = &mut self.inodes[*inode];
            inode.flushed = Some(inode.data.len());
        }
    }

    /// Each name and byte that was not synced survives or not. Then staged files are removed.
    pub(super) fn cut_power(&mut self, random: &mut Random) {
        self.boot += 1;
        self.names.cut_power(random);
        let mut named = BTreeSet::new();
        for (path, node) in self.names.all() {
            let Node::File(number) = node else { continue };
            let inode = &mut self.inodes[number];
            let length = inode.data.len();
            if inode.synced < length {
                inode.data.truncate(random.between(inode.synced, length - 1));
                if random.one_in(2) {
                    inode.data.resize(length, 0);
                }
                inode.synced = inode.data.len();
                inode.changes += 1;
            }
            // Of a file that kept its old name beside the new one, other programs change one.
            if !named.insert(number) {
                let Inode { data, executable, .. } = &self.inodes[number];
                let (data, executable) = (data.clone(), *executable);
                let twin = self.allocate(data);
                self.inodes[twin].executable = executable;
                self.names.link(&path, Node::File(twin));
            }
        }
        self.names.sync_all();
        self.sweep();
        self.reading.clear();
        self.touched = true;
    }

    /// Removes staged files, as a server does when it starts.
    pub(super) fn sweep(&mut self) {
        self.staging.clear();
        self.leftovers = 0;
    }

    pub(super) fn breach(&mut self, text: impl Into<String>) {
        self.breach.get_or_insert(text.into());
    }
}

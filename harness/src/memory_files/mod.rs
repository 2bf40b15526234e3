//! A tree of files in memory that carries out effects.

mod accounts;
mod changes;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::vec;

use bytes::Bytes;
use haul_core::account::UserName;
use haul_core::{
    Checksum, Done, Effect, Entry, ErrorCode, FilePath, Handle, Mode, NewFile, Omission,
    StoreError, StoreErrorKind, Timestamp,
};

use crate::faults::Faults;
use crate::files::Files;

use accounts::Accounts;

/// An effect that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The effect's name.
    pub name: &'static str,
    /// The payload bytes that it moved.
    pub bytes: usize,
    /// Whether it succeeded.
    pub ok: bool,
}

#[derive(Debug, Clone)]
enum Node {
    File { data: Bytes, modified: Timestamp, executable: bool },
    Directory,
}

#[derive(Debug)]
enum Open {
    Listing(vec::IntoIter<Entry>),
    Source {
        data: Bytes,
        changed: bool,
        /// Prepared bytes that were not sent yet.
        prepared: Bytes,
    },
    Staged(Staged),
    /// A name whose change is not on stable storage.
    Changed,
}

#[derive(Debug)]
struct Staged {
    path: FilePath,
    mode: Mode,
    modified: Timestamp,
    executable: bool,
    data: Vec<u8>,
    /// Bytes from the socket that are not in `data` yet.
    received: Vec<u8>,
    synced: bool,
}

/// Files in memory.
///
/// # Panics
/// When an effect breaks the contract of [`Effect`], because the machine that requested it is wrong.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    tree: BTreeMap<FilePath, Node>,
    /// Directories whose content may not be read.
    closed: BTreeSet<FilePath>,
    /// Names that every listing omits.
    omitted: Vec<Entry>,
    open: BTreeMap<Handle, Open>,
    journal: Vec<Record>,
    /// Whether the machine must request `Sync` before it publishes.
    durable: bool,
    faults: Faults,
    accounts: Accounts,
}

fn parsed(path: &str) -> FilePath {
    FilePath::parse(path).expect("a path that keeps the rules")
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "a fault of the harness")
}

impl MemoryFiles {
    /// Adds a user who is identified by this password.
    ///
    /// # Panics
    /// If `user` is not the name of a user.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: &str) -> Self {
        self.accounts.add(UserName::parse(user).expect("a good name"), password);
        self
    }

    /// An empty tree.
    pub fn new(durable: bool) -> Self {
        Self { durable, ..Self::default() }
    }

    /// With these faults from now on. Effects are counted from 0 again.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self.journal.clear();
        self
    }

    /// With this file, and the directories that it needs.
    ///
    /// # Panics
    /// When `path` breaks the rules.
    #[must_use]
    pub fn with_file(mut self, path: &str, data: impl Into<Bytes>) -> Self {
        self.store(parsed(path), data.into(), Timestamp::EPOCH, false);
        self
    }

    /// With this executable file.
    ///
    /// # Panics
    /// When `path` breaks the rules.
    #[must_use]
    pub fn with_program(mut self, path: &str, data: impl Into<Bytes>) -> Self {
        self.store(parsed(path), data.into(), Timestamp::EPOCH, true);
        self
    }

    /// With this directory, whose content may not be read.
    ///
    /// # Panics
    /// When `path` breaks the rules.
    #[must_use]
    pub fn with_closed(mut self, path: &str) -> Self {
        self.tree.insert(parsed(path), Node::Directory);
        self.closed.insert(parsed(path));
        self
    }

    /// With this name, which every listing omits. Listings report it even if they were not asked to: a machine must
    /// filter it.
    #[must_use]
    pub fn with_omitted(mut self, name: &str, reason: Omission) -> Self {
        self.omitted.push(Entry::omitted(name.as_bytes(), reason));
        self
    }

    fn store(&mut self, path: FilePath, data: Bytes, modified: Timestamp, executable: bool) {
        let mut parent = path.parent();
        while let Some(directory) = parent {
            parent = directory.parent();
            self.tree.insert(directory, Node::Directory);
        }
        self.tree.insert(path, Node::File { data, modified, executable });
    }

    /// The content of a file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.tree.get(&FilePath::parse(path).ok()?)? {
            Node::File { data, .. } => Some(data),
            Node::Directory => None,
        }
    }

    /// Whether this is an executable file.
    pub fn is_executable(&self, path: &str) -> bool {
        let node = FilePath::parse(path).ok().and_then(|path| self.tree.get(&path));
        matches!(node, Some(Node::File { executable: true, .. }))
    }

    /// All files by name.
    pub fn all(&self) -> BTreeMap<String, Bytes> {
        let files = self.tree.iter().filter_map(|(path, node)| match node {
            Node::File { data, .. } => Some((path.as_str().to_owned(), data.clone())),
            Node::Directory => None,
        });
        files.collect()
    }

    /// The effects so far.
    pub fn journal(&self) -> &[Record] {
        &self.journal
    }

    /// How many effects of this name were carried out.
    pub fn count(&self, name: &str) -> usize {
        self.journal.iter().filter(|record| record.name == name).count()
    }

    /// Whether the fault has happened.
    pub fn failed(&self) -> bool {
        self.journal.iter().any(|record| !record.ok)
    }

    /// Whether a file is staged.
    pub fn has_staged(&self) -> bool {
        self.count_staged() > 0
    }

    fn count_staged(&self) -> usize {
        self.open.values().filter(|open| matches!(open, Open::Staged(_))).count()
    }

    /// Whether anything is open.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether something is open under this handle.
    pub fn is_open(&self, handle: Handle) -> bool {
        self.open.contains_key(&handle)
    }

    fn note(&mut self, name: &'static str, bytes: usize) -> Result<(), StoreError> {
        let failing = self.faults.fail.filter(|(at, _)| *at == self.journal.len());
        self.journal.push(Record { name, bytes, ok: failing.is_none() });
        failing.map_or(Ok(()), |(_, kind)| Err(error(kind)))
    }

    /// A listing sees everything, so no file may wait for its commit.
    fn require_nothing_open(&self) {
        assert!(self.open.is_empty(), "something else is open: {:?}", self.open);
    }

    /// A file may be opened while others wait for their commit, except itself.
    fn require_nothing_staged(&self, path: &FilePath) {
        for open in self.open.values() {
            match open {
                Open::Listing(_) | Open::Source { .. } => {
                    panic!("something else is open: {open:?}")
                }
                Open::Staged(staged) => assert_ne!(staged.path, *path, "opened before its commit"),
                Open::Changed => {}
            }
        }
    }

    fn staged(&mut self, handle: Handle) -> &mut Staged {
        let Some(Open::Staged(staged)) = self.open.get_mut(&handle) else {
            panic!("{handle:?} is not staged");
        };
        assert!(!staged.synced, "it was said to be whole");
        staged
    }

    fn list(
        &self,
        path: Option<&FilePath>,
        depth: haul_core::Depth,
    ) -> Result<Vec<Entry>, StoreError> {
        let entry = |path: &FilePath, node: &Node| match node {
            Node::File { data, modified, executable } => Entry::File {
                path: path.clone(),
                size: data.len() as u64,
                modified: *modified,
                executable: *executable,
            },
            Node::Directory => {
                let closed = self.closed.contains(path).then_some(ErrorCode::Denied);
                Entry::Directory { path: path.clone(), error: closed, link: false }
            }
        };
        let prefix = match path {
            None => String::new(),
            Some(path) => match self.tree.get(path) {
                None => return Err(error(StoreErrorKind::NotFound)),
                Some(file @ Node::File { .. }) => return Ok(vec![entry(path, file)]),
                Some(Node::Directory) => format!("{}/", path.as_str()),
            },
        };
        let below = self.tree.iter().filter(|(path, _)| {
            path.as_str().strip_prefix(&prefix).is_some_and(|rest| {
                let level = rest.matches('/').count() as u64;
                level == 0 || depth.goes_below(level)
            })
        });
        let below = below.map(|(path, node)| entry(path, node));
        Ok(below.chain(self.omitted.iter().cloned()).collect())
    }

    fn create(&mut self, handle: Handle, file: &NewFile) -> Result<(), StoreError> {
        let NewFile { path, mode, modified, executable, .. } = file;
        let (mode, executable) = (*mode, *executable);
        match self.tree.get(path) {
            Some(Node::Directory) => return Err(error(StoreErrorKind::IsDirectory)),
            Some(Node::File { .. }) if mode == Mode::Create => {
                return Err(error(StoreErrorKind::Exists));
            }
            _ => {}
        }
        let mut parent = path.parent();
        while let Some(directory) = parent {
            if let Some(Node::File { .. }) = self.tree.get(&directory) {
                return Err(error(StoreErrorKind::NotAFile));
            }
            parent = directory.parent();
        }
        let modified = modified.unwrap_or(Timestamp::EPOCH);
        let (path, data, received) = (path.clone(), Vec::new(), Vec::new());
        let staged = Staged { path, mode, modified, executable, data, received, synced: false };
        self.open.insert(handle, Open::Staged(staged));
        Ok(())
    }

    fn publish(&mut self, handle: Handle, checksum: Checksum) -> Result<(), StoreError> {
        let Some(Open::Staged(staged)) = self.open.remove(&handle) else {
            panic!("{handle:?} is not staged");
        };
        assert!(staged.synced || !self.durable, "published before it was synced");
        assert_eq!(Checksum::of(&staged.data), checksum, "published under a wrong checksum");
        if staged.mode == Mode::Create && self.source(&staged.path).is_ok() {
            return Err(error(StoreErrorKind::Exists));
        }
        self.store(staged.path, staged.data.into(), staged.modified, staged.executable);
        self.open.insert(handle, Open::Changed);
        Ok(())
    }

    /// Closes what the effect closes, whatever its outcome, or in case of its failure.
    fn drop_failed(&mut self, effect: &Effect) {
        match effect {
            Effect::FinishReading { handle, .. }
            | Effect::Publish { handle, .. }
            | Effect::Close { handle }
            | Effect::Discard { handle } => drop(self.open.remove(handle)),
            Effect::Sync { handles } | Effect::SyncDirectories { handles } => {
                self.open.retain(|handle, _| !handles.contains(handle));
            }
            _ => {}
        }
    }

    fn end(&mut self, effect: &Effect, done: Done) -> Done {
        self.drop_failed(effect);
        done
    }
}

impl Files for MemoryFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let bytes = match effect {
            Effect::Write { data, .. } => data.len(),
            Effect::WriteReceived { length, .. } => *length,
            _ => 0,
        };
        let noted = self.note(effect.name(), bytes);
        if let Err(error) = noted {
            self.drop_failed(effect);
            return Err(error);
        }
        match effect {
            Effect::List { handle, path, depth, .. } => {
                self.require_nothing_open();
                let entries = self.list(path.as_ref(), *depth)?;
                self.open.insert(*handle, Open::Listing(entries.into_iter()));
                Ok(Done::Started)
            }
            Effect::NextEntries { handle, max } => {
                let Some(Open::Listing(rest)) = self.open.get_mut(handle) else {
                    panic!("{handle:?} is no listing: {:?}", self.open);
                };
                let entries: Vec<Entry> = rest.by_ref().take(*max).collect();
                if entries.is_empty() {
                    self.open.remove(handle);
                }
                Ok(Done::Entries { entries, skipped: self.faults.skipped })
            }
            Effect::Open { handle, path, .. } => {
                self.require_nothing_staged(path);
                let (data, opened) = self.source(path)?;
                let source = Open::Source { data, changed: false, prepared: Bytes::new() };
                self.open.insert(*handle, source);
                Ok(Done::Opened(opened))
            }
            Effect::Read { handle, offset, length } => {
                Ok(Done::Read(self.read(*handle, *offset, *length)))
            }
            Effect::PrepareSend { handle, offset, length, read, checksum } => {
                Ok(self.prepare_send(*handle, *offset, *length, *read, *checksum))
            }
            Effect::FinishReading { handle, offset, length, checksum } => {
                self.finish(*handle, *offset, *length, *checksum)
            }
            Effect::Create { handle, file, .. } => {
                let staged = self.count_staged();
                if self.faults.room > 0 && staged >= self.faults.room {
                    return Ok(Done::Full);
                }
                self.create(*handle, file).map(|()| Done::Started)
            }
            Effect::Write { handle, offset, data } => {
                let staged = self.staged(*handle);
                assert_eq!(*offset, staged.data.len() as u64, "a write out of its place");
                assert!(!data.is_empty(), "a write of nothing");
                staged.data.extend_from_slice(data);
                Ok(Done::Written)
            }
            Effect::WriteReceived { handle, offset, length } => {
                let staged = self.staged(*handle);
                assert_eq!(*offset, staged.data.len() as u64, "a write out of its place");
                assert_eq!(
                    *length,
                    staged.received.len(),
                    "not all that was received is to be written"
                );
                assert!(*length > 0, "a write of nothing");
                let checksum = Checksum::of(&staged.received);
                staged.data.append(&mut staged.received);
                Ok(Done::ReceivedWritten { checksum })
            }
            Effect::Sync { handles } => {
                for handle in handles {
                    self.staged(*handle).synced = true;
                }
                Ok(Done::Synced)
            }
            Effect::Publish { handle, checksum } => {
                self.publish(*handle, *checksum).map(|()| Done::Published { version: None })
            }
            Effect::Copy { from, to, offset, length } => {
                Ok(self.copy(*from, *to, *offset, *length))
            }
            Effect::Delete { handle, path, .. } => self.delete(*handle, path),
            Effect::MakeDirectory { handle, path, .. } => self.make_directory(*handle, path),
            Effect::Move { handle, from, to, mode, .. } => self.rename(*handle, from, to, *mode),
            Effect::SyncDirectories { .. } => Ok(self.end(effect, Done::Synced)),
            Effect::Close { .. } => Ok(self.end(effect, Done::Closed)),
            Effect::Discard { .. } => Ok(self.end(effect, Done::Discarded)),
            Effect::Identify { user, proof, .. } => Ok(self.accounts.identify(user, proof)),
            Effect::WhoAmI { .. } => Ok(Done::Account(self.accounts.account())),
        }
    }

    fn receive(&mut self, handle: Handle, bytes: &[u8]) {
        let staged = self.staged(handle);
        assert!(staged.received.is_empty(), "what was received is not written");
        staged.received.extend_from_slice(bytes);
    }

    fn send(&mut self, handle: Handle, count: usize) -> Bytes {
        match self.open.get_mut(&handle) {
            Some(Open::Source { prepared, .. }) => prepared.split_to(count),
            other => panic!("nothing is prepared: {other:?}"),
        }
    }
}

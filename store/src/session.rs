//! What one session of a server has open.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use haul_core::{Done, Effect, StoreError};

use crate::error::misuse;
use crate::{Held, Kept, Listing, NewFile, Perform, Source, Staged, Store};

/// One session's use of a store: at most one listing or source, or the staged files that are to be committed together, as [`Effect`] tells. Dropping it discards what
/// is open.
pub struct Session<S: Store> {
    store: Arc<S>,
    open: Open<S>,
    /// What has no name yet, oldest first.
    staged: VecDeque<S::Staged>,
    /// What has its name. Nothing is lost if the names are never brought to stable storage: not every server asks for it.
    published: Vec<S::Staged>,
}

enum Open<S: Store> {
    Nothing,
    Listing(S::Listing),
    Source(S::Source),
}

impl<S: Store> Session<S> {
    /// A session with nothing open.
    pub fn new(store: Arc<S>) -> Self {
        Self { store, open: Open::Nothing, staged: VecDeque::new(), published: Vec::new() }
    }

    /// Something is to be opened beside what is staged.
    fn require_nothing_read(&mut self) -> Result<(), StoreError> {
        match self.open {
            Open::Nothing => {
                self.published.clear();
                Ok(())
            }
            Open::Listing(_) | Open::Source(_) => Err(something_open()),
        }
    }

    fn require_nothing_open(&mut self) -> Result<(), StoreError> {
        if self.staged.is_empty() { self.require_nothing_read() } else { Err(something_open()) }
    }

    fn listing(&mut self) -> Result<&mut S::Listing, StoreError> {
        match &mut self.open {
            Open::Listing(listing) => Ok(listing),
            _ => Err(misuse("no listing is open in this session")),
        }
    }

    fn source(&mut self) -> Result<&mut S::Source, StoreError> {
        match &mut self.open {
            Open::Source(source) => Ok(source),
            _ => Err(misuse("no file is open for reading in this session")),
        }
    }

    fn create(&mut self, file: &NewFile) -> Result<Done, StoreError> {
        self.require_nothing_read()?;
        let staged = if self.staged.is_empty() {
            self.store.create(file)?
        } else {
            match self.store.create_another(file)? {
                Some(staged) => staged,
                None => return Ok(Done::Full),
            }
        };
        self.staged.push_back(staged);
        Ok(Done::Started)
    }

    fn sync(&mut self, files: usize) -> Result<Done, StoreError> {
        let staged = self.staged.make_contiguous();
        let oldest = staged.get_mut(..files).filter(|oldest| !oldest.is_empty());
        let synced = self.store.sync(oldest.ok_or_else(not_staged)?);
        if synced.is_err() {
            self.staged.drain(..files);
        }
        synced.map(|()| Done::Synced)
    }
}

impl<S: Store> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = match self.open {
            Open::Listing(_) => "listing",
            Open::Source(_) => "source",
            Open::Nothing if !self.staged.is_empty() => "staged",
            Open::Nothing if !self.published.is_empty() => "published",
            Open::Nothing => "nothing",
        };
        f.debug_struct("Session").field("open", &open).finish_non_exhaustive()
    }
}

impl<S: Store> Perform for Session<S> {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::List { id: _, path, depth, omitted } => {
                self.require_nothing_open()?;
                self.open = Open::Listing(self.store.list(path.as_ref(), *depth, *omitted)?);
                Ok(Done::Started)
            }
            Effect::NextEntries { max } => {
                let listing = self.listing()?;
                let entries = listing.next(*max)?;
                let skipped = listing.skipped();
                if entries.is_empty() {
                    self.open = Open::Nothing;
                }
                Ok(Done::Entries { entries, skipped })
            }
            Effect::Open { id: _, path } => {
                self.require_nothing_open()?;
                let source = self.store.open(path)?;
                let opened = source.opened();
                self.open = Open::Source(source);
                Ok(Done::Opened(opened))
            }
            Effect::Read { offset, length } => {
                self.source()?.read(*offset, *length).map(Done::Read)
            }
            Effect::Hold { offset, length, read, checksum } => {
                let source = self.source()?;
                match source.hold(*offset, *length, *checksum)? {
                    Some(Kept { length, checksum }) => Ok(Done::Held { length, checksum }),
                    None => source.read(*offset, *read).map(Done::Read),
                }
            }
            Effect::FinishReading { offset, length, checksum } => {
                let finished = self.source()?.finish(*offset, *length, *checksum);
                self.open = Open::Nothing;
                finished.map(|()| Done::Finished)
            }
            Effect::Create { id: _, path, mode, size, modified, executable, durable } => {
                let (path, mode, size, modified) = (path.clone(), *mode, *size, *modified);
                let (executable, durable) = (*executable, *durable);
                self.create(&NewFile { path, mode, size, modified, executable, durable })
            }
            Effect::Write { offset, data } => {
                let staged = self.staged.back_mut().ok_or_else(not_staged)?;
                staged.write(*offset, data).map(|()| Done::Written)
            }
            Effect::WriteHeld { offset, length } => {
                let staged = self.staged.back_mut().ok_or_else(not_staged)?;
                let checksum = staged.write_held(*offset, *length)?;
                Ok(Done::HeldWritten { checksum })
            }
            Effect::Sync { files } => self.sync(*files),
            Effect::Publish { checksum } => {
                let mut staged = self.staged.pop_front().ok_or_else(not_staged)?;
                staged.publish(*checksum)?;
                self.published.push(staged);
                Ok(Done::Published)
            }
            Effect::SyncDirectory => {
                let mut published = std::mem::take(&mut self.published);
                if published.is_empty() {
                    return Err(misuse("no file was published in this session"));
                }
                self.store.sync_directories(&mut published).map(|()| Done::Synced)
            }
            Effect::Discard => {
                self.published.clear();
                match self.open {
                    Open::Nothing => drop(self.staged.pop_back()),
                    Open::Listing(_) | Open::Source(_) => self.open = Open::Nothing,
                }
                Ok(Done::Discarded)
            }
        }
    }

    fn held(&mut self) -> Option<&mut Held> {
        match &mut self.open {
            Open::Source(source) => source.held(),
            Open::Nothing => self.staged.back_mut()?.held(),
            Open::Listing(_) => None,
        }
    }
}

fn something_open() -> StoreError {
    misuse("something else is still open in this session")
}

fn not_staged() -> StoreError {
    misuse("no such file is staged in this session")
}

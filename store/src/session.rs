//! What one session of a server has open.

use std::fmt;
use std::sync::Arc;

use haul_core::{Done, Effect, StoreError};

use crate::error::misuse;
use crate::{Held, Kept, Listing, NewFile, Perform, Source, Staged, Store};

/// One session's use of a store: at most one listing, source or staged file, as [`Effect`] tells. Dropping it discards what is open.
pub struct Session<S: Store> {
    store: Arc<S>,
    open: Open<S>,
}

enum Open<S: Store> {
    Nothing,
    Listing(S::Listing),
    Source(S::Source),
    Staged(S::Staged),
    /// It has its name. Nothing is lost if the name is never brought to stable storage: not every server asks for it.
    Published(S::Staged),
}

impl<S: Store> Session<S> {
    /// A session with nothing open.
    pub fn new(store: Arc<S>) -> Self {
        Self { store, open: Open::Nothing }
    }

    fn require_nothing_open(&self) -> Result<(), StoreError> {
        match self.open {
            Open::Nothing | Open::Published(_) => Ok(()),
            Open::Listing(_) | Open::Source(_) | Open::Staged(_) => {
                Err(misuse("something else is still open in this session"))
            }
        }
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

    fn staged(&mut self) -> Result<&mut S::Staged, StoreError> {
        match &mut self.open {
            Open::Staged(staged) => Ok(staged),
            _ => Err(misuse("no staged file is open in this session")),
        }
    }

    fn close(&mut self) -> Open<S> {
        std::mem::replace(&mut self.open, Open::Nothing)
    }
}

impl<S: Store> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = match self.open {
            Open::Nothing => "nothing",
            Open::Listing(_) => "listing",
            Open::Source(_) => "source",
            Open::Staged(_) => "staged",
            Open::Published(_) => "published",
        };
        f.debug_struct("Session").field("open", &open).finish_non_exhaustive()
    }
}

impl<S: Store> Perform for Session<S> {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::List { id: _, path, depth } => {
                self.require_nothing_open()?;
                self.open = Open::Listing(self.store.list(path.as_ref(), *depth)?);
                Ok(Done::Started)
            }
            Effect::NextEntries { max } => {
                let listing = self.listing()?;
                let entries = listing.next(*max)?;
                let skipped = listing.skipped();
                if entries.is_empty() {
                    self.close();
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
            Effect::FinishReading { checksum } => {
                let finished = self.source()?.finish(*checksum);
                self.close();
                finished.map(|()| Done::Finished)
            }
            Effect::Create { id: _, path, mode, size, modified } => {
                self.require_nothing_open()?;
                let file =
                    NewFile { path: path.clone(), mode: *mode, size: *size, modified: *modified };
                self.open = Open::Staged(self.store.create(&file)?);
                Ok(Done::Started)
            }
            Effect::Write { offset, data } => {
                self.staged()?.write(*offset, data).map(|()| Done::Written)
            }
            Effect::WriteHeld { offset, length } => {
                let checksum = self.staged()?.write_held(*offset, *length)?;
                Ok(Done::HeldWritten { checksum })
            }
            Effect::Sync => self.staged()?.sync().map(|()| Done::Synced),
            Effect::Publish { checksum } => {
                self.staged()?.publish(*checksum)?;
                if let Open::Staged(staged) = self.close() {
                    self.open = Open::Published(staged);
                }
                Ok(Done::Published)
            }
            Effect::SyncDirectory => match self.close() {
                Open::Published(mut staged) => staged.sync_directory().map(|()| Done::Synced),
                other => {
                    self.open = other;
                    Err(misuse("no file was published in this session"))
                }
            },
            Effect::Discard => {
                self.close();
                Ok(Done::Discarded)
            }
        }
    }
    fn held(&mut self) -> Option<&mut Held> {
        match &mut self.open {
            Open::Source(source) => source.held(),
            Open::Staged(staged) => staged.held(),
            Open::Nothing | Open::Listing(_) | Open::Published(_) => None,
        }
    }
}

//! A client's own files: effects carried out on the source or target that the application gave.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use haul_core::{Done, Effect, RequestId, StoreError};

use crate::error::misuse;
use crate::{Held, Kept, NewFile, Perform, Source, Staged, Target};

/// The application's end of a client's request under way, as [`Session`](crate::Session) is a server's. Nothing is ever opened by a name that a server sent.
#[derive(Default)]
pub enum OwnFiles {
    /// The request moves no payload, or its files are closed.
    #[default]
    Nothing,
    /// What an upload sends.
    Source(Box<dyn Source>),
    /// Where a download will go.
    Target(Box<dyn Target>),
    /// Where it goes, and where it would go if it had to begin anew.
    Staged(Box<dyn Staged>, Box<dyn Target>),
}

impl OwnFiles {
    fn source(&mut self) -> Result<&mut dyn Source, StoreError> {
        match self {
            Self::Source(source) => Ok(source.as_mut()),
            Self::Nothing | Self::Target(_) | Self::Staged(..) => Err(not_open()),
        }
    }

    fn staged(&mut self) -> Result<&mut dyn Staged, StoreError> {
        match self {
            Self::Staged(staged, _) => Ok(staged.as_mut()),
            Self::Nothing | Self::Source(_) | Self::Target(_) => Err(not_open()),
        }
    }
}

impl fmt::Debug for OwnFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Source(_) => "Source",
            Self::Target(_) => "Target",
            Self::Staged(..) => "Staged",
        })
    }
}

impl Perform for OwnFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::Open { .. } => Ok(Done::Opened(self.source()?.opened())),
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
                self.source()?.finish(*offset, *length, *checksum)?;
                *self = Self::Nothing;
                Ok(Done::Finished)
            }
            Effect::Create { path, mode, size, modified, executable, durable, id: _ } => {
                let mut target = match mem::take(self) {
                    Self::Target(target) => target,
                    misfit => {
                        *self = misfit;
                        return Err(not_open());
                    }
                };
                let created = target.create(&NewFile {
                    path: path.clone(),
                    mode: *mode,
                    size: *size,
                    modified: *modified,
                    executable: *executable,
                    durable: *durable,
                });
                let (files, outcome) = match created {
                    Ok(staged) => (Self::Staged(staged, target), Ok(Done::Started)),
                    Err(error) => (Self::Target(target), Err(error)),
                };
                *self = files;
                outcome
            }
            Effect::Write { offset, data } => {
                self.staged()?.write(*offset, data).map(|()| Done::Written)
            }
            Effect::WriteHeld { offset, length } => {
                let checksum = self.staged()?.write_held(*offset, *length)?;
                Ok(Done::HeldWritten { checksum })
            }
            Effect::Sync { files: _ } => self.staged()?.sync().map(|()| Done::Synced),
            Effect::Publish { checksum } => {
                self.staged()?.publish(*checksum).map(|()| Done::Published)
            }
            Effect::SyncDirectory => {
                self.staged()?.sync_directory()?;
                *self = Self::Nothing;
                Ok(Done::Synced)
            }
            Effect::Discard => {
                // A download that is stopped because of another one begins anew.
                *self = match mem::take(self) {
                    Self::Staged(_, target) | Self::Target(target) => Self::Target(target),
                    Self::Source(_) | Self::Nothing => Self::Nothing,
                };
                Ok(Done::Discarded)
            }
            Effect::List { .. } | Effect::NextEntries { .. } => Err(not_open()),
        }
    }

    fn held(&mut self) -> Option<&mut Held> {
        match self {
            Self::Source(source) => source.held(),
            Self::Staged(staged, _) => staged.held(),
            Self::Nothing | Self::Target(_) => None,
        }
    }
}

/// The own files of many requests, of which a machine works on one at a time.
#[derive(Debug, Default)]
pub struct FilesById {
    waiting: Waiting,
    /// Those of the request that is worked on.
    id: Option<RequestId>,
    files: OwnFiles,
}

/// The files of requests that are not worked on. Clones are handles of the same ones, so that more can be given while the work goes on elsewhere.
#[derive(Debug, Default, Clone)]
pub struct Waiting(Arc<Mutex<BTreeMap<RequestId, OwnFiles>>>);

impl Waiting {
    /// Gives the files of a request, before the machine asks for them.
    pub fn give(&self, id: RequestId, files: OwnFiles) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, files);
    }

    /// Takes back what a request did not need.
    pub fn take(&self, id: RequestId) -> Option<OwnFiles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

impl FilesById {
    /// A handle to give files by.
    pub fn waiting(&self) -> Waiting {
        self.waiting.clone()
    }

    /// Lets go of all files, since nobody waits for their requests any more. Only the source of an upload under way stays until its machine discards it: bytes of it may have been announced.
    pub fn abandon(&mut self) {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if !matches!(self.files, OwnFiles::Source(_)) {
            self.files = OwnFiles::Nothing;
        }
    }
}

impl Perform for FilesById {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        if let Effect::Open { id, .. } | Effect::Create { id, .. } = effect {
            self.files = self.waiting.take(*id).unwrap_or_default();
            self.id = Some(*id);
        }
        let outcome = self.files.perform(effect);
        // Of a download that is discarded, or did not begin, the target is left for another try.
        if let (OwnFiles::Target(_), Some(id)) = (&self.files, self.id) {
            self.waiting.give(id, mem::take(&mut self.files));
        }
        outcome
    }

    fn held(&mut self) -> Option<&mut Held> {
        self.files.held()
    }
}

fn not_open() -> StoreError {
    misuse("the request has no such file of its own")
}

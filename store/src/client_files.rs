//! A client's files: carries out effects on the source or target that the application gave.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use haul_core::{Checksum, Done, Effect, Handle, RequestId, StoreError};

use crate::error::misuse;
use crate::perform::prepare_send;
use crate::{NewFile, PassThrough, Perform, Source, Staged, Target};

/// What the application gives for one request. A client never opens a file by a name that a server sent.
#[derive(Default)]
pub enum ClientFiles {
    /// The request moves no payload.
    #[default]
    Nothing,
    /// What an upload reads.
    Source(Box<dyn Source>),
    /// Where a download is written.
    Target(Box<dyn Target>),
}

impl fmt::Debug for ClientFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Source(_) => "Source",
            Self::Target(_) => "Target",
        })
    }
}

/// The files of the requests that the machine has not asked for yet. Clones share them, so that an application can add
/// files while the connection is driven elsewhere.
#[derive(Debug, Default, Clone)]
pub struct Waiting(Arc<Mutex<BTreeMap<RequestId, ClientFiles>>>);

impl Waiting {
    /// Adds the files of a request. Call this before the machine asks for them.
    pub fn give(&self, id: RequestId, files: ClientFiles) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, files);
    }

    /// Takes back the files that a request did not need.
    pub fn take(&self, id: RequestId) -> Option<ClientFiles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

/// The files of all requests of a client, as a [`Session`](crate::Session) is for a server. The effect that opens a
/// file finds it by its request; later effects find it by its handle.
#[derive(Default)]
pub struct FilesById {
    waiting: Waiting,
    open: BTreeMap<Handle, Open>,
}

enum Open {
    Source(Box<dyn Source>),
    Staged {
        id: RequestId,
        file: Box<dyn Staged>,
        /// The target, for a download that starts again.
        target: Box<dyn Target>,
    },
    /// It has its name.
    Published(Box<dyn Staged>),
}

impl Open {
    fn name(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Staged { .. } => "staged",
            Self::Published(_) => "published",
        }
    }

    fn is_staged(&self) -> bool {
        matches!(self, Self::Staged { .. })
    }

    fn is_published(&self) -> bool {
        matches!(self, Self::Published(_))
    }
}

impl FilesById {
    /// A handle to add files by.
    pub fn waiting(&self) -> Waiting {
        self.waiting.clone()
    }

    /// Drops all files, because nobody waits for their requests any more. The source of an upload under way stays until
    /// the machine closes it, because the machine may have announced bytes of it.
    pub fn abandon(&mut self) {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.open.retain(|_, open| matches!(open, Open::Source(_)));
    }

    fn source(&mut self, handle: Handle) -> Result<&mut dyn Source, StoreError> {
        match self.open.get_mut(&handle) {
            Some(Open::Source(source)) => Ok(source.as_mut()),
            _ => Err(not_open()),
        }
    }

    fn staged(&mut self, handle: Handle) -> Result<&mut dyn Staged, StoreError> {
        match self.open.get_mut(&handle) {
            Some(Open::Staged { file, .. }) => Ok(file.as_mut()),
            _ => Err(not_open()),
        }
    }

    /// Takes the files of a request, to open one of them under `handle`.
    fn begin(&self, handle: Handle, id: RequestId) -> Result<ClientFiles, StoreError> {
        if self.open.contains_key(&handle) {
            return Err(misuse("the handle is in use"));
        }
        self.waiting.take(id).ok_or_else(not_open)
    }

    fn open(&mut self, handle: Handle, id: RequestId) -> Result<Done, StoreError> {
        match self.begin(handle, id)? {
            ClientFiles::Source(source) => {
                let opened = source.opened();
                self.open.insert(handle, Open::Source(source));
                Ok(Done::Opened(opened))
            }
            other => {
                self.waiting.give(id, other);
                Err(not_open())
            }
        }
    }

    fn create(
        &mut self,
        handle: Handle,
        id: RequestId,
        file: &NewFile,
    ) -> Result<Done, StoreError> {
        let mut target = match self.begin(handle, id)? {
            ClientFiles::Target(target) => target,
            other => {
                self.waiting.give(id, other);
                return Err(not_open());
            }
        };
        match target.create(file) {
            Ok(file) => {
                self.open.insert(handle, Open::Staged { id, file, target });
                Ok(Done::Started)
            }
            Err(error) => {
                self.waiting.give(id, ClientFiles::Target(target));
                Err(error)
            }
        }
    }

    /// Closes a file. A staged file is discarded, and its target can be used again.
    fn close(&mut self, handle: Handle) {
        if let Some(Open::Staged { id, target, .. }) = self.open.remove(&handle) {
            self.waiting.give(id, ClientFiles::Target(target));
        }
    }

    /// Whether `handles` are all different and each of them names something that `fits`.
    fn have(&self, handles: &[Handle], fits: fn(&Open) -> bool) -> bool {
        let distinct = handles.iter().collect::<BTreeSet<_>>().len() == handles.len();
        let fit = handles.iter().all(|handle| self.open.get(handle).is_some_and(fits));
        !handles.is_empty() && distinct && fit
    }

    fn sync(&mut self, handles: &[Handle]) -> Result<Done, StoreError> {
        if !self.have(handles, Open::is_staged) {
            return Err(not_open());
        }
        let synced = handles.iter().try_for_each(|handle| self.staged(*handle)?.sync());
        if synced.is_err() {
            for handle in handles {
                self.close(*handle);
            }
        }
        synced.map(|()| Done::Synced)
    }

    fn publish(&mut self, handle: Handle, checksum: Checksum) -> Result<Done, StoreError> {
        let version = match self.staged(handle)?.publish(checksum) {
            Ok(version) => version,
            Err(error) => {
                self.close(handle);
                return Err(error);
            }
        };
        if let Some(Open::Staged { file, .. }) = self.open.remove(&handle) {
            self.open.insert(handle, Open::Published(file));
        }
        Ok(Done::Published { version })
    }

    fn sync_directories(&mut self, handles: &[Handle]) -> Result<Done, StoreError> {
        if !self.have(handles, Open::is_published) {
            return Err(not_open());
        }
        let files: Vec<_> = handles.iter().filter_map(|handle| self.open.remove(handle)).collect();
        for open in files {
            if let Open::Published(mut file) = open {
                file.sync_directory()?;
            }
        }
        Ok(Done::Synced)
    }
}

impl fmt::Debug for FilesById {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: BTreeMap<_, _> =
            self.open.iter().map(|(handle, open)| (handle, open.name())).collect();
        let waiting = &self.waiting;
        f.debug_struct("FilesById").field("waiting", waiting).field("open", &open).finish()
    }
}

impl Perform for FilesById {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::Open { handle, id, path: _ } => self.open(*handle, *id),
            Effect::Read { handle, offset, length } => {
                self.source(*handle)?.read(*offset, *length).map(Done::Read)
            }
            Effect::PrepareSend { handle, offset, length, read, checksum } => {
                prepare_send(self.source(*handle)?, *offset, *length, *read, *checksum)
            }
            Effect::FinishReading { handle, offset, length, checksum } => {
                let finished = self.source(*handle)?.finish(*offset, *length, *checksum);
                self.open.remove(handle);
                finished.map(|()| Done::Finished)
            }
            Effect::Create { handle, id, file } => self.create(*handle, *id, file),
            Effect::Write { handle, offset, data } => {
                self.staged(*handle)?.write(*offset, data).map(|()| Done::Written)
            }
            Effect::WriteReceived { handle, offset, length } => {
                let checksum = self.staged(*handle)?.write_received(*offset, *length)?;
                Ok(Done::ReceivedWritten { checksum })
            }
            Effect::Sync { handles } => self.sync(handles),
            Effect::Publish { handle, checksum } => self.publish(*handle, *checksum),
            Effect::SyncDirectories { handles } => self.sync_directories(handles),
            Effect::Close { handle } => {
                if !self.have(&[*handle], |open| !open.is_staged()) {
                    return Err(not_open());
                }
                self.close(*handle);
                Ok(Done::Closed)
            }
            Effect::Discard { handle } => {
                if !self.have(&[*handle], Open::is_staged) {
                    return Err(not_open());
                }
                self.close(*handle);
                Ok(Done::Discarded)
            }
            Effect::List { .. }
            | Effect::NextEntries { .. }
            | Effect::Copy { .. }
            | Effect::Delete { .. }
            | Effect::MakeDirectory { .. }
            | Effect::Move { .. }
            | Effect::Identify { .. }
            | Effect::WhoAmI { .. } => Err(not_open()),
        }
    }

    fn pass_through(&mut self, handle: Handle) -> Option<&mut dyn PassThrough> {
        match self.open.get_mut(&handle)? {
            Open::Source(source) => source.pass_through(),
            Open::Staged { file, .. } => file.pass_through(),
            Open::Published(_) => None,
        }
    }
}

fn not_open() -> StoreError {
    misuse("the request has no such file of its own")
}

//! A client's own files.

use bytes::Bytes;
use haul_core::{Checksum, Opened, RequestId, StoreError, StoreErrorKind, Version};
use haul_store::{NewFile, Source, Staged, Target};

use crate::changes::error;
use crate::disk::{Fetched, SharedDisk};
use crate::fault::Fault;
use crate::planted::Planted;

/// The file that a client uploads.
pub(super) struct LocalSource {
    pub(super) disk: SharedDisk,
    pub(super) session: usize,
    pub(super) data: Bytes,
    /// A file has a known size, a pipe does not.
    pub(super) known_size: bool,
}

impl Source for LocalSource {
    fn opened(&self) -> Opened {
        let size = self.known_size.then_some(self.data.len() as u64);
        let executable = self.disk.lock().is_executable(&self.data);
        Opened { size, executable, ..Opened::default() }
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        if self.disk.lock().triggers(self.session, Fault::LocalReadFails) {
            return Err(error(StoreErrorKind::Io));
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.data.len());
        Ok(self.data.slice(start..self.data.len().min(start.saturating_add(length))))
    }

    fn finish(&mut self, _: u64, _: u64, _: Checksum) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The target of a download.
pub(super) struct LocalTarget {
    pub(super) disk: SharedDisk,
    pub(super) session: usize,
    pub(super) id: RequestId,
}

impl Target for LocalTarget {
    fn create(&mut self, file: &NewFile) -> Result<Box<dyn Staged>, StoreError> {
        let (disk, session, id) = (self.disk.clone(), self.session, self.id);
        let fetched = Fetched { data: Vec::new(), executable: file.executable };
        Ok(Box::new(LocalStaged { disk, session, id, fetched }))
    }
}

struct LocalStaged {
    disk: SharedDisk,
    session: usize,
    id: RequestId,
    fetched: Fetched,
}

impl Staged for LocalStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        if disk.triggers(self.session, Fault::LocalWriteFails) {
            return Err(error(StoreErrorKind::NoSpace));
        }
        let content = &mut self.fetched.data;
        if offset != content.len() as u64 {
            disk.breach("a client's write out of its place");
        }
        content.extend_from_slice(data);
        if disk.planted == Some(Planted::FetchedAltered)
            && let Some(last) = content.last_mut()
        {
            *last ^= 1;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: Checksum) -> Result<Option<Version>, StoreError> {
        let mut disk = self.disk.lock();
        if disk.triggers(self.session, Fault::LocalPublishFails) {
            return Err(error(StoreErrorKind::Exists));
        }
        disk.fetched.insert((self.session, self.id), std::mem::take(&mut self.fetched));
        Ok(None)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

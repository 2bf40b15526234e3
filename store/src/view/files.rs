//! The files of a view: those that are read, and those that are being stored.

use std::sync::Arc;

use bytes::Bytes;
use haul_core::{Checksum, Opened, StoreError, Version};

use super::access::Permission;
use super::accounting::Reservation;
use super::share::Share;
use crate::error::misuse;
use crate::store::read_and_write;
use crate::{Mountable, PassThrough, Prepared, Source, Staged};

/// A file of a [`View`](super::View), open for reading.
pub struct ViewSource<S: Mountable> {
    pub(super) file: S::Source,
    pub(super) permission: Permission,
}

impl<S: Mountable> Source for ViewSource<S> {
    fn opened(&self) -> Opened {
        self.file.opened()
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        self.permission.require()?;
        self.file.read(offset, length)
    }

    fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        self.permission.require()?;
        self.file.prepare_send(offset, length, checksum)
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.file.pass_through()
    }

    fn finish(&mut self, offset: u64, length: u64, checksum: Checksum) -> Result<(), StoreError> {
        self.permission.require()?;
        self.file.finish(offset, length, checksum)
    }
}

/// A file that is being stored in a [`View`](super::View).
pub struct ViewStaged<S: Mountable> {
    /// `None` only while its store syncs it together with others, or if that failed.
    pub(super) file: Option<S::Staged>,
    pub(super) permission: Permission,
    pub(super) share: Arc<Share<S>>,
    /// Given back after the file is gone.
    pub(super) reservation: Reservation,
    pub(super) written: u64,
}

impl<S: Mountable> ViewStaged<S> {
    /// Prepares to have `end` bytes.
    fn grow(&mut self, end: u64) -> Result<&mut S::Staged, StoreError> {
        self.permission.require()?;
        self.share.grow(&mut self.reservation, end)?;
        self.file.as_mut().ok_or_else(gone)
    }

    /// Copies a piece of `source`; see [`Store::copy`](crate::Store::copy).
    pub(super) fn copy(
        &mut self,
        source: &mut S::Source,
        offset: u64,
        length: usize,
        copy: impl FnOnce(
            &mut S::Source,
            &mut S::Staged,
            usize,
        ) -> Result<(usize, Checksum), StoreError>,
    ) -> Result<(usize, Checksum), StoreError> {
        let length = match self.reservation.bytes().map(|reserved| reserved.saturating_sub(offset))
        {
            // Only what was read tells how many bytes to reserve.
            Some(0) => return read_and_write(source, self, offset, length),
            Some(left) => usize::try_from(left).map_or(length, |left| length.min(left)),
            None => length,
        };
        let file = self.grow(offset + length as u64)?;
        let (copied, checksum) = copy(source, file, length)?;
        self.written = offset + copied as u64;
        Ok((copied, checksum))
    }
}

impl<S: Mountable> Staged for ViewStaged<S> {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        let end = offset + data.len() as u64;
        self.grow(end)?.write(offset, data)?;
        self.written = end;
        Ok(())
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.file.as_mut()?.pass_through()
    }

    fn write_received(&mut self, offset: u64, length: usize) -> Result<Checksum, StoreError> {
        let end = offset + length as u64;
        let checksum = self.grow(end)?.write_received(offset, length)?;
        self.written = end;
        Ok(checksum)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file.as_mut().ok_or_else(gone)?.sync()
    }

    fn publish(&mut self, checksum: Checksum) -> Result<Option<Version>, StoreError> {
        self.permission.require()?;
        let file = self.file.as_mut().ok_or_else(gone)?;
        let path = self.permission.place().in_share();
        self.share.publish(&path, self.written, &mut self.reservation, || file.publish(checksum))
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        self.file.as_mut().ok_or_else(gone)?.sync_directory()
    }
}

/// Lets `sync` have the files of the store itself.
pub(super) fn with_files<S: Mountable>(
    staged: &mut [ViewStaged<S>],
    sync: impl FnOnce(&mut [S::Staged]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let files: Option<Vec<_>> = staged.iter_mut().map(|staged| staged.file.take()).collect();
    let mut files = files.ok_or_else(gone)?;
    sync(&mut files)?;
    for (staged, file) in staged.iter_mut().zip(files) {
        staged.file = Some(file);
    }
    Ok(())
}

fn gone() -> StoreError {
    misuse("the file was discarded when a sync failed")
}

//! A regular file open for reading.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use haul_core::{StoreError, StoreErrorKind};
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{pread, retry_on_intr};

use crate::Kept;
use crate::error::failed;
use crate::held::{Held, WORTH_HOLDING, checksum_of};
use crate::stat::{Stat, Version};

/// Smaller files are read ahead whole without being told.
const WORTH_ADVISING: u64 = 128 << 10;

/// A regular file that must stay what it is while it is read.
#[derive(Debug)]
pub(crate) struct RegularFile {
    file: OwnedFd,
    version: Version,
    /// The file's name in errors.
    name: String,
    /// What was read last.
    last: Bytes,
    held: Option<Held>,
}

impl RegularFile {
    /// Takes `file`, which is open for reading, if it is a regular one.
    pub(crate) fn new(file: OwnedFd, name: String) -> Result<Self, StoreError> {
        let stat = Stat::of(&file).map_err(|errno| failed(format_args!("read {name}"), errno))?;
        stat.require_regular(&name)?;
        if stat.version.size > WORTH_ADVISING {
            // Only a hint; a file system that does not take it reads all the same.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        Ok(Self { file, version: stat.version, name, last: Bytes::new(), held: None })
    }

    /// The version that is read.
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// See [`Source::read`](crate::Source::read). What the file grew by since it was opened is not read.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        let length = self.there(offset, length);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = self.recycled();
        buffer.reserve_exact(length);
        let count = retry_on_intr(|| pread(&self.file, spare_capacity(&mut buffer), offset))
            .map_err(|errno| failed(format_args!("read {}", self.name), errno))?;
        if count == 0 {
            return Err(self.changed());
        }
        // The buffer may have had room for more.
        buffer.truncate(length);
        let bytes = Bytes::from(buffer);
        self.last = bytes.clone();
        Ok(bytes)
    }

    /// See [`Source::hold`](crate::Source::hold).
    pub(crate) fn hold(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Kept>, StoreError> {
        let length = self.there(offset, length);
        if self.version.size < WORTH_HOLDING {
            return Ok(None);
        }
        if self.held.is_none() {
            self.held = Held::new().ok();
        }
        let Some(held) = &self.held else {
            return Ok(None);
        };
        let cannot = |errno| failed(format_args!("read {}", self.name), errno);
        let length = held.take(&self.file, offset, length).map_err(cannot)?;
        if length == 0 {
            return Err(self.changed());
        }
        let checksum = if checksum {
            let taken = checksum_of(&self.file, offset, length).map_err(cannot)?;
            Some(taken.ok_or_else(|| self.changed())?)
        } else {
            None
        };
        Ok(Some(Kept { length, checksum }))
    }

    /// See [`Source::held`](crate::Source::held).
    pub(crate) fn held(&mut self) -> Option<&mut Held> {
        self.held.as_mut()
    }

    /// How many of `length` bytes at `offset` belong to the version that was opened.
    fn there(&self, offset: u64, length: usize) -> usize {
        let left = self.version.size.saturating_sub(offset);
        usize::try_from(left).map_or(length, |left| left.min(length))
    }

    /// Makes sure that the file is still the version that was opened.
    pub(crate) fn verify(&self) -> Result<(), StoreError> {
        let stat = Stat::of(&self.file)
            .map_err(|errno| failed(format_args!("read {}", self.name), errno))?;
        if stat.version == self.version { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> StoreError {
        let detail = format!("{} changed while it was read", self.name);
        StoreError::new(StoreErrorKind::Changed, detail)
    }

    /// An empty buffer: the last one if its reader is done with it, so that memory is not taken and given back for each read.
    fn recycled(&mut self) -> Vec<u8> {
        let last = std::mem::take(&mut self.last);
        last.try_into_mut().map_or_else(
            |_| Vec::new(),
            |mut buffer| {
                buffer.clear();
                buffer.into()
            },
        )
    }
}

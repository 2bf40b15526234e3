//! A regular file open for reading.

use std::fs::File;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use haul_core::{Checksum, Opened, StoreError, StoreErrorKind};
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, pread, read, retry_on_intr};

use crate::error::failed;
use crate::file_checksum::checksum_of;
use crate::pipe_buffer::{PipeBuffer, WORTH_PASSING};
use crate::pseudo_file_system::is_pseudo;
use crate::stat::{Stat, Version};
use crate::{PassThrough, Prepared, StreamSource};

/// The kernel reads smaller files ahead without a hint.
const WORTH_ADVISING: u64 = 128 << 10;
/// The maximum number of bytes to read of a file without a known size before its first byte is sent.
const MAX_WITHOUT_SIZE: usize = 16 << 20;
/// The number of bytes to read of such a file at once. Some return their text whole or not at all, so that it must fit.
const READ_WITHOUT_SIZE: usize = 64 << 10;

/// A regular file, read as it was when it was opened.
///
/// The file may be renamed, linked, replaced or written to while it is read; only its bytes count. See
/// [`verify`](Self::verify).
#[derive(Debug)]
pub(crate) struct RegularFile {
    file: OwnedFd,
    version: Version,
    executable: bool,
    /// The name of the file in errors.
    name: String,
    content: Content,
    /// The last bytes that were read.
    last: Bytes,
    passage: Passage,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Content {
    /// The file, up to its size.
    Sized,
    /// The file, up to its end: its size is not that of its content.
    Unsized,
    /// The bytes, which were read before.
    Known(Bytes),
}

/// The pipe that bytes of the file pass through to a socket.
#[derive(Debug)]
enum Passage {
    /// None was needed yet.
    Untried,
    Open(PipeBuffer),
    /// There is none, and the file is read.
    Closed,
}

impl RegularFile {
    /// Takes `file`, which is open for reading, if it is a regular file.
    pub(crate) fn new(file: OwnedFd, name: String) -> Result<Self, StoreError> {
        let cannot = |errno| failed(format_args!("read {name}"), errno);
        let stat = Stat::of(&file).map_err(cannot)?;
        stat.require_regular(&name)?;
        let content =
            if has_size(&file, &stat).map_err(cannot)? { Content::Sized } else { Content::Unsized };
        if stat.version.size > WORTH_ADVISING {
            // Only a hint. Reading works without it.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        Ok(Self {
            file,
            version: stat.version,
            executable: stat.executable(),
            name,
            content,
            last: Bytes::new(),
            passage: Passage::Untried,
        })
    }

    /// The version that is read.
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// The open file and the number of bytes, of `length` at `offset`, that belong to the file as it was opened.
    pub(crate) fn range(&self, offset: u64, length: usize) -> Option<(&OwnedFd, usize)> {
        let length = self.there(offset, length);
        matches!(self.content, Content::Sized).then_some((&self.file, length))
    }

    /// What is known about the file.
    pub(crate) fn opened(&self) -> Opened {
        let size = match &self.content {
            Content::Sized => Some(self.version.size),
            Content::Unsized => None,
            Content::Known(bytes) => Some(bytes.len() as u64),
        };
        Opened {
            // The version of a generated file says nothing about its content.
            version: matches!(self.content, Content::Sized).then(|| self.version.word()).flatten(),
            size,
            modified: self.version.timestamp(),
            executable: self.executable,
            checksum: None,
        }
    }

    /// Whether the size is known. A file without a known size must be read whole before it is sent.
    pub(crate) fn has_size(&self) -> bool {
        !matches!(self.content, Content::Unsized)
    }

    /// Reads a file without a known size to its end.
    pub(crate) fn read_whole(mut self) -> Result<Self, StoreError> {
        if self.has_size() {
            return Ok(self);
        }
        let mut bytes = Vec::new();
        loop {
            bytes.reserve(READ_WITHOUT_SIZE);
            let count = retry_on_intr(|| read(&self.file, spare_capacity(&mut bytes)))
                .map_err(|errno| self.cannot_read(errno))?;
            if count == 0 {
                break;
            }
            if bytes.len() > MAX_WITHOUT_SIZE {
                let detail = format!(
                    "cannot send {}: its size is not known before its end, and it has more than {} MiB",
                    self.name,
                    MAX_WITHOUT_SIZE >> 20
                );
                return Err(StoreError::new(StoreErrorKind::Io, detail));
            }
        }
        bytes.shrink_to_fit();
        self.content = Content::Known(bytes.into());
        Ok(self)
    }

    /// The file as a stream, from its beginning.
    pub(crate) fn into_stream(self) -> StreamSource<File> {
        StreamSource::new(File::from(self.file), self.name)
    }

    /// See [`Source::read`](crate::Source::read). It does not read bytes that were appended after the file was opened.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        if let Content::Known(bytes) = &self.content {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            return Ok(bytes.slice(start..start + length.min(bytes.len() - start)));
        }
        let length = self.there(offset, length);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = self.recycled();
        buffer.reserve_exact(length);
        let count = retry_on_intr(|| pread(&self.file, spare_capacity(&mut buffer), offset))
            .map_err(|errno| self.cannot_read(errno))?;
        if count == 0 {
            return Err(self.changed());
        }
        // The buffer may be larger than `length`.
        buffer.truncate(length);
        let bytes = Bytes::from(buffer);
        self.last = bytes.clone();
        Ok(bytes)
    }

    /// See [`Source::prepare_send`](crate::Source::prepare_send).
    pub(crate) fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        let length = self.there(offset, length);
        if !matches!(self.content, Content::Sized) || self.version.size < WORTH_PASSING {
            return Ok(None);
        }
        if matches!(self.passage, Passage::Untried) {
            self.passage = PipeBuffer::new().map_or(Passage::Closed, Passage::Open);
        }
        let Passage::Open(pipe) = &self.passage else {
            return Ok(None);
        };
        let Ok(length) = pipe.take(&self.file, offset, length) else {
            // Not every file system can splice. If the file itself is at fault, reading it fails too.
            self.passage = Passage::Closed;
            return Ok(None);
        };
        if length == 0 {
            return Err(self.changed());
        }
        let checksum =
            if checksum { Some(self.checksum_now(offset, length as u64)?) } else { None };
        Ok(Some(Prepared { length, checksum }))
    }

    /// See [`Source::pass_through`](crate::Source::pass_through).
    pub(crate) fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        match &mut self.passage {
            Passage::Open(pipe) => Some(pipe),
            Passage::Untried | Passage::Closed => None,
        }
    }

    /// How many of `length` bytes at `offset` belong to the version that was opened.
    fn there(&self, offset: u64, length: usize) -> usize {
        let left = self.version.size.saturating_sub(offset);
        usize::try_from(left).map_or(length, |left| left.min(length))
    }

    /// Checks that `length` bytes at `offset`, with the checksum `sent`, are those of the file.
    ///
    /// They are if size and times have not changed. If they have, the file may only have another name or more bytes at
    /// its end, so this reads the range again. If the bytes are still the same, the file had all of them when the last
    /// one was sent. A file with fewer bytes than before has changed.
    pub(crate) fn verify(
        &self,
        offset: u64,
        length: u64,
        sent: Checksum,
    ) -> Result<(), StoreError> {
        if matches!(self.content, Content::Known(_)) {
            return Ok(());
        }
        let now = Stat::of(&self.file).map_err(|errno| self.cannot_read(errno))?.version;
        if self.version.stands(&now) {
            return Ok(());
        }
        if now.size < self.version.size || self.checksum_now(offset, length)? != sent {
            return Err(self.changed());
        }
        Ok(())
    }

    /// The checksum of a range that belongs to the version that was opened.
    fn checksum_now(&self, offset: u64, length: u64) -> Result<Checksum, StoreError> {
        let taken = checksum_of(&self.file, offset, length);
        taken.map_err(|errno| self.cannot_read(errno))?.ok_or_else(|| self.changed())
    }

    fn cannot_read(&self, errno: Errno) -> StoreError {
        failed(format_args!("read {}", self.name), errno)
    }

    fn changed(&self) -> StoreError {
        let detail = format!("{} changed while it was read", self.name);
        StoreError::new(StoreErrorKind::Changed, detail)
    }

    /// Returns an empty buffer: the last one if its reader has dropped it, to save an allocation for each read.
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

/// Whether the reported size of a file is that of its content. Some file systems report 0 for a file with bytes, so a
/// file of size 0 is checked.
fn has_size(file: &OwnedFd, stat: &Stat) -> Result<bool, Errno> {
    if !stat.sized || is_pseudo(file) {
        return Ok(false);
    }
    if stat.version.size > 0 {
        return Ok(true);
    }
    match retry_on_intr(|| pread(file, &mut [0; 1], 0)) {
        Ok(count) => Ok(count == 0),
        Err(Errno::SPIPE) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    fn opened(path: &str) -> OwnedFd {
        openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    /// The kernel cannot splice some files.
    #[test]
    fn what_has_no_way_past_the_process_is_read() {
        let name = "/proc/self/pagemap";
        let mut file = RegularFile::new(opened(name), name.into()).unwrap();
        let pipe = PipeBuffer::new().unwrap();
        assert_eq!(pipe.take(&file.file, 0, 4096), Err(Errno::INVAL));
        file.version.size = 1 << 20;
        file.content = Content::Sized;
        for _ in 0..2 {
            assert_eq!(file.prepare_send(0, 4096, true), Ok(None));
            assert!(file.pass_through().is_none());
        }
        assert_eq!(file.read(0, 4096).unwrap().len(), 4096);
    }

    #[test]
    fn bytes_of_a_file_without_a_size_are_those_that_were_read() {
        let name = "/proc/self/cmdline";
        let file = RegularFile::new(opened(name), name.into()).unwrap();
        assert_eq!((file.has_size(), file.opened().size), (false, None));
        let mut file = file.read_whole().unwrap();
        let expected = fs::read(name).unwrap();
        assert_eq!(file.opened().size, Some(expected.len() as u64));
        assert_eq!(file.read(0, usize::MAX).unwrap(), expected);
        assert!(file.read(u64::MAX, 1).unwrap().is_empty());
        file.verify(0, expected.len() as u64, Checksum::of(&expected)).unwrap();
    }
}

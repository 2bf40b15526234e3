//! The bytes of a file that is being written.

use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use haul_core::Checksum;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate, ftruncate};
use rustix::io::{Errno, pwrite, retry_on_intr};

use super::space::Space;
use super::sparse::{HOLE, Piece, first_piece, is_zero, zeros};
use crate::file_checksum::checksum_and;
use crate::file_system::FileSystem;
use crate::pipe_buffer::{PipeBuffer, WORTH_PASSING};
use crate::{NewFile, PassThrough};

/// The number of bytes to start writing back at once.
const WRITTEN_BACK: NonZeroU64 = NonZeroU64::new(8 << 20).unwrap();

/// A file that is written from front to back.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) file: OwnedFd,
    pub(super) written: u64,
    pub(super) space: Space,
    /// Whether space may be reserved.
    reserves: bool,
    /// The number of bytes whose writeback has started; `None` if the file will not be synced.
    begun: Option<u64>,
    /// The number of zeros at its end that were not written. Bytes must follow, or the length must be set.
    hole: u64,
    /// Whether its file system supports holes.
    pub(super) sparse: bool,
    pipe: Option<PipeBuffer>,
    /// Whether the file will probably be large enough for a pipe, and can be read for its checksum.
    worth_passing: bool,
}

impl Content {
    pub(super) fn new(file: OwnedFd, new: &NewFile, on: FileSystem) -> Self {
        let large = new.size.is_none_or(|size| size >= WORTH_PASSING);
        Self {
            file,
            written: 0,
            space: Space::default(),
            // On other file systems no test has shown that a durable file survives a power cut.
            reserves: !new.durable || on == FileSystem::Journaled,
            begun: new.durable.then_some(0),
            hole: 0,
            sparse: true,
            pipe: None,
            worth_passing: large && on.reads_what_it_writes(),
        }
    }

    /// See [`Space::require`]. From now on space is reserved as bytes arrive.
    pub(super) fn require_space(&mut self, size: u64) -> Result<(), Errno> {
        Space::require(&self.file, size)?;
        if self.reserves {
            self.space.announce(&self.file, size);
        }
        Ok(())
    }

    /// Appends all of `data`.
    pub(super) fn write(&mut self, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            let (piece, rest) = if self.sparse {
                first_piece(data, self.hole > 0)
            } else {
                (Piece::Bytes(data), &[][..])
            };
            match piece {
                Piece::Zeros(length) => self.append_hole(length as u64)?,
                Piece::Bytes(bytes) => self.write_bytes(bytes)?,
            }
            data = rest;
        }
        self.expect_more()
    }

    /// Appends zeros without writing them. Releases the space that was reserved for a hole.
    pub(super) fn append_hole(&mut self, length: u64) -> Result<(), Errno> {
        self.written += length;
        self.hole += length;
        if self.hole < HOLE as u64 {
            return Ok(());
        }
        self.space.hole_ends(self.written);
        self.space.release_unused(&self.file, self.written - self.hole)
    }

    fn write_bytes(&mut self, data: &[u8]) -> Result<(), Errno> {
        if self.hole > 0 && self.hole < HOLE as u64 {
            self.fill_hole()?;
        }
        match self.put(data) {
            Err(errno) if self.hole > 0 && !is_full(errno) => {
                // The file system may only accept bytes that directly follow the existing ones.
                self.sparse = false;
                self.fill_hole()?;
                self.put(data)
            }
            put => put,
        }
    }

    /// Writes bytes at the end.
    fn put(&mut self, mut data: &[u8]) -> Result<(), Errno> {
        let mut end = self.written;
        while !data.is_empty() {
            match retry_on_intr(|| pwrite(&self.file, data, end))? {
                0 => return Err(Errno::IO),
                count => {
                    end += count as u64;
                    data = &data[count..];
                }
            }
        }
        self.space.written(self.written, end);
        self.written = end;
        self.hole = 0;
        Ok(())
    }

    /// Writes the zeros that were skipped.
    fn fill_hole(&mut self) -> Result<(), Errno> {
        let end = self.written;
        self.written -= std::mem::take(&mut self.hole);
        while self.written < end {
            self.put(zeros(end - self.written))?;
        }
        Ok(())
    }

    /// Completes the file after its last byte.
    pub(super) fn finish(&mut self) -> Result<(), Errno> {
        self.end_hole()?;
        self.space.release_unused(&self.file, self.written)
    }

    /// Sets the length of the file if it ends in a hole.
    pub(super) fn end_hole(&mut self) -> Result<(), Errno> {
        if self.hole == 0 {
            return Ok(());
        }
        match ftruncate(&self.file, self.written) {
            Ok(()) => {
                self.hole = 0;
                Ok(())
            }
            Err(errno) if is_full(errno) => Err(errno),
            Err(_) => {
                self.sparse = false;
                self.fill_hole()
            }
        }
    }

    /// The pipe that receives bytes of a socket, if that is worth it.
    pub(super) fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        if self.pipe.is_none() && self.worth_passing {
            self.pipe = PipeBuffer::new().ok();
        }
        self.pipe.as_mut().map(|pipe| pipe as &mut dyn PassThrough)
    }

    /// Whether there is a pipe to receive bytes of a socket.
    pub(super) fn has_pipe(&self) -> bool {
        self.pipe.is_some()
    }

    /// Appends the `length` bytes that are in the pipe. Returns their checksum.
    pub(super) fn write_received(&mut self, length: usize) -> Result<Checksum, Errno> {
        self.end_hole()?;
        // After an error nobody knows what is still in the pipe, so it must not be used again.
        let pipe = self.pipe.take().ok_or(Errno::INVAL)?;
        pipe.put(&self.file, self.written, length)?;
        let mut zeros: Vec<(u64, u64)> = Vec::new();
        let look = |at: u64, piece: &[u8]| {
            let length = piece.len() as u64;
            match zeros.last_mut() {
                _ if !is_zero(piece) => {}
                Some((begin, before)) if *begin + *before == at => *before += length,
                _ => zeros.push((at, length)),
            }
        };
        // The checksum is of the file: the bytes that the processor just copied are still in its cache.
        let checksum =
            checksum_and(&self.file, self.written, length as u64, look)?.ok_or(Errno::IO)?;
        self.pipe = Some(pipe);
        self.written += length as u64;
        self.space.written(self.written - length as u64, self.written);
        for (at, length) in zeros {
            self.punch(at, length)?;
        }
        self.expect_more()?;
        Ok(checksum)
    }

    /// Releases the space of zeros, if the file system can.
    fn punch(&mut self, at: u64, length: u64) -> Result<(), Errno> {
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        self.sparse = self.sparse && fallocate(&self.file, how, at, length).is_ok();
        if self.sparse {
            self.space.unstage(length);
        }
        self.space.hole_ends(at + length);
        self.space.release_unused(&self.file, self.written)
    }

    /// Prepares for the next bytes.
    pub(super) fn expect_more(&mut self) -> Result<(), Errno> {
        self.write_back();
        if self.hole > 0 { Ok(()) } else { self.space.reserve(&self.file, self.written) }
    }

    /// Starts to write bytes back while more arrive, so that a sync has less to wait for.
    fn write_back(&mut self) {
        let Some(begun) = &mut self.begun else { return };
        while self.written - *begun >= WRITTEN_BACK.get() {
            // This starts to write dirty pages. It drops clean ones, of which there are hardly any yet, so the file
            // stays in memory. A failure shows again at the sync.
            let _ = fadvise(&self.file, *begun, Some(WRITTEN_BACK), Advice::DontNeed);
            *begun += WRITTEN_BACK.get();
        }
    }

    /// The file is published or gone, so a failure no longer frees its space.
    pub(super) fn settle(&mut self) {
        self.space.settle();
    }
}

pub(super) fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::FBIG)
}

#[cfg(test)]
mod tests {
    use haul_core::{FilePath, Mode};

    use super::*;
    use crate::stat::Stat;

    fn content() -> Content {
        let path = FilePath::parse("file").unwrap();
        let (mode, executable, durable) = (Mode::Create, false, false);
        let new =
            NewFile { path, mode, if_match: None, size: None, modified: None, executable, durable };
        Content::new(tempfile::tempfile().unwrap().into(), &new, FileSystem::Other)
    }

    fn size(content: &Content) -> u64 {
        Stat::of(&content.file).unwrap().version.size
    }

    /// Some file systems accept no bytes behind a hole.
    #[test]
    fn a_hole_can_be_filled() {
        let mut content = content();
        let zeros = vec![0; 3 * HOLE];
        let length = zeros.len() as u64;
        content.write(&zeros).unwrap();
        assert_eq!((content.hole, size(&content)), (length, 0));
        content.fill_hole().unwrap();
        assert_eq!((content.hole, size(&content)), (0, length));
        content.write(&zeros).unwrap();
        assert_eq!((content.hole, size(&content)), (length, length));
        content.end_hole().unwrap();
        assert_eq!((content.hole, size(&content)), (0, 2 * length));
        content.sparse = false;
        content.write(&zeros).unwrap();
        assert_eq!((content.hole, size(&content)), (0, 3 * length));
    }
}

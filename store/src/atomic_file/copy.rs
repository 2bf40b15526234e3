//! Copies bytes of another file by the file system's own means.

use std::os::fd::OwnedFd;

use haul_core::Checksum;
use rustix::fs::{SeekFrom, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, retry_on_intr};

use super::content::{Content, is_full};
use crate::file_checksum::checksum_of;
use crate::stat::Stat;

/// The maximum number of bytes to copy at once, so that no call takes long.
const AT_ONCE: usize = 16 << 20;

/// What is at an offset of a file.
enum Run {
    Hole(u64),
    Bytes(u64),
}

impl Content {
    /// Appends up to `length` bytes of `source`, which has that many bytes from the end of this file on. The file
    /// system shares blocks if it can, and holes stay holes. With `known`, the checksum of the whole source, `length`
    /// is that of the whole source. `None` if the caller has to read and write the bytes.
    pub(super) fn copy(
        &mut self,
        source: &OwnedFd,
        length: usize,
        known: Option<Checksum>,
    ) -> Result<Option<(usize, Checksum)>, Errno> {
        if let Some(checksum) = known
            && self.clone_whole(source, length as u64)?
        {
            return Ok(Some((length, checksum)));
        }
        match run_at(source, self.written) {
            Ok(Run::Hole(run)) if self.sparse => {
                let length = within(run, length);
                self.append_hole(length as u64)?;
                Ok(Some((length, checksum_of_zeros(length as u64))))
            }
            Ok(Run::Bytes(run)) => self.copy_range(source, within(run, length.min(AT_ONCE))),
            Ok(Run::Hole(_)) | Err(_) => Ok(None),
        }
    }

    /// Shares all blocks of `source`, if the file system can. Nothing may have been written yet.
    fn clone_whole(&mut self, source: &OwnedFd, length: u64) -> Result<bool, Errno> {
        match ioctl_ficlone(&self.file, source) {
            Err(errno) if is_full(errno) => return Err(errno),
            Err(_) => return Ok(false),
            Ok(()) => {}
        }
        if Stat::of(&self.file)?.version.size == length {
            self.written = length;
            return Ok(true);
        }
        // The source has changed. The caller notices when it reads it.
        ftruncate(&self.file, 0)?;
        Ok(false)
    }

    /// Copies one range. The checksum is that of the copy, because the source may change meanwhile.
    fn copy_range(
        &mut self,
        source: &OwnedFd,
        length: usize,
    ) -> Result<Option<(usize, Checksum)>, Errno> {
        self.end_hole()?;
        let begin = self.written;
        let (mut from, mut to) = (begin, begin);
        let copied = retry_on_intr(|| {
            copy_file_range(source, Some(&mut from), &self.file, Some(&mut to), length)
        });
        let length = match copied {
            Err(errno) if is_full(errno) => return Err(errno),
            // Some kernels report a missing implementation by copying nothing.
            Err(_) | Ok(0) => return Ok(None),
            Ok(length) => length,
        };
        let checksum = checksum_of(&self.file, begin, length as u64)?.ok_or(Errno::IO)?;
        self.written += length as u64;
        self.space.written(begin, self.written);
        self.expect_more()?;
        Ok(Some((length, checksum)))
    }
}

/// What starts at `offset`, and how long it is.
fn run_at(file: &OwnedFd, offset: u64) -> Result<Run, Errno> {
    match seek(file, SeekFrom::Data(offset)) {
        Ok(data) if data > offset => Ok(Run::Hole(data - offset)),
        Ok(_) => Ok(Run::Bytes(seek(file, SeekFrom::Hole(offset))?.saturating_sub(offset))),
        // The rest is a hole, unless the file was truncated.
        Err(Errno::NXIO) => match Stat::of(file)?.version.size.checked_sub(offset) {
            Some(rest) if rest > 0 => Ok(Run::Hole(rest)),
            _ => Err(Errno::NXIO),
        },
        Err(errno) => Err(errno),
    }
}

fn within(run: u64, length: usize) -> usize {
    usize::try_from(run).map_or(length, |run| run.min(length))
}

/// The checksum of `length` zeros, computed in logarithmic time because a hole may be large.
fn checksum_of_zeros(length: u64) -> Checksum {
    let (mut zeros, mut piece, mut piece_length) = (Checksum::EMPTY, Checksum::of(&[0]), 1);
    let mut left = length;
    while left > 0 {
        if left & 1 == 1 {
            zeros = zeros.combine(piece, piece_length);
        }
        piece = piece.combine(piece, piece_length);
        piece_length <<= 1;
        left >>= 1;
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_have_the_checksum_of_zeros() {
        for length in [0, 1, 2, 3, 4096, 100_000, 1 << 20] {
            let zeros = vec![0; length];
            assert_eq!(checksum_of_zeros(length as u64), Checksum::of(&zeros), "{length}");
        }
    }
}

//! Checksums of ranges of open files.

use std::os::fd::AsFd;

use haul_core::{Checksum, Hasher};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread, retry_on_intr};

/// The number of bytes to read at once, small enough for the processor's cache.
const READ_AT_ONCE: usize = 64 << 10;

/// The checksum of `length` bytes of a file; `None` if it has fewer.
pub(crate) fn checksum_of(
    file: impl AsFd,
    offset: u64,
    length: u64,
) -> Result<Option<Checksum>, Errno> {
    checksum_and(file, offset, length, |_, _| {})
}

/// As [`checksum_of`]. Passes each piece of the bytes with its offset to `look`.
pub(crate) fn checksum_and(
    file: impl AsFd,
    mut offset: u64,
    length: u64,
    mut look: impl FnMut(u64, &[u8]),
) -> Result<Option<Checksum>, Errno> {
    let mut hasher = Hasher::new();
    let at_once = usize::try_from(length).map_or(READ_AT_ONCE, |length| length.min(READ_AT_ONCE));
    let mut buffer = Vec::with_capacity(at_once);
    let mut left = length;
    while left > 0 {
        buffer.clear();
        if retry_on_intr(|| pread(&file, spare_capacity(&mut buffer), offset))? == 0 {
            return Ok(None);
        }
        // The file may be longer.
        let count = (buffer.len() as u64).min(left);
        buffer.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        hasher.update(&buffer);
        look(offset, &buffer);
        offset += count;
        left -= count;
    }
    Ok(Some(hasher.checksum()))
}

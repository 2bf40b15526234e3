//! Copies from one file of the directory to another.

use haul_core::{Checksum, StoreError};

use super::source::DirectorySource;
use super::staged::DirectoryStaged;
use crate::store::read_and_write;

/// See [`Store::copy`](crate::Store::copy).
pub(super) fn copy(
    source: &mut DirectorySource,
    staged: &mut DirectoryStaged,
    offset: u64,
    length: usize,
) -> Result<(usize, Checksum), StoreError> {
    if let Some((file, length)) = source.file.range(offset, length)
        && length > 0
    {
        // The checksum is known only for the whole file.
        let known = source
            .known_checksum()
            .filter(|_| (offset, length as u64) == (0, source.file.version().size));
        if let Some(copied) = staged.atomic_file.copy(file, offset, length, known)? {
            return Ok(copied);
        }
    }
    read_and_write(source, staged, offset, length)
}

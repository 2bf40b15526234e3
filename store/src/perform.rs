//! Carrying out the effects of a machine.

use haul_core::{Done, Effect, Handle, StoreError};

use crate::{PassThrough, Prepared, Source};

/// Carries out the effects of one session. Dropping it closes open files and discards staged ones.
pub trait Perform {
    /// Carries out one effect. It may block.
    ///
    /// # Errors
    /// Those of the [`Store`](crate::Store) method that does the work. An effect with a handle that does not fit it, or
    /// that opens something under a handle in use, fails with [`Io`](haul_core::StoreErrorKind::Io) and changes
    /// nothing.
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;

    /// Returns the buffer that payload of the file `handle` passes through; `None` if its payload goes through the
    /// machine.
    fn pass_through(&mut self, handle: Handle) -> Option<&mut dyn PassThrough> {
        let _ = handle;
        None
    }
}

/// Carries out [`Effect::PrepareSend`].
pub(crate) fn prepare_send(
    source: &mut (impl Source + ?Sized),
    offset: u64,
    length: usize,
    read: usize,
    checksum: bool,
) -> Result<Done, StoreError> {
    match source.prepare_send(offset, length, checksum)? {
        Some(Prepared { length, checksum }) => Ok(Done::SendPrepared { length, checksum }),
        None => source.read(offset, read).map(Done::Read),
    }
}

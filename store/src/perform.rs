//! Effects of a machine carried out on a store.

use haul_core::{Done, Effect, Handle, StoreError};

use crate::{PassThrough, Prepared, Source};

/// Carries out the effects of one session. Dropping it closes what is open and discards what is staged.
pub trait Perform {
    /// Does the work of one effect; may block.
    ///
    /// # Errors
    /// Those of the [`Store`](crate::Store) method that does the work. An effect whose handle does not name anything
    /// that it could be for, or that begins something under a handle that is open already, is an error of kind
    /// [`Io`](haul_core::StoreErrorKind::Io) and changes nothing.
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;

    /// What carries payload of the file `handle` past the machine; `None` if its payload goes through the machine.
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

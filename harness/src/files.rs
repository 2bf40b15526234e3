//! The files that a machine works on.

use bytes::Bytes;
use haul_core::{Done, Effect, Handle, StoreError};

/// Files that a machine works on.
pub trait Files {
    /// Carries out an effect, and returns what [`Effect`] says.
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;

    /// Holds bytes that were taken from the socket for a staged file.
    fn receive(&mut self, handle: Handle, bytes: &[u8]);

    /// The next `count` of the bytes of a source that are held for the socket.
    fn send_held(&mut self, handle: Handle, count: usize) -> Bytes;
}

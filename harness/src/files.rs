//! The files that a machine works on.

use bytes::Bytes;
use haul_core::{Done, Effect, Handle, StoreError};

/// Files that a machine works on.
pub trait Files {
    /// Carries out an effect, and returns what [`Effect`] says.
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;

    /// Takes bytes that passed from the socket, for a staged file.
    fn receive(&mut self, handle: Handle, bytes: &[u8]);

    /// Returns the next `count` bytes of a source that were prepared for the socket.
    fn send(&mut self, handle: Handle, count: usize) -> Bytes;
}

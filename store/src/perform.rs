//! Effects of a machine carried out on a store.

use haul_core::{Done, Effect, StoreError};

use crate::Held;

/// Carries out the effects of one session. What is open when it is dropped is discarded.
pub trait Perform {
    /// Does the work of one effect; may block.
    ///
    /// Answers as [`Effect`] tells. An effect that does not fit what is open is an error of kind [`Io`](haul_core::StoreErrorKind::Io).
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;

    /// What carries payload of the open file past the machine; `None` if that goes through the machine.
    fn held(&mut self) -> Option<&mut Held> {
        None
    }
}

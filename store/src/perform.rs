//! Effects of a machine carried out on a store.

use haul_core::{Done, Effect, StoreError};

/// Carries out the effects of one session. What is open when it is dropped is discarded.
pub trait Perform {
    /// Does the work of one effect; may block.
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;
}

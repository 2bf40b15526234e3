//! Who a session belongs to, and which store it gets.

use std::sync::Arc;

use haul_core::StoreError;

use crate::Store;

/// Who a session belongs to. At present everybody is anonymous.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(());

impl Identity {
    /// Somebody who did not log in.
    pub fn anonymous() -> Self {
        Self(())
    }
}

/// Gives each session the store that it works on.
///
/// Every [`Store`] is a provider that gives itself to everybody. Another provider may give each identity its own store,
/// for example one that shows only what that identity may see.
pub trait StoreProvider: Send + Sync + 'static {
    /// The store of a session.
    type Store: Store;

    /// Returns the store for `identity`. A [`Session`](crate::Session) calls this once, for its first effect, and again
    /// only if it failed. It may block.
    ///
    /// # Errors
    /// [`Denied`](haul_core::StoreErrorKind::Denied) if `identity` has no access at all,
    /// [`Io`](haul_core::StoreErrorKind::Io) if its store cannot be reached. The effect fails with the error.
    fn store_for(self: &Arc<Self>, identity: &Identity) -> Result<Arc<Self::Store>, StoreError>;
}

impl<S: Store> StoreProvider for S {
    type Store = S;

    fn store_for(self: &Arc<Self>, _: &Identity) -> Result<Arc<S>, StoreError> {
        Ok(Arc::clone(self))
    }
}

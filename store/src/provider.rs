//! Who a session belongs to, and which store it gets.

use std::sync::Arc;

use haul_core::StoreError;
use haul_core::account::{Proof, UserName};

use crate::Store;

/// Who a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(Option<UserName>);

impl Identity {
    /// Somebody who is not identified.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// This user.
    pub fn of(user: UserName) -> Self {
        Self(Some(user))
    }

    /// The user; `None` for somebody who is not identified.
    pub fn user(&self) -> Option<&UserName> {
        self.0.as_ref()
    }
}

/// Checks who the client of one connection is.
pub trait Identify: Send {
    /// Whether `proof` shows that the client is `user`. It may block.
    ///
    /// # Errors
    /// [`Insecure`](haul_core::StoreErrorKind::Insecure) and [`KeyMissing`](haul_core::StoreErrorKind::KeyMissing)
    /// about the connection, whatever `user` is; a [passing](StoreError::passing) error if there are too many attempts
    /// at the moment; [`Io`](haul_core::StoreErrorKind::Io).
    fn identify(&mut self, user: &UserName, proof: &Proof) -> Result<bool, StoreError>;
}

/// Gives each session the store that it works on.
///
/// Every [`Store`] is a provider that gives itself to everybody. Another provider may give each identity its own store,
/// for example one that shows only what that identity may see.
pub trait StoreProvider: Send + Sync + 'static {
    /// The store of a session.
    type Store: Store;

    /// Returns the store for `identity`. A [`Session`](crate::Session) calls this once, for its first effect, and again
    /// only if it failed or the identity changed. It may block.
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

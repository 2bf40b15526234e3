//! Who the clients of a server are.

use std::fmt;

use haul_core::account::UserName;
use haul_store::Identify;

use crate::server::Peer;

/// Decides who the clients of a server are.
pub trait Users: fmt::Debug + Send + Sync {
    /// Decides about a client before it is greeted. It must return soon.
    ///
    /// # Errors
    /// If the client may try again only after some seconds; it is refused.
    fn admit(&self, peer: &Peer) -> Result<Admission, Penalised>;
}

/// What is decided about a client before it is greeted.
#[derive(Default)]
pub struct Admission {
    /// The user from the start: the one whose key the client has shown, or the
    /// [anonymous](UserName::anonymous) one.
    pub user: Option<UserName>,
    /// Whether a client without a user must be identified before it is served.
    pub auth_required: bool,
    /// Checks the attempts of the client; `None` if none succeeds.
    pub identify: Option<Box<dyn Identify>>,
}

/// A client whose address has failed to identify itself too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Penalised {
    /// Seconds after which it may try again.
    pub retry_after: u64,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("user", &self.user)
            .field("auth_required", &self.auth_required)
            .finish_non_exhaustive()
    }
}

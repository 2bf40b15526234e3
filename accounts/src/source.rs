//! Where accounts come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use haul_core::FilePath;
use haul_core::account::{Access, UserName};

use crate::error::AccountsError;
use crate::fingerprint::Fingerprint;
use crate::invitation::InvitationHash;
use crate::password::PasswordHash;

/// An account, as a [`Source`] keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAccount {
    /// What the user sees and may do.
    pub access: Arc<Access>,
    /// Whether the account is there, but of no use.
    pub disabled: bool,
    /// The hash of the password, if there is one.
    pub password: Option<PasswordHash>,
    /// The keys that identify the user, each with a comment.
    pub keys: BTreeMap<Fingerprint, String>,
    /// Open invitations, each with the Unix second at which it expires.
    pub invitations: BTreeMap<InvitationHash, u64>,
}

impl StoredAccount {
    /// The directory of the share that is the root of the user's view; `None` is the whole share.
    pub fn home(&self) -> Option<&FilePath> {
        self.access.mounts().iter().find(|mount| mount.home)?.directory.as_ref()
    }
}

/// Where accounts come from: the seam between the decisions of [`Accounts`](crate::Accounts) and how accounts are kept.
///
/// Each call tells what is so now, and may block. A source that cannot be reached, or has become bad, stands by what it
/// last knew, and logs it.
pub trait Source: Send + Sync {
    /// A number that grows whenever an account may have changed.
    fn generation(&self) -> u64;

    /// Whether there is no account, not even a disabled one.
    fn is_empty(&self) -> bool;

    /// The account of a user, disabled or not.
    fn account(&self, user: &UserName) -> Option<Arc<StoredAccount>>;

    /// The user who has this key, disabled or not. A key has at most one.
    fn owner_of_key(&self, key: &Fingerprint) -> Option<UserName>;

    /// Takes an invitation of a user and gives the key to the account, in one step: of any number of callers, in all
    /// processes, one gets `true`.
    ///
    /// It is `false`, and nothing changes, if the account is not there or disabled, if the invitation is not one of its
    /// open ones or has expired at `now`, or if another account has the key.
    ///
    /// # Errors
    /// If the change cannot be kept.
    fn redeem(
        &self,
        user: &UserName,
        invitation: &InvitationHash,
        key: &Fingerprint,
        now: SystemTime,
    ) -> Result<bool, AccountsError>;
}

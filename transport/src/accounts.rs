//! The users of a server who have accounts, and what each of them sees.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use haul_accounts::{Accounts, NotIdentified, Origin, Penalties};
use haul_core::account::{Access, Mount, Proof, Role, UserName};
use haul_core::{StoreError, StoreErrorKind};
use haul_store::{AccessSource, Identify, Identity, Mountable, Share, StoreProvider, View};
use tracing::warn;

use crate::clock::Clock;
use crate::server::Peer;
use crate::users::{Admission, Penalised, Users};

/// Gives each user with an account their [view](View) of a store, and decides who they are.
///
/// Once there is an account, every client must be identified, unless there is a role for the anonymous ones. As long as
/// there is none, everybody sees the whole store and may do everything.
pub struct UserStores<S: Mountable> {
    share: Arc<Share<S>>,
    accounts: Arc<Accounts>,
    anonymous: Option<Arc<Access>>,
    /// Whether nobody is served without an account even if there are none.
    required: bool,
    penalties: Arc<Penalties>,
    clock: Clock,
}

impl<S: Mountable> UserStores<S> {
    /// The users of `accounts`, with views of `store`. With `anonymous`, a client that is not identified has this role
    /// in the whole store.
    pub fn new(store: S, accounts: Accounts, anonymous: Option<Role>) -> Self {
        let anonymous = anonymous.map(|role| {
            let whole = Mount { at: None, directory: None, rights: role.rights(), home: false };
            // One mount is always good.
            Arc::new(Access::new(vec![whole], None).unwrap_or_default())
        });
        Self {
            share: Share::new(store),
            accounts: Arc::new(accounts),
            anonymous,
            required: false,
            penalties: Arc::default(),
            clock: Clock::start(),
        }
    }

    /// The same, but as long as there is no account, nobody is served except the anonymous ones. So nobody opens a server
    /// to everybody by removing the last account.
    #[must_use]
    pub fn requiring_accounts(self) -> Self {
        Self { required: true, ..self }
    }
}

impl<S: Mountable> StoreProvider for UserStores<S> {
    type Store = View<S>;

    fn store_for(self: &Arc<Self>, identity: &Identity) -> Result<Arc<View<S>>, StoreError> {
        let source: Arc<dyn AccessSource> = match (identity.user(), &self.anonymous) {
            (Some(user), Some(access)) if user.is_anonymous() => {
                Arc::new(Anonymous(Arc::clone(access)))
            }
            (Some(user), _) => {
                Arc::new(OfUser { accounts: Arc::clone(&self.accounts), user: user.clone() })
            }
            (None, _) => Arc::new(WithoutAccounts {
                accounts: Arc::clone(&self.accounts),
                required: self.required,
                everything: View::everything(&self.share).access()?,
            }),
        };
        Ok(Arc::new(View::new(&self.share, source)))
    }
}

impl<S: Mountable> Users for UserStores<S> {
    fn admit(&self, peer: &Peer) -> Result<Admission, Penalised> {
        let (address, security) = (peer.address.ip(), peer.security);
        let by_key = security.peer_key.and_then(|key| self.accounts.user_of_key(&key));
        if by_key.is_none()
            && let Some(retry_after) = self.penalties.check(address, self.clock.now())
        {
            return Err(Penalised { retry_after });
        }
        let anonymous = self.anonymous.as_ref().map(|_| UserName::anonymous());
        let origin = Origin { address, encrypted: security.encrypted, key: security.peer_key };
        let (accounts, penalties) = (Arc::clone(&self.accounts), Arc::clone(&self.penalties));
        Ok(Admission {
            user: by_key.or(anonymous),
            auth_required: self.required || self.accounts.has_accounts(),
            identify: Some(Box::new(Attempts { accounts, penalties, origin, clock: self.clock })),
        })
    }
}

impl<S: Mountable> fmt::Debug for UserStores<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserStores").field("share", &self.share).finish_non_exhaustive()
    }
}

/// The attempts of one client.
struct Attempts {
    accounts: Arc<Accounts>,
    penalties: Arc<Penalties>,
    origin: Origin,
    clock: Clock,
}

impl Identify for Attempts {
    fn identify(&mut self, user: &UserName, proof: &Proof) -> Result<bool, StoreError> {
        let address = self.origin.address;
        // Another connection may have failed since this one was admitted.
        if self.penalties.check(address, self.clock.now()).is_some() {
            let detail = "too many attempts from this address failed";
            return Err(StoreError::new(StoreErrorKind::Io, detail).passing());
        }
        #[expect(clippy::disallowed_methods, reason = "invitations expire by the wall clock")]
        let now = SystemTime::now();
        match self.accounts.identify(user, proof, &self.origin, now) {
            Ok(_) => {
                self.penalties.succeeded(address, user);
                Ok(true)
            }
            Err(NotIdentified::Wrong) => {
                self.penalties.failed(address, user, self.clock.now());
                Ok(false)
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &NotIdentified) -> StoreError {
    let kind = match error {
        NotIdentified::NotPrivate => StoreErrorKind::Insecure,
        NotIdentified::NoKey => StoreErrorKind::KeyMissing,
        _ => StoreErrorKind::Io,
    };
    let failed = StoreError::new(kind, error.to_string());
    match error {
        NotIdentified::Busy => failed.passing(),
        NotIdentified::Failed(_) => {
            warn!(%error, "an invitation cannot be redeemed");
            failed
        }
        _ => failed,
    }
}

/// The access of a user with an account.
struct OfUser {
    accounts: Arc<Accounts>,
    user: UserName,
}

impl AccessSource for OfUser {
    fn access(&self) -> Option<Arc<Access>> {
        self.accounts.access(&self.user)
    }
}

/// The access of those who are not identified, where they are served.
struct Anonymous(Arc<Access>);

impl AccessSource for Anonymous {
    fn access(&self) -> Option<Arc<Access>> {
        Some(Arc::clone(&self.0))
    }
}

/// The access of everybody as long as there are no accounts.
struct WithoutAccounts {
    accounts: Arc<Accounts>,
    required: bool,
    everything: Arc<Access>,
}

impl AccessSource for WithoutAccounts {
    fn access(&self) -> Option<Arc<Access>> {
        let is_open = !self.required && !self.accounts.has_accounts();
        is_open.then(|| Arc::clone(&self.everything))
    }
}

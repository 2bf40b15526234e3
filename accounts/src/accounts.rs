//! What a running server asks about its users.

use std::net::IpAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use haul_core::account::{Access, Proof, Secret, UserName};
use thiserror::Error;

use crate::error::AccountsError;
use crate::file::WatchedFile;
use crate::fingerprint::Fingerprint;
use crate::hashing::{Busy, Hashing};
use crate::invitation::InvitationHash;
use crate::password::PasswordHash;
use crate::source::{Source, StoredAccount};

/// The limits of [`Accounts::identify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A failed attempt returns no sooner than this after it began.
    pub failure_floor: Duration,
    /// How many passwords are hashed at once. Each takes a processor and 19 MiB.
    pub most_hashing: usize,
    /// How many attempts wait besides: for a processor, or for [`failure_floor`](Self::failure_floor). Each takes a
    /// thread of the caller.
    pub most_waiting: usize,
}

impl Default for Options {
    /// A second; as many as there are processors; 64.
    fn default() -> Self {
        let most_hashing = thread::available_parallelism().map_or(1, NonZero::get);
        Self { failure_floor: Duration::from_secs(1), most_hashing, most_waiting: 64 }
    }
}

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The address of the peer.
    pub address: IpAddr,
    /// Whether nobody between can read the connection.
    pub encrypted: bool,
    /// The key that the client showed and possesses, by the TLS handshake.
    pub key: Option<Fingerprint>,
}

impl Origin {
    /// Whether a secret may pass on this connection.
    fn is_private(&self) -> bool {
        self.encrypted || self.address.to_canonical().is_loopback()
    }
}

/// A user who was identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The user.
    pub user: UserName,
    /// The key that is the user's from now on, if an invitation was redeemed.
    pub bound: Option<Fingerprint>,
}

/// Why nobody was identified.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotIdentified {
    /// Something is wrong, whatever it is.
    #[error("that did not identify you")]
    Wrong,
    /// The connection is neither encrypted nor from this machine. Nothing was looked at.
    #[error("passwords and invitations are taken only over TLS")]
    NotPrivate,
    /// An invitation came without a key that it could bind. Nothing was looked at.
    #[error("an invitation needs a client that shows a key")]
    NoKey,
    /// Too many others are being identified. Nothing was looked at.
    #[error("too many clients are being identified; try again")]
    Busy,
    /// An invitation cannot be redeemed at the moment. It is still open.
    #[error(transparent)]
    Failed(#[from] AccountsError),
}

/// What a running server asks about its users. Each call may block; each answer is what holds now.
pub struct Accounts {
    source: Box<dyn Source>,
    hashing: Hashing,
    attempts: AtomicUsize,
    most_attempts: usize,
    /// What is verified where there is no password.
    nothing: PasswordHash,
    failure_floor: Duration,
}

impl Accounts {
    /// The accounts in the file of this state directory, which is looked at before each answer. A state directory that
    /// is not there has none.
    ///
    /// # Errors
    /// If there is a file and it breaks a rule, or if there was one.
    pub fn open(state: &Path, options: Options) -> Result<Self, AccountsError> {
        Self::new(Box::new(WatchedFile::open(state)?), options)
    }

    /// The accounts of another source.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(source: Box<dyn Source>, options: Options) -> Result<Self, AccountsError> {
        let hashing = Hashing::new(options.most_hashing, options.most_waiting);
        Ok(Self {
            source,
            hashing,
            attempts: AtomicUsize::new(0),
            most_attempts: options.most_hashing.max(1).saturating_add(options.most_waiting),
            nothing: PasswordHash::of_nothing()?,
            failure_floor: options.failure_floor,
        })
    }

    /// Whether there is an account, if only a disabled one: then all must be identified.
    pub fn has_accounts(&self) -> bool {
        !self.source.is_empty()
    }

    /// A number that grows whenever an answer may have changed. Whoever keeps an answer asks for it first.
    pub fn generation(&self) -> u64 {
        self.source.generation()
    }

    /// What a user sees and may do; `None` for one who was removed or disabled, or never was.
    pub fn access(&self, user: &UserName) -> Option<Arc<Access>> {
        self.enabled(user).map(|account| account.access.clone())
    }

    /// The user whom this key identifies.
    pub fn user_of_key(&self, key: &Fingerprint) -> Option<UserName> {
        self.source.owner_of_key(key).filter(|user| self.enabled(user).is_some())
    }

    /// Decides whether a client is the user that it says it is. `now` is the time of the wall clock, by which
    /// invitations expire.
    ///
    /// It blocks: a password takes some 20 ms, and longer if others wait; a failure takes
    /// [`failure_floor`](Options::failure_floor). Penalties are the caller's matter: see
    /// [`Penalties`](crate::Penalties).
    ///
    /// # Errors
    /// What is wrong with the attempt is always [`Wrong`](NotIdentified::Wrong).
    pub fn identify(
        &self,
        user: &UserName,
        proof: &Proof,
        origin: &Origin,
        now: SystemTime,
    ) -> Result<Identified, NotIdentified> {
        let began = Instant::now();
        if !origin.is_private() {
            return Err(NotIdentified::NotPrivate);
        }
        let _attempt = self.attempt().ok_or(NotIdentified::Busy)?;
        let (is_right, bound) = match proof {
            Proof::Password(password) => (self.has_password(user, password)?, None),
            Proof::Invite(invitation) => {
                let key = origin.key.ok_or(NotIdentified::NoKey)?;
                (self.redeem(user, invitation, &key, now)?, Some(key))
            }
        };
        if is_right {
            return Ok(Identified { user: user.clone(), bound });
        }
        thread::sleep(self.failure_floor.saturating_sub(began.elapsed()));
        Err(NotIdentified::Wrong)
    }

    /// Counts an attempt until it is dropped; `None` if there are too many.
    fn attempt(&self) -> Option<impl Drop + use<'_>> {
        struct Counted<'a>(&'a AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.attempts.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(&self.attempts);
        (before < self.most_attempts).then_some(counted)
    }

    fn has_password(&self, user: &UserName, password: &Secret) -> Result<bool, NotIdentified> {
        // Whoever has no password costs what others cost.
        let hash = || {
            let password = self.enabled(user).and_then(|account| account.password.clone());
            password.unwrap_or_else(|| self.nothing.clone())
        };
        self.hashing.verify(hash, password).map_err(|Busy| NotIdentified::Busy)
    }

    fn redeem(
        &self,
        user: &UserName,
        invitation: &Secret,
        key: &Fingerprint,
        now: SystemTime,
    ) -> Result<bool, NotIdentified> {
        match InvitationHash::of(invitation) {
            Some(invitation) => Ok(self.source.redeem(user, &invitation, key, now)?),
            None => Ok(false),
        }
    }

    fn enabled(&self, user: &UserName) -> Option<Arc<StoredAccount>> {
        self.source.account(user).filter(|account| !account.disabled)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;
    use std::sync::Barrier;

    use super::*;

    const KEY: &[u8] = b"a key";
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    /// Alice has a password; carol has one and is disabled; dave has none. Each invitation is one of all of them.
    #[derive(Default)]
    struct Model {
        accounts: BTreeMap<UserName, Arc<StoredAccount>>,
        /// What an account is held up by.
        held: Option<Arc<Barrier>>,
    }

    impl Source for Model {
        fn generation(&self) -> u64 {
            0
        }

        fn is_empty(&self) -> bool {
            self.accounts.is_empty()
        }

        fn account(&self, user: &UserName) -> Option<Arc<StoredAccount>> {
            if let Some(held) = &self.held {
                held.wait();
                held.wait();
            }
            self.accounts.get(user).cloned()
        }

        fn owner_of_key(&self, key: &Fingerprint) -> Option<UserName> {
            let has = |account: &Arc<StoredAccount>| account.keys.contains_key(key);
            self.accounts.iter().find(|(_, account)| has(account)).map(|(user, _)| user.clone())
        }

        fn redeem(
            &self,
            user: &UserName,
            _: &InvitationHash,
            _: &Fingerprint,
            _: SystemTime,
        ) -> Result<bool, AccountsError> {
            Ok(self.accounts.contains_key(user))
        }
    }

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn password(text: &str) -> Proof {
        Proof::Password(Secret::new(text.to_owned()).unwrap())
    }

    fn invite() -> Proof {
        Proof::Invite(Secret::new("A".repeat(22)).unwrap())
    }

    fn origin() -> Origin {
        let key = Some(Fingerprint::of_spki(KEY));
        Origin { address: Ipv4Addr::new(192, 0, 2, 1).into(), encrypted: true, key }
    }

    fn model() -> Model {
        let account = |disabled, password: Option<&str>, key: Option<&[u8]>| {
            let password = password.map(|text| Secret::new(text.to_owned()).unwrap());
            Arc::new(StoredAccount {
                access: Arc::default(),
                disabled,
                password: password.map(|password| PasswordHash::of(&password).unwrap()),
                keys: key
                    .map(|key| (Fingerprint::of_spki(key), String::new()))
                    .into_iter()
                    .collect(),
                invitations: BTreeMap::new(),
            })
        };
        let accounts = BTreeMap::from([
            (user("alice"), account(false, Some("secret"), Some(b"alice's"))),
            (user("carol"), account(true, Some("secret"), Some(b"carol's"))),
            (user("dave"), account(false, None, None)),
        ]);
        Model { accounts, ..Model::default() }
    }

    fn accounts(model: Model, failure_floor: Duration) -> Accounts {
        let options = Options { failure_floor, most_hashing: 1, most_waiting: 0 };
        Accounts::new(Box::new(model), options).unwrap()
    }

    #[test]
    fn every_wrong_password_costs_one_hash_and_has_one_outcome() {
        let accounts = accounts(model(), Duration::ZERO);
        let attempts = [
            ("alice", "wrong"),
            ("alice", " secret"),
            ("carol", "secret"),
            ("carol", "wrong"),
            ("dave", "secret"),
            ("bob", "secret"),
            ("anonymous", "secret"),
        ];
        for (done, (name, text)) in attempts.into_iter().enumerate() {
            let outcome = accounts.identify(&user(name), &password(text), &origin(), NOW);
            assert!(matches!(outcome, Err(NotIdentified::Wrong)), "{name} {text}: {outcome:?}");
            assert_eq!(accounts.hashing.verified(), done + 1, "{name} {text}");
        }
        let identified = accounts.identify(&user("alice"), &password("secret"), &origin(), NOW);
        assert_eq!(identified.unwrap(), Identified { user: user("alice"), bound: None });
        assert_eq!(accounts.hashing.verified(), attempts.len() + 1);
    }

    #[test]
    fn a_failure_takes_a_while_and_a_success_does_not() {
        let floor = Duration::from_millis(200);
        let patient = accounts(model(), floor);
        let began = Instant::now();
        let invite = Proof::Invite(Secret::new("no invitation".to_owned()).unwrap());
        let outcome = patient.identify(&user("alice"), &invite, &origin(), NOW);
        assert!(matches!(outcome, Err(NotIdentified::Wrong)));
        assert!(began.elapsed() >= floor);
        // It would never return.
        let endless = accounts(model(), Duration::MAX);
        assert!(endless.identify(&user("alice"), &password("secret"), &origin(), NOW).is_ok());
    }

    #[test]
    fn secrets_are_taken_only_where_nobody_can_read_them() {
        let accounts = accounts(model(), Duration::ZERO);
        for (address, encrypted, is_private) in [
            ("192.0.2.1", false, false),
            ("2001:db8::1", false, false),
            ("::ffff:192.0.2.1", false, false),
            ("128.0.0.1", false, false),
            ("127.0.0.1", false, true),
            ("127.8.8.8", false, true),
            ("::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("192.0.2.1", true, true),
        ] {
            let origin = Origin { address: address.parse().unwrap(), encrypted, key: origin().key };
            for proof in [password("secret"), invite()] {
                let before = accounts.hashing.verified();
                let outcome = accounts.identify(&user("alice"), &proof, &origin, NOW);
                match outcome {
                    Ok(_) => assert!(is_private, "{origin:?}"),
                    Err(NotIdentified::NotPrivate) => {
                        assert!(!is_private, "{origin:?}");
                        assert_eq!(accounts.hashing.verified(), before);
                    }
                    Err(other) => panic!("{origin:?}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn an_invitation_needs_a_key() {
        let accounts = accounts(model(), Duration::ZERO);
        let without = Origin { key: None, ..origin() };
        for name in ["alice", "bob"] {
            let outcome = accounts.identify(&user(name), &invite(), &without, NOW);
            assert!(matches!(outcome, Err(NotIdentified::NoKey)));
        }
        let identified = accounts.identify(&user("alice"), &invite(), &origin(), NOW).unwrap();
        assert_eq!(identified, Identified { user: user("alice"), bound: origin().key });
    }

    #[test]
    fn who_is_removed_or_disabled_is_nobody() {
        let accounts = accounts(model(), Duration::ZERO);
        let has_access = |name| accounts.access(&user(name)).is_some();
        assert_eq!(["alice", "bob", "carol", "dave"].map(has_access), [true, false, false, true]);
        let user_of = |key: &[u8]| accounts.user_of_key(&Fingerprint::of_spki(key));
        assert_eq!(user_of(b"alice's"), Some(user("alice")));
        assert_eq!([user_of(b"carol's"), user_of(KEY)], [None, None]);
        assert!(accounts.has_accounts());
        assert!(!self::accounts(Model::default(), Duration::ZERO).has_accounts());
    }

    /// Otherwise a flood of wrong passwords would take all threads of the caller.
    #[test]
    fn failures_that_wait_have_places_too() {
        let accounts = Arc::new(accounts(model(), Duration::MAX));
        let failing = Arc::clone(&accounts);
        // It waits as long as the test runs.
        thread::spawn(move || failing.identify(&user("alice"), &password("no"), &origin(), NOW));
        while accounts.hashing.verified() == 0 || accounts.hashing.running() > 0 {
            thread::yield_now();
        }
        let second = accounts.identify(&user("alice"), &password("secret"), &origin(), NOW);
        assert!(matches!(second, Err(NotIdentified::Busy)));
    }

    #[test]
    fn whoever_finds_no_place_is_told_that_it_is_busy() {
        let held = Arc::new(Barrier::new(2));
        let accounts = accounts(Model { held: Some(held.clone()), ..model() }, Duration::ZERO);
        thread::scope(|scope| {
            let first = scope
                .spawn(|| accounts.identify(&user("alice"), &password("secret"), &origin(), NOW));
            held.wait();
            for name in ["alice", "bob"] {
                let second = accounts.identify(&user(name), &password("secret"), &origin(), NOW);
                assert!(matches!(second, Err(NotIdentified::Busy)));
            }
            held.wait();
            assert!(first.join().unwrap().is_ok());
        });
    }
}

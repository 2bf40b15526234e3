//! Who the users of a HAUL server are, how they prove it, and what they may do.
//!
//! A running server asks [`Accounts`]; those who administer it change the [`AccountsFile`]. Both may block, and neither
//! knows of sockets. A server asks for the [`Access`](haul_core::account::Access) of a user as often as it likes: the
//! answer is always that of the file as it is now.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use std::time::SystemTime;
//!
//! use haul_accounts::{Accounts, AccountsFile, Fingerprint, NewAccount, Options, Origin};
//! use haul_core::account::{Proof, UserName};
//!
//! # let directory = tempfile::tempdir()?;
//! # let state = directory.path();
//! # #[expect(clippy::disallowed_methods)]
//! # fn now() -> SystemTime { SystemTime::now() }
//! let alice = UserName::parse("alice")?;
//! let file = AccountsFile::new(state);
//! file.add(&alice, &NewAccount::default())?;
//! let invitation = file.invite(&alice, now())?;
//!
//! let accounts = Accounts::open(state, Options::default())?;
//! let key = Fingerprint::of_spki(b"the key of the TLS handshake");
//! assert_eq!(accounts.user_of_key(&key), None);
//! let origin = Origin { address: Ipv4Addr::LOCALHOST.into(), encrypted: true, key: Some(key) };
//! accounts.identify(&alice, &Proof::Invite(invitation), &origin, now())?;
//! assert_eq!(accounts.user_of_key(&key), Some(alice));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The accounts file
//! `accounts.toml` in the state directory, in [TOML](https://toml.io/en/v1.0.0):
//!
//! ```toml
//! version = 1
//!
//! [users.alice]
//! # The directory of the share that is the root of her view; "." is the whole share. Default: her name.
//! home = "people/alice"
//! # The most bytes below her home. Default: no limit.
//! quota = 1000000000
//! # Whether the account is of no use. Default: false.
//! disabled = false
//! # The hash of her password, as a command wrote it. Default: she has none.
//! password = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
//!
//! # Other directories in her view, with a role or with rights. The directory is that of the same name by default.
//! [users.alice.mounts]
//! photos = "read"
//! "letters/out" = { directory = "outbox", rights = "put mkdir" }
//! # Her rights in her home. Default: all.
//! "." = "write"
//!
//! # The fingerprints of her keys, each with a comment.
//! [users.alice.keys]
//! "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU" = "the laptop"
//!
//! # The hashes of open invitations, each with the Unix second at which it expires.
//! [users.alice.invitations]
//! 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU = 1764158400
//! ```
//!
//! The file may be edited by hand; commands keep comments. Whatever is unknown or wrong is an error that names the line
//! and the account. The file must belong to the user who runs the program, and nobody else may have any access to it
//! (0600). If a file breaks a rule, or is gone, a running server keeps the accounts that it has and logs why, once for
//! each change; a server does not start, and no command changes anything. A server may see a half of what an editor
//! writes in place; it never does if the editor renames. Each command holds a lock (`accounts.lock`), writes a new file, syncs it, renames it and syncs the directory:
//! no two commands lose each other's changes, and a crash leaves the old file or the new one. The lock file also
//! remembers that there were accounts, so that a lost file is not taken for that of a new server.
//!
//! # What is defended
//! **Passwords** are hashed with Argon2id with the parameters of the [OWASP Password Storage Cheat Sheet][owasp]
//! (19 MiB, 2 iterations, 1 lane). No other parameters are accepted, so that all accounts cost the same. As many
//! passwords are hashed at once as there are processors, a bounded number waits, and the others are
//! [`Busy`](NotIdentified::Busy).
//!
//! **Which names exist** is not told: an account that is unknown, disabled or without a password costs the same hash;
//! whatever is wrong has one outcome, no sooner than [`Options::failure_floor`].
//!
//! **Guessing** is limited by [`Penalties`] for addresses. An account is never locked, so that nobody can lock out
//! others.
//!
//! **Invitations** are 128 random bits, of which only the SHA-256 is kept. One works [once](AccountsFile::invite), also
//! if several processes redeem it at the same time, and binds the key of that TLS handshake.
//!
//! # Another source of accounts
//! [`Accounts`] decides and knows no file: it asks a [`Source`], which a database can be as well. What must not differ
//! between sources, the work for wrong passwords, the limits and the answers, is above it.
//!
//! [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id

mod accounts;
mod error;
mod explain;
mod file;
mod fingerprint;
mod hashing;
mod invitation;
mod password;
mod penalties;
mod place;
mod random;
mod source;

pub use accounts::{Accounts, Identified, NotIdentified, Options, Origin};
pub use error::{AccountsError, FormatError};
pub use explain::{Decision, explain};
pub use file::{AccountsFile, NewAccount, NewGrant, Users};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use invitation::InvitationHash;
pub use password::PasswordHash;
pub use penalties::Penalties;
pub use place::Place;
pub use source::{Source, StoredAccount};

//! What can be wrong with accounts.

use std::fmt;
use std::io;
use std::path::PathBuf;

use haul_core::account::UserName;
use thiserror::Error;

use crate::fingerprint::Fingerprint;
use crate::place::Place;

/// Why accounts cannot be read or changed. Nothing was changed, except as [`Io`](Self::Io) says.
///
/// No text has a secret or the hash of one in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// Nobody has this name.
    #[error("there is no account {0}")]
    NoAccount(UserName),
    /// The name is taken.
    #[error("there is an account {0} already")]
    AccountExists(UserName),
    /// The name is that of everybody who has not identified themselves.
    #[error("no account is called anonymous: that is everybody who has not identified themselves")]
    Anonymous,
    /// The view of the user has no mount there.
    #[error("{user} has no mount at {at}")]
    NoMount {
        /// The user.
        user: UserName,
        /// The place that has no mount.
        at: Place,
    },
    /// The account does not have the key.
    #[error("{user} has no key {key}")]
    NoKey {
        /// The user.
        user: UserName,
        /// The key that is not there.
        key: Fingerprint,
    },
    /// A key identifies one user.
    #[error("the key {key} is that of {owner}")]
    KeyTaken {
        /// The key.
        key: Fingerprint,
        /// The user who has it.
        owner: UserName,
    },
    /// The quota is not a number that the file can hold.
    #[error("a quota is at most {} bytes", i64::MAX)]
    QuotaTooLarge,
    /// A comment of a key has control characters or more than 256 bytes.
    #[error("a comment is one line of at most 256 bytes")]
    BadComment,
    /// The file, as it is or as the change would make it, breaks a rule of the format.
    #[error("{}, {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Which rule, and where.
        #[source]
        error: FormatError,
    },
    /// The file is larger than 16 MiB, or is not a file.
    #[error("{} is not a file of at most 16 MiB", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else owns the file or its directory.
    #[error("{} belongs to uid {owner}, not to uid {us}: run this as its owner, or change the owner", path.display())]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// The owner's number.
        owner: u32,
        /// The number of the user who runs this program.
        us: u32,
    },
    /// Others may read the file, or write in its directory.
    #[error("others have access to {}: make its mode {wanted:04o} (it is {mode:04o})", path.display())]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The most that are good.
        wanted: u32,
    },
    /// There were accounts, and their file is gone.
    #[error(
        "{} is gone, but there were accounts: restore it, or remove {} to begin without accounts",
        path.display(),
        lock.display()
    )]
    Gone {
        /// The accounts file.
        path: PathBuf,
        /// The lock file, which remembers that there were accounts.
        lock: PathBuf,
    },
    /// The operating system refused. If `doing` is to sync the directory, the change is done, but may not survive a
    /// power cut.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `read`.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no memory to hash a password.
    #[error("the password cannot be hashed: there is no memory")]
    CannotHash,
    /// The operating system has no random bytes.
    #[error("the operating system has no random bytes")]
    NoRandomness,
}

/// Which rule of the format a file of accounts breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct FormatError {
    /// The line, from 1.
    pub line: usize,
    /// The account, where the mistake is in one.
    pub account: Option<UserName>,
    /// What is wrong. It is safe to print, and quotes no value.
    pub problem: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(account) = &self.account {
            write!(f, ", account {account}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

//! Accounts in a file, and their administration.

mod disk;
mod edit;
mod format;
mod watched;

use std::path::Path;
use std::time::SystemTime;

use haul_core::account::{Rights, Secret, UserName};

use crate::error::{AccountsError, FormatError};
use crate::fingerprint::Fingerprint;
use crate::invitation::{self, InvitationHash, LIFETIME, unix_seconds};
use crate::password::PasswordHash;
use crate::place::Place;
use disk::Disk;
use edit::Edit;

pub use format::Users;
pub(crate) use watched::WatchedFile;

/// What [`AccountsFile::add`] adds.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// The directory of the share that is the root of the user's view; the name of the user if `None`.
    pub home: Option<Place>,
    /// Mounts besides the home, and rights in the home (at [`Place::ROOT`]) other than all.
    pub grants: Vec<NewGrant>,
    /// The most bytes below the home: at most `i64::MAX`.
    pub quota: Option<u64>,
    /// The hash of the password.
    pub password: Option<PasswordHash>,
}

/// What [`AccountsFile::grant`] grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// Where the user sees it.
    pub at: Place,
    /// The directory of the share. `None` keeps that of a mount that is there, and otherwise is that of the same name.
    /// It is ignored at the root, which is the home.
    pub directory: Option<Place>,
    /// What the user may do there: these rights alone.
    pub rights: Rights,
}

/// The accounts file in a state directory, for those who administer it.
///
/// Each call reads the file anew. Each change is made whole or not at all, is on stable storage when the call returns,
/// waits for others who change the file at the same time, and keeps comments. The first change creates the file, and
/// the state directory if necessary. All calls may block.
#[derive(Debug, Clone)]
pub struct AccountsFile {
    disk: Disk,
}

impl AccountsFile {
    /// The file of this state directory. Nothing is read yet.
    pub fn new(state: &Path) -> Self {
        Self { disk: Disk::new(state) }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// What is in the file.
    ///
    /// # Errors
    /// If there is a file and it breaks a rule, or if there was one.
    pub fn read(&self) -> Result<Users, AccountsError> {
        match self.disk.read()? {
            Some(content) => Users::parse(&content).map_err(|error| self.breaks(error)),
            None => Ok(Users::default()),
        }
    }

    /// Adds an account.
    ///
    /// # Errors
    /// If the name is taken or `anonymous`, or the account would break a rule of the format.
    pub fn add(&self, user: &UserName, account: &NewAccount) -> Result<(), AccountsError> {
        self.change(|edit| edit.add(user, account))
    }

    /// Removes an account.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove(&self, user: &UserName) -> Result<(), AccountsError> {
        self.change(|edit| edit.remove(user))
    }

    /// Disables an account, or enables it again.
    ///
    /// # Errors
    /// If it is not there.
    pub fn set_disabled(&self, user: &UserName, disabled: bool) -> Result<(), AccountsError> {
        self.change(|edit| edit.set_disabled(user, disabled))
    }

    /// Sets the password of an account; `None` removes it.
    ///
    /// # Errors
    /// If the account is not there.
    pub fn set_password(
        &self,
        user: &UserName,
        password: Option<&PasswordHash>,
    ) -> Result<(), AccountsError> {
        self.change(|edit| edit.set_password(user, password))
    }

    /// Invites the owner of an account: the invitation works once, within 24 hours of `now`, the time of the wall
    /// clock. Nobody can learn it from the file. Expired ones of the account are removed.
    ///
    /// # Errors
    /// If the account is not there.
    pub fn invite(&self, user: &UserName, now: SystemTime) -> Result<Secret, AccountsError> {
        let (secret, hash) = invitation::invitation()?;
        let now = unix_seconds(now);
        self.change(|edit| edit.invite(user, &hash, now, now.saturating_add(LIFETIME.as_secs())))?;
        Ok(secret)
    }

    /// Gives a user a mount, or other rights in one that is there.
    ///
    /// # Errors
    /// If the account is not there, or has too many mounts.
    pub fn grant(&self, user: &UserName, grant: &NewGrant) -> Result<(), AccountsError> {
        self.change(|edit| edit.grant(user, grant))
    }

    /// Takes a mount from a user. At the root it takes all rights in the home.
    ///
    /// # Errors
    /// If the account or the mount is not there.
    pub fn revoke(&self, user: &UserName, at: &Place) -> Result<(), AccountsError> {
        self.change(|edit| edit.revoke(user, at))
    }

    /// Gives a user a key, or a key another comment: one line of at most 256 bytes.
    ///
    /// # Errors
    /// If the account is not there, or the key is that of another one.
    pub fn add_key(
        &self,
        user: &UserName,
        key: &Fingerprint,
        comment: &str,
    ) -> Result<(), AccountsError> {
        self.change(|edit| edit.add_key(user, key, comment))
    }

    /// Takes a key from a user.
    ///
    /// # Errors
    /// If the account does not have it.
    pub fn remove_key(&self, user: &UserName, key: &Fingerprint) -> Result<(), AccountsError> {
        self.change(|edit| edit.remove_key(user, key))
    }

    /// What [`Source::redeem`](crate::Source::redeem) does.
    fn redeem(
        &self,
        user: &UserName,
        invitation: &InvitationHash,
        key: &Fingerprint,
        now: SystemTime,
    ) -> Result<bool, AccountsError> {
        self.change(|edit| Ok(edit.redeem(user, invitation, key, unix_seconds(now))))
    }

    /// Changes the file under its lock.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Edit) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        let lock = self.disk.lock()?;
        let content = self.disk.read()?.unwrap_or_else(|| format::NEW_FILE.as_bytes().to_vec());
        let mut edit = Edit::begin(&content).map_err(|error| self.breaks(error))?;
        let result = change(&mut edit)?;
        let changed = edit.finish();
        if changed.as_bytes() != content {
            // No change makes a file that a server would not take.
            Users::parse(changed.as_bytes()).map_err(|error| self.breaks(error))?;
            self.disk.write(&lock, &changed)?;
        }
        Ok(result)
    }

    fn breaks(&self, error: FormatError) -> AccountsError {
        AccountsError::Format { path: self.path().to_owned(), error }
    }
}

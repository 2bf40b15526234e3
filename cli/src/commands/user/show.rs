//! `user show`.

use std::fmt;
use std::time::SystemTime;

use haul_accounts::{AccountsFile, Place, StoredAccount};
use haul_core::Escaped;
use haul_core::account::UserName;

use super::account::{account, now};
use super::record::AccountRecord;
use super::values::role;
use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    user: &UserName,
) -> Result<(), Error> {
    let account = account(file, user)?;
    app.answer(Shown { user, account: &account, now: now() }, &AccountRecord::whole(user, &account))
}

/// How many invitations can still be redeemed.
pub(super) fn open_invitations(account: &StoredAccount, now: SystemTime) -> usize {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    account.invitations.values().filter(|expires| now < **expires).count()
}

/// An account for people.
struct Shown<'a> {
    user: &'a UserName,
    account: &'a StoredAccount,
    now: SystemTime,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, account, now } = self;
        write!(f, "{user}{}", if account.disabled { "  disabled" } else { "" })?;
        write!(f, "\n  home: {}", Place::from(account.home().cloned()))?;
        if let Some(quota) = account.access.quota() {
            write!(f, "\n  quota: {quota} bytes")?;
        }
        write!(f, "\n  grants:")?;
        for mount in account.access.mounts() {
            let at = Place::from(mount.at.clone());
            write!(f, "\n    {at}: {}", role(mount.rights))?;
            if !mount.home && mount.at != mount.directory {
                write!(f, "\n      of {} in the share", Place::from(mount.directory.clone()))?;
            }
        }
        write!(f, "\n  password: {}", if account.password.is_some() { "yes" } else { "no" })?;
        write!(f, "\n  open invitations: {}", open_invitations(account, *now))?;
        write!(f, "\n  keys:{}", if account.keys.is_empty() { " none" } else { "" })?;
        for (key, comment) in &account.keys {
            write!(f, "\n    {key}")?;
            if !comment.is_empty() {
                write!(f, "\n      {}", Escaped::new(comment))?;
            }
        }
        Ok(())
    }
}

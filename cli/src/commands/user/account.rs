//! What commands about one account have in common.

use std::fmt::Display;
use std::sync::Arc;
use std::time::SystemTime;

use haul_accounts::{AccountsError, AccountsFile, StoredAccount};
use haul_core::account::UserName;

use super::record::AccountRecord;
use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// The account of a user. What changes an account asks for it first, so that a mistyped name or directory makes no
/// files.
pub(super) fn account(file: &AccountsFile, user: &UserName) -> Result<Arc<StoredAccount>, Error> {
    let users = file.read()?;
    let account = users.accounts().get(user).cloned();
    account.ok_or_else(|| AccountsError::NoAccount(user.clone()).into())
}

/// Changes the account of a user, and returns what it is then.
pub(super) fn change(
    file: &AccountsFile,
    user: &UserName,
    change: impl FnOnce() -> Result<(), AccountsError>,
) -> Result<Arc<StoredAccount>, Error> {
    account(file, user)?;
    change()?;
    // It may be removed meanwhile.
    account(file, user).map_err(|error| error.at("it is done"))
}

/// Prints what was done.
pub(super) fn tell<T: Transport>(
    app: &mut App<'_, T>,
    line: impl Display,
    record: &AccountRecord<'_>,
) -> Result<(), Error> {
    app.result(line, record).map_err(|error| error.at("it is done"))
}

/// The time by which invitations expire.
#[expect(clippy::disallowed_methods, reason = "the file has seconds of the wall clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

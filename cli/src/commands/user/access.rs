//! `user remove`, `disable`, `enable`, `grant` and `revoke`: what a user may do.

use clap::Args;
use haul_accounts::{AccountsFile, NewGrant, Place};
use haul_core::account::UserName;

use super::account::{account, change, tell};
use super::record::AccountRecord;
use super::values::{self, role};
use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// Give a user a directory of the share, or other rights there
///
/// The user sees the directory of the share that is called PATH, under the same name. The rights are those of ROLE alone, also if there were others.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
    /// What and how, such as photos=read or letters=list+get; . is the home
    #[arg(value_name = "PATH=ROLE", value_parser = values::grant)]
    grant: NewGrant,
}

/// Take a directory of the share from a user
///
/// The home stays, but without any rights there.
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
    /// The name that the user sees; . is the home
    #[arg(value_name = "PATH", value_parser = values::place)]
    path: Place,
}

pub(super) fn grant<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    args: &GrantArgs,
) -> Result<(), Error> {
    let GrantArgs { user, grant } = args;
    let account = change(file, user, || file.grant(user, grant))?;
    let line = format!("{user}  granted {}: {}", grant.at, role(grant.rights));
    tell(app, line, &AccountRecord::grants(user, &account))
}

pub(super) fn revoke<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    args: &RevokeArgs,
) -> Result<(), Error> {
    let RevokeArgs { user, path } = args;
    let account = change(file, user, || file.revoke(user, path))?;
    tell(app, format!("{user}  revoked {path}"), &AccountRecord::grants(user, &account))
}

pub(super) fn set_disabled<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    user: &UserName,
    disabled: bool,
) -> Result<(), Error> {
    let account = change(file, user, || file.set_disabled(user, disabled))?;
    let what = if disabled { "disabled" } else { "enabled" };
    tell(app, format!("{user}  {what}"), &AccountRecord::disabled(user, &account))
}

pub(super) fn remove<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    user: &UserName,
) -> Result<(), Error> {
    account(file, user)?;
    file.remove(user)?;
    tell(app, format!("{user}  removed"), &AccountRecord::name(user))
}

//! `user add`.

use std::path::Path;

use clap::Args;
use haul_accounts::{AccountsFile, NewAccount, NewGrant, PasswordHash, Place};
use haul_core::account::UserName;

use super::account::tell;
use super::invite::{self, AddressArgs};
use super::password;
use super::record::AccountRecord;
use super::values;
use crate::app::App;
use crate::error::Error;
use crate::size::Size;
use crate::transport::Transport;

/// Add an account
///
/// Without a password it invites the user: it prints one line to be pasted on the user's machine, which then has a key that identifies the user, and knows this server. It works once, within 24 hours. Send it where nobody else reads it.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The user: 1 to 64 of a-z 0-9 . _ - beginning with a letter or a digit
    #[arg(value_name = "NAME")]
    user: UserName,
    /// The directory of the share that is the user's home; . is all of it [default: NAME]
    #[arg(long, value_name = "DIR", value_parser = values::directory)]
    home: Option<Place>,
    /// A directory of the share that the user sees too, and what may be done there, such as photos=read; . is the home, with all rights unless this says otherwise. It may be given again
    #[arg(long = "grant", value_name = "PATH=ROLE", value_parser = values::grant)]
    grants: Vec<NewGrant>,
    /// The most that may be stored in the home, such as 500M or 10G [default: what fits]
    #[arg(long, value_name = "SIZE")]
    quota: Option<Size>,
    /// Take a password from the first line of stdin
    #[arg(long, conflicts_with = "address")]
    pub(super) password_stdin: bool,
    #[command(flatten)]
    address: AddressArgs,
}

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    state: &Path,
    file: &AccountsFile,
    args: &AddArgs,
) -> Result<(), Error> {
    let AddArgs { user, home, grants, quota, password_stdin, address } = args;
    one_grant_each(grants)?;
    let account = |password| NewAccount {
        home: home.clone(),
        grants: grants.clone(),
        quota: quota.map(|Size(bytes)| bytes),
        password,
    };
    if *password_stdin {
        let password = PasswordHash::of(&password::from_stdin(app)?)?;
        file.add(user, &account(Some(password)))?;
        return tell(app, format!("{user}  added"), &AccountRecord::name(user));
    }
    // Nobody is added who cannot be invited.
    let server = address.server(state, user)?;
    file.add(user, &account(None))?;
    invite::invite(app, file, user, &server).map_err(|error| error.at("the account is added"))
}

fn one_grant_each(grants: &[NewGrant]) -> Result<(), Error> {
    let twice = grants
        .iter()
        .enumerate()
        .find(|(number, grant)| grants[..*number].iter().any(|before| before.at == grant.at));
    twice.map_or(Ok(()), |(_, NewGrant { at, .. })| {
        Err(Error::usage(format!("{at} is granted twice"))
            .advise("name all its rights at once, such as list+get+put"))
    })
}

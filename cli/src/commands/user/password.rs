//! `user passwd`, and where passwords come from: a terminal or stdin, and nowhere else.

use clap::Args;
use haul_accounts::{AccountsFile, PasswordHash};
use haul_core::account::{Secret, UserName};

use super::account::{account, change, tell};
use super::record::AccountRecord;
use crate::app::App;
use crate::console::ask_secret;
use crate::error::Error;
use crate::transport::Transport;

/// Set the password of a user
///
/// It is asked for twice, on the terminal, which does not show it.
#[derive(Debug, Args)]
pub(super) struct PasswdArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
    /// Take the password from the first line of stdin
    #[arg(long)]
    pub(super) password_stdin: bool,
}

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    args: &PasswdArgs,
) -> Result<(), Error> {
    let PasswdArgs { user, password_stdin } = args;
    // Nobody shall type a password in vain.
    account(file, user)?;
    let password = if *password_stdin { from_stdin(app)? } else { from_terminal(app, user)? };
    let hash = PasswordHash::of(&password)?;
    change(file, user, || file.set_password(user, Some(&hash)))?;
    tell(app, format!("{user}  password set"), &AccountRecord::name(user))
}

/// Takes a password from the first line of stdin.
pub(super) fn from_stdin<T: Transport>(app: &mut App<'_, T>) -> Result<Secret, Error> {
    if app.console.stdin.is_terminal() {
        return Err(Error::usage("stdin is a terminal, which would show the password")
            .advise("pipe it in; user passwd without --password-stdin shows nothing"));
    }
    app.console.secret_from_stdin()
}

fn from_terminal<T: Transport>(app: &App<'_, T>, user: &UserName) -> Result<Secret, Error> {
    if !app.console.stdin.is_terminal() {
        return Err(Error::usage("there is no terminal to type a password on")
            .advise("--password-stdin takes it from stdin"));
    }
    let password = ask_secret(&format!("New password for {user}: "))?;
    if ask_secret("The same again: ")? != password {
        return Err(Error::usage("the passwords differ").advise("nothing was changed; try again"));
    }
    Ok(password)
}

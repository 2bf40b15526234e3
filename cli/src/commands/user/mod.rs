//! `user`: the accounts of a server on this machine.

mod access;
mod account;
mod add;
mod check;
mod error;
mod invite;
mod key;
mod list;
mod password;
mod record;
mod show;
mod values;

use clap::{Args, Subcommand};
use haul_accounts::AccountsFile;
use haul_core::account::UserName;

use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::state::StateArgs;
use crate::transport::Transport;

/// Administer the accounts of a server on this machine
///
/// They are in the file accounts.toml in the directory --state, for these commands and for editors. A server that runs notices each change at once.
///
/// PATH is a name in the view of the user, whose root is the user's home and is written `.`. ROLE is read (list get), drop (put mkdir), add (list get put mkdir), write (all rights), or some of the rights list, get, put, replace, mkdir, delete and move, such as list+get.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    state: StateArgs,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    Add(add::AddArgs),
    /// List the accounts: their names, how they can be identified, and their homes
    List,
    /// Show an account
    Show(NameArgs),
    /// Remove an account; its files stay
    ///
    /// Its sessions end.
    Remove(NameArgs),
    /// Keep a user out, without removing the account
    ///
    /// The user's sessions end.
    Disable(NameArgs),
    /// Let a user in again who was kept out
    Enable(NameArgs),
    Passwd(password::PasswdArgs),
    Invite(invite::InviteArgs),
    Grant(access::GrantArgs),
    Revoke(access::RevokeArgs),
    /// Add or remove a key that identifies a user
    #[command(subcommand)]
    Key(key::KeyCommand),
    Check(check::CheckArgs),
}

/// An account.
#[derive(Debug, Args)]
struct NameArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
}

impl UserArgs {
    /// Whether something is taken from stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        match &self.command {
            UserCommand::Add(args) => args.password_stdin,
            UserCommand::Passwd(args) => args.password_stdin,
            _ => false,
        }
    }

    /// Whether somebody types a password.
    pub(crate) fn asks_for_a_password(&self) -> bool {
        matches!(&self.command, UserCommand::Passwd(args) if !args.password_stdin)
    }

    /// Whether what it prints was asked for, and is not only what was done.
    pub(crate) fn answers(&self) -> bool {
        match &self.command {
            UserCommand::Add(args) => !args.password_stdin,
            command => matches!(
                command,
                UserCommand::List
                    | UserCommand::Show(_)
                    | UserCommand::Invite(_)
                    | UserCommand::Check(_)
            ),
        }
    }
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &UserArgs) -> Result<Exit, Error> {
    let state = args.state.directory()?;
    let file = AccountsFile::new(&state);
    match &args.command {
        UserCommand::Add(args) => add::run(app, &state, &file, args)?,
        UserCommand::List => list::run(app, &file)?,
        UserCommand::Show(NameArgs { user }) => show::run(app, &file, user)?,
        UserCommand::Remove(NameArgs { user }) => access::remove(app, &file, user)?,
        UserCommand::Disable(NameArgs { user }) => access::set_disabled(app, &file, user, true)?,
        UserCommand::Enable(NameArgs { user }) => access::set_disabled(app, &file, user, false)?,
        UserCommand::Passwd(args) => password::run(app, &file, args)?,
        UserCommand::Invite(args) => invite::run(app, &state, &file, args)?,
        UserCommand::Grant(args) => access::grant(app, &file, args)?,
        UserCommand::Revoke(args) => access::revoke(app, &file, args)?,
        UserCommand::Key(command) => key::run(app, &file, command)?,
        UserCommand::Check(args) => return check::run(app, &file, args),
    }
    Ok(Exit::Done)
}

//! `user key add` and `user key remove`.

use clap::{Args, Subcommand};
use haul_accounts::{AccountsFile, Fingerprint};
use haul_core::account::UserName;

use super::account::{change, tell};
use super::record::AccountRecord;
use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Add a key that identifies a user, or change its comment
    Add(AddKeyArgs),
    /// Remove a key of a user
    Remove(KeyArgs),
}

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
    /// The fingerprint of the key: SHA256: and 43 characters
    #[arg(value_name = "FINGERPRINT")]
    key: Fingerprint,
}

#[derive(Debug, Args)]
pub(super) struct AddKeyArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// What helps to tell keys apart, such as the name of a machine
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    command: &KeyCommand,
) -> Result<(), Error> {
    let (user, account, what) = match command {
        KeyCommand::Add(AddKeyArgs { key: KeyArgs { user, key }, comment }) => {
            (user, change(file, user, || file.add_key(user, key, comment))?, "key added")
        }
        KeyCommand::Remove(KeyArgs { user, key }) => {
            (user, change(file, user, || file.remove_key(user, key))?, "key removed")
        }
    };
    tell(app, format!("{user}  {what}"), &AccountRecord::keys(user, &account))
}

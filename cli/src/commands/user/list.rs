//! `user list`.

use std::time::SystemTime;

use haul_accounts::{AccountsFile, Place, StoredAccount};

use super::account::now;
use super::record::AccountRecord;
use super::show;
use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// The widest that a column is made for one entry.
const MOST_PADDED: usize = 16;

pub(super) fn run<T: Transport>(app: &mut App<'_, T>, file: &AccountsFile) -> Result<(), Error> {
    let users = file.read()?;
    let accounts = users.accounts();
    if accounts.is_empty() {
        app.note(format_args!("there are no accounts in {}", file.path().display()));
    }
    let now = now();
    let width = |column: &dyn Fn(&str, &StoredAccount) -> usize| {
        let widths = accounts.iter().map(|(user, account)| column(user.as_str(), account));
        widths.max().unwrap_or_default().min(MOST_PADDED)
    };
    let name_width = width(&|user, _| user.len());
    let ways_width = width(&|_, account| ways(account, now).len());
    for (user, account) in accounts {
        let (ways, home) = (ways(account, now), Place::from(account.home().cloned()));
        let line = format!("{user:name_width$}  {ways:ways_width$}  {home}");
        app.answer(line, &AccountRecord::whole(user, account))?;
    }
    Ok(())
}

/// How the user can be identified, in a few words.
fn ways(account: &StoredAccount, now: SystemTime) -> String {
    if account.disabled {
        return String::from("disabled");
    }
    let mut ways = Vec::new();
    match account.keys.len() {
        0 => {}
        1 => ways.push(String::from("key")),
        number => ways.push(format!("{number} keys")),
    }
    if account.password.is_some() {
        ways.push(String::from("password"));
    }
    if show::open_invitations(account, now) > 0 {
        ways.push(String::from("invited"));
    }
    if ways.is_empty() { String::from("no way in") } else { ways.join(", ") }
}

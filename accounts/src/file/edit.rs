//! Changes of the accounts file, which keep what else is in it.

use haul_core::account::{Rights, UserName};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::format::{self, Users, is_comment, rights_text};
use super::{NewAccount, NewGrant};
use crate::error::{AccountsError, FormatError};
use crate::fingerprint::Fingerprint;
use crate::invitation::InvitationHash;
use crate::password::PasswordHash;
use crate::place::Place;
use crate::source::StoredAccount;

/// The comment of a key that an invitation bound.
const INVITED: &str = "by invitation";

/// A file that is being changed.
pub(super) struct Edit {
    /// What is in it, before the change.
    users: Users,
    document: DocumentMut,
}

impl Edit {
    pub(super) fn begin(content: &[u8]) -> Result<Self, FormatError> {
        let (users, document) = format::parse(content)?;
        Ok(Self { users, document: document.into_mut() })
    }

    pub(super) fn finish(self) -> String {
        self.document.to_string()
    }

    pub(super) fn add(
        &mut self,
        user: &UserName,
        account: &NewAccount,
    ) -> Result<(), AccountsError> {
        if user.is_anonymous() {
            return Err(AccountsError::Anonymous);
        }
        if self.users.accounts().contains_key(user) {
            return Err(AccountsError::AccountExists(user.clone()));
        }
        let mut table = Table::new();
        if let Some(home) = &account.home {
            set(&mut table, "home", home.as_str());
        }
        if let Some(quota) = account.quota {
            set(
                &mut table,
                "quota",
                i64::try_from(quota).map_err(|_| AccountsError::QuotaTooLarge)?,
            );
        }
        if let Some(password) = &account.password {
            set(&mut table, "password", password.to_string());
        }
        for grant in &account.grants {
            set_mount(subtable(&mut table, "mounts"), grant);
        }
        let root = self.document.as_table_mut();
        if !root.contains_key("users") {
            let mut users = Table::new();
            users.set_implicit(true);
            root.insert("users", Item::Table(users));
        }
        subtable(root, "users").insert(user.as_str(), Item::Table(table));
        Ok(())
    }

    pub(super) fn remove(&mut self, user: &UserName) -> Result<(), AccountsError> {
        self.account(user)?;
        subtable(self.document.as_table_mut(), "users").remove(user.as_str());
        Ok(())
    }

    pub(super) fn set_disabled(
        &mut self,
        user: &UserName,
        disabled: bool,
    ) -> Result<(), AccountsError> {
        let (_, table) = self.account(user)?;
        if disabled {
            set(table, "disabled", true);
        } else {
            table.remove("disabled");
        }
        Ok(())
    }

    pub(super) fn set_password(
        &mut self,
        user: &UserName,
        password: Option<&PasswordHash>,
    ) -> Result<(), AccountsError> {
        let (_, table) = self.account(user)?;
        match password {
            Some(password) => set(table, "password", password.to_string()),
            None => {
                table.remove("password");
            }
        }
        Ok(())
    }

    pub(super) fn invite(
        &mut self,
        user: &UserName,
        invitation: &InvitationHash,
        now: u64,
        expires: u64,
    ) -> Result<(), AccountsError> {
        let (account, table) = self.account(user)?;
        for (expired, _) in account.invitations.iter().filter(|(_, expires)| **expires <= now) {
            remove_from(table, "invitations", &expired.to_string());
        }
        let expires = i64::try_from(expires).unwrap_or(i64::MAX);
        set(subtable(table, "invitations"), &invitation.to_string(), expires);
        Ok(())
    }

    pub(super) fn redeem(
        &mut self,
        user: &UserName,
        invitation: &InvitationHash,
        key: &Fingerprint,
        now: u64,
    ) -> bool {
        let is_taken = self.users.owner_of_key(key).is_some_and(|owner| owner != user);
        // The account may have been removed meanwhile.
        let Ok((account, table)) = self.account(user) else { return false };
        let is_open = account.invitations.get(invitation).is_some_and(|expires| now < *expires);
        if is_taken || account.disabled || !is_open {
            return false;
        }
        remove_from(table, "invitations", &invitation.to_string());
        if !account.keys.contains_key(key) {
            set(subtable(table, "keys"), &key.to_string(), INVITED);
        }
        true
    }

    pub(super) fn grant(&mut self, user: &UserName, grant: &NewGrant) -> Result<(), AccountsError> {
        let (_, table) = self.account(user)?;
        set_mount(subtable(table, "mounts"), grant);
        Ok(())
    }

    pub(super) fn revoke(&mut self, user: &UserName, at: &Place) -> Result<(), AccountsError> {
        let (account, table) = self.account(user)?;
        if at.path().is_none() {
            set_mount(
                subtable(table, "mounts"),
                &NewGrant { at: Place::ROOT, directory: None, rights: Rights::NONE },
            );
        } else if account.access.mounts().iter().any(|mount| mount.at.as_ref() == at.path()) {
            remove_from(table, "mounts", at.as_str());
        } else {
            return Err(AccountsError::NoMount { user: user.clone(), at: at.clone() });
        }
        Ok(())
    }

    pub(super) fn add_key(
        &mut self,
        user: &UserName,
        key: &Fingerprint,
        comment: &str,
    ) -> Result<(), AccountsError> {
        if !is_comment(comment) {
            return Err(AccountsError::BadComment);
        }
        if let Some(owner) = self.users.owner_of_key(key).filter(|owner| *owner != user) {
            return Err(AccountsError::KeyTaken { key: *key, owner: owner.clone() });
        }
        let (_, table) = self.account(user)?;
        set(subtable(table, "keys"), &key.to_string(), comment);
        Ok(())
    }

    pub(super) fn remove_key(
        &mut self,
        user: &UserName,
        key: &Fingerprint,
    ) -> Result<(), AccountsError> {
        let (account, table) = self.account(user)?;
        if !account.keys.contains_key(key) {
            return Err(AccountsError::NoKey { user: user.clone(), key: *key });
        }
        remove_from(table, "keys", &key.to_string());
        Ok(())
    }

    /// An account, and its table in the document.
    fn account(
        &mut self,
        user: &UserName,
    ) -> Result<(&StoredAccount, &mut dyn TableLike), AccountsError> {
        let account = self
            .users
            .accounts()
            .get(user)
            .ok_or_else(|| AccountsError::NoAccount(user.clone()))?;
        let users = subtable(self.document.as_table_mut(), "users");
        Ok((account, subtable(users, user.as_str())))
    }
}

/// The table with this name in another one, which is made if it is not there. The file was parsed, so nothing else has
/// its name.
fn subtable<'a>(table: &'a mut dyn TableLike, name: &str) -> &'a mut dyn TableLike {
    let is_table = table.get(name).is_some_and(Item::is_table_like);
    if !is_table {
        table.insert(name, Item::Table(Table::new()));
    }
    let made = table.get_mut(name).and_then(Item::as_table_like_mut);
    made.expect("a table that was inserted is there")
}

/// Removes a name from a table, and the table if that was all.
fn remove_from(table: &mut dyn TableLike, subtable_name: &str, name: &str) {
    let subtable = subtable(table, subtable_name);
    subtable.remove(name);
    if subtable.is_empty() {
        table.remove(subtable_name);
    }
}

/// Sets a value, and keeps the comments around it.
fn set(table: &mut dyn TableLike, name: &str, value: impl Into<Value>) {
    let mut value = value.into();
    if let Some(old) = table.get_mut(name).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
    } else {
        table.insert(name, Item::Value(value));
    }
}

fn set_mount(mounts: &mut dyn TableLike, grant: &NewGrant) {
    let at = grant.at.as_str();
    let rights = rights_text(grant.rights);
    let directory = grant.directory.as_ref().filter(|_| grant.at != Place::ROOT);
    let is_table = mounts.get(at).is_some_and(Item::is_table_like);
    if !is_table && directory.is_none_or(|directory| *directory == grant.at) {
        return set(mounts, at, rights);
    }
    if !is_table {
        mounts.insert(at, Item::Value(InlineTable::new().into()));
    }
    let mount = subtable(mounts, at);
    if let Some(directory) = directory {
        set(mount, "directory", directory.as_str());
    }
    set(mount, "rights", rights);
}

//! Accounts as they are printed for programs.

use std::collections::BTreeMap;

use haul_accounts::{Place, StoredAccount};
use haul_core::account::{Right, UserName};
use serde::Serialize;

/// An account, or the part of it that a command is about.
#[derive(Debug, Serialize)]
pub(super) struct AccountRecord<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<BTreeMap<String, Vec<&'static str>>>,
    /// The directories of mounts that are not of the same name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    directories: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
    /// The command by which the user logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'a str>,
}

impl<'a> AccountRecord<'a> {
    /// The name of the user alone.
    pub(super) fn name(user: &'a UserName) -> Self {
        Self {
            user: user.as_str(),
            home: None,
            grants: None,
            directories: BTreeMap::new(),
            keys: None,
            quota: None,
            disabled: None,
            login: None,
        }
    }

    /// The command by which the user logs in.
    pub(super) fn login(user: &'a UserName, login: &'a str) -> Self {
        Self { login: Some(login), ..Self::name(user) }
    }

    /// What the user may do where.
    pub(super) fn grants(user: &'a UserName, account: &StoredAccount) -> Self {
        let mounts = account.access.mounts();
        let place = |path: &Option<_>| Place::from(path.clone()).as_str().to_owned();
        let grants = mounts
            .iter()
            .map(|mount| (place(&mount.at), mount.rights.iter().map(Right::as_str).collect()));
        let elsewhere = mounts.iter().filter(|mount| !mount.home && mount.at != mount.directory);
        Self {
            grants: Some(grants.collect()),
            directories: elsewhere
                .map(|mount| (place(&mount.at), place(&mount.directory)))
                .collect(),
            ..Self::name(user)
        }
    }

    /// The keys of the user.
    pub(super) fn keys(user: &'a UserName, account: &StoredAccount) -> Self {
        let keys = account.keys.keys().map(ToString::to_string).collect();
        Self { keys: Some(keys), ..Self::name(user) }
    }

    /// Whether the user is kept out.
    pub(super) fn disabled(user: &'a UserName, account: &StoredAccount) -> Self {
        Self { disabled: Some(account.disabled), ..Self::name(user) }
    }

    /// All that is no secret.
    pub(super) fn whole(user: &'a UserName, account: &StoredAccount) -> Self {
        let home = Place::from(account.home().cloned());
        Self {
            home: Some(home.as_str().to_owned()),
            keys: Self::keys(user, account).keys,
            quota: account.access.quota(),
            disabled: Some(account.disabled),
            ..Self::grants(user, account)
        }
    }
}

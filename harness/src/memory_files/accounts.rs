//! Who may use the files in memory.

use std::collections::BTreeMap;

use haul_core::Done;
use haul_core::account::{Account, Grant, Proof, Rights, UserName};

/// Users with passwords. Each of them may do everything.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    passwords: BTreeMap<UserName, String>,
    /// The user of the session.
    user: Option<UserName>,
}

impl Accounts {
    pub(super) fn add(&mut self, user: UserName, password: &str) {
        self.passwords.insert(user, password.to_owned());
    }

    pub(super) fn identify(&mut self, user: &UserName, proof: &Proof) -> Done {
        assert_eq!(self.user, None, "who is identified is asked again");
        match proof {
            Proof::Password(secret)
                if self.passwords.get(user).is_some_and(|known| known == secret.expose()) =>
            {
                self.user = Some(user.clone());
                Done::Identified { user: user.clone() }
            }
            _ => Done::NotIdentified,
        }
    }

    pub(super) fn account(&self) -> Account {
        let user = self.user.clone();
        let all = Grant { path: None, rights: Rights::ALL };
        Account { grants: user.iter().map(|_| all.clone()).collect(), user, quota: None }
    }
}

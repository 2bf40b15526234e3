//! Files of accounts: what they mean, and what commands change in them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::SystemTime;

use haul_accounts::{
    AccountsError, AccountsFile, Fingerprint, NewAccount, NewGrant, Place, StoredAccount, Users,
};
use haul_core::account::{Access, Right, Rights, UserName};
use tempfile::TempDir;

/// How many accounts of a file are changed.
const CHANGED: usize = 2;

struct State {
    file: AccountsFile,
    _directory: TempDir,
}

thread_local! {
    static STATE: State = State::new().expect("a directory can be made");
}

type ByName = BTreeMap<UserName, Arc<StoredAccount>>;

impl State {
    fn new() -> std::io::Result<Self> {
        // In memory: every change is synced.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        Ok(Self { file: AccountsFile::new(directory.path()), _directory: directory })
    }

    fn write(&self, content: &[u8]) {
        let options =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).clone();
        options.open(self.file.path()).and_then(|mut file| file.write_all(content)).unwrap();
    }

    fn read(&self) -> ByName {
        self.file.read().expect("a change leaves a good file").accounts().clone()
    }
}

/// Reads `data` as an accounts file, and changes accounts in it if it is one.
///
/// # Panics
/// When an error names a line that is not there or would control a terminal; when a change of one account is not what
/// was asked for, changes another account, or makes a bad file.
pub fn accounts(data: &[u8]) {
    let users = match Users::parse(data) {
        Ok(users) => users,
        Err(error) => {
            let lines = data.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "{error:?} of {lines} lines");
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            return;
        }
    };
    STATE.with(|state| {
        state.write(data);
        assert_eq!(&state.read(), users.accounts());
        for user in users.accounts().keys().take(CHANGED) {
            change(state, user);
        }
        add(state);
    });
    let owners = users
        .accounts()
        .iter()
        .flat_map(|(user, account)| account.keys.keys().map(move |key| (key, user)));
    for (key, user) in owners {
        assert_eq!(users.owner_of_key(key), Some(user));
    }
}

/// Adds an account that is not there.
fn add(state: &State) {
    let before = state.read();
    let mut names = (0..).filter_map(|n| UserName::parse(&format!("new{n}")).ok());
    let new = names.find(|name| !before.contains_key(name)).expect("some name is free");
    let mount =
        NewGrant { at: path("a b/c"), directory: Some(path("d\u{e9}")), rights: Rights::ALL };
    let added = NewAccount { grants: vec![mount], quota: Some(7), ..NewAccount::default() };
    state.file.add(&new, &added).unwrap();
    let mut after = state.read();
    let account = after.remove(&new).expect("it was added");
    assert_eq!((account.access.mounts().len(), account.access.quota()), (2, Some(7)));
    assert_eq!(after, before);
}

/// Changes an account in every way, and removes it.
fn change(state: &State, user: &UserName) {
    let (before, file) = (state.read(), &state.file);
    let was = &before[user];
    let at = path("granted/here");
    let rights = Rights::of(&[Right::Get]);
    let granted = file.grant(user, &NewGrant { at: at.clone(), directory: None, rights });
    let is_full = was.access.mounts().len() >= Access::MAX_MOUNTS;
    assert!(granted.is_ok() || is_full && matches!(granted, Err(AccountsError::Format { .. })));
    let key = Fingerprint::of_spki(b"a new key");
    let bound = file.add_key(user, &key, "new");
    let is_taken =
        before.iter().any(|(other, account)| other != user && account.keys.contains_key(&key));
    assert_eq!(bound.is_err(), is_taken, "{bound:?}");
    file.set_disabled(user, !was.disabled).unwrap();
    file.set_password(user, None).unwrap();
    file.invite(user, SystemTime::UNIX_EPOCH).unwrap();

    let mut after = state.read();
    let account = after.remove(user).expect("it is still there");
    let mount = account.access.mounts().iter().find(|mount| mount.at.as_ref() == at.path());
    assert!(granted.is_err() || mount.is_some_and(|mount| mount.rights == rights), "{mount:?}");
    assert_eq!(account.keys.get(&key).map(String::as_str), bound.is_ok().then_some("new"));
    assert_eq!((account.disabled, &account.password), (!was.disabled, &None));
    assert_eq!(account.access.quota(), was.access.quota());
    assert_eq!(account.home(), was.home());
    let open = was.invitations.values().filter(|expires| **expires > 0).count();
    assert_eq!(account.invitations.len(), open + 1);
    if granted.is_ok() {
        file.revoke(user, &at).unwrap();
    }
    file.remove(user).unwrap();
    let mut others = before;
    others.remove(user);
    assert_eq!(after, others);
    assert_eq!(state.read(), others);
}

fn path(text: &str) -> Place {
    text.parse().expect("it is a path")
}

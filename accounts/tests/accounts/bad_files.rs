//! Files that are broken, half written, not ours or gone: what was in force stays in force, and it is said.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use haul_accounts::{Accounts, NewAccount, Options};
use haul_core::account::{Rights, Role};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;

use crate::support::{Log, State, user};

fn chown(path: &Path, owner: u32) {
    std::os::unix::fs::chown(path, Some(owner), None).unwrap();
}

fn replace_by(file: &Path, make: impl FnOnce(&Path)) {
    fs::remove_file(file).unwrap();
    make(file);
}

/// What is said of a bad file, and how a file becomes so.
type Way = (&'static str, fn(&State));

/// Each way in which a file is bad.
fn bad_ways() -> Vec<Way> {
    let mut ways: Vec<Way> = vec![
        ("line 2: ", |state| state.write("version = 1\nusers")),
        ("\"extra\" is unknown", |state| state.write("version = 1\nextra = 1")),
        ("`version = 1`", |state| state.write("")),
        ("line 5: unclosed table", |state| {
            let text = state.text();
            state.write(&text[..text.len() - 3]);
        }),
        ("make its mode 0600 (it is 0644)", |state| state.set_mode(0o644)),
        ("make its mode 0600 (it is 0640)", |state| state.set_mode(0o640)),
        ("make its mode 0600 (it is 0602)", |state| state.set_mode(0o602)),
        ("is gone, but there were accounts", |state| fs::remove_file(state.file.path()).unwrap()),
        ("is not a file", |state| {
            replace_by(state.file.path(), |path| fs::create_dir(path).unwrap());
        }),
        ("is not a file", |state| {
            replace_by(state.file.path(), |path| {
                mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            });
        }),
        ("cannot read", |state| {
            let elsewhere = state.path().join("elsewhere");
            fs::rename(state.file.path(), &elsewhere).unwrap();
            symlink(elsewhere, state.file.path()).unwrap();
        }),
        ("others have access to", |state| {
            fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).unwrap();
            state.write("version = 1");
        }),
        ("is not a file of at most 16 MiB", |state| {
            state.write(&format!("version = 1\n#{}", "x".repeat(16 << 20)));
        }),
    ];
    if geteuid().is_root() {
        ways.push(("belongs to uid 4242, not to uid 0", |state| {
            chown(state.file.path(), 4242);
        }));
        ways.push(("belongs to uid 4242, not to uid 0", |state| {
            chown(&state.path(), 4242);
            state.write("version = 1");
        }));
    }
    ways
}

#[test]
fn a_bad_file_leaves_the_accounts_as_they_were_and_is_logged_once() {
    for (said, make_bad) in bad_ways() {
        Log::during(|log| {
            let state = State::of(&["alice"]);
            let accounts = state.accounts();
            let access = accounts.access(&user("alice"));
            let generation = accounts.generation();
            log.take();

            make_bad(&state);
            assert_eq!(accounts.access(&user("alice")), access, "{said}");
            let logged = log.take();
            assert!(logged.contains(said), "{said} is not said: {logged}");
            assert!(logged.contains("ERROR"), "{logged}");
            for _ in 0..3 {
                assert_eq!(accounts.access(&user("alice")), access, "{said}");
                assert!(accounts.has_accounts(), "{said}");
            }
            assert_eq!(accounts.generation(), generation, "{said}");
            assert_eq!(log.take(), "", "{said}");
        });
    }
}

#[test]
fn a_server_does_not_start_and_no_command_runs_with_a_bad_file() {
    for (said, make_bad) in bad_ways() {
        let state = State::of(&["alice"]);
        make_bad(&state);
        let opened = Accounts::open(&state.path(), Options::default()).map(drop);
        let added = state.file.add(&user("bob"), &NewAccount::default());
        let read = state.file.read().map(drop);
        for outcome in [opened, added, read] {
            let error = outcome.expect_err(said).to_string();
            assert!(error.contains(said), "{error:?} does not say {said:?}");
            assert!(error.contains("state"), "{error:?} does not say where");
        }
    }
}

#[test]
fn every_change_is_in_force_at_once() {
    let state = State::new();
    let accounts = state.accounts();
    let alice = user("alice");
    let rights = || accounts.access(&alice).map(|access| access.mounts()[0].rights);
    assert!(!accounts.has_accounts());

    state.file.add(&alice, &NewAccount::default()).unwrap();
    assert!(accounts.has_accounts());
    assert_eq!(rights(), Some(Rights::ALL));
    let mut generations = vec![accounts.generation()];
    for (text, expected) in [
        ("version = 1\n[users.alice]\nmounts = { '.' = 'read' }", Some(Role::Read.rights())),
        ("version = 1\n[users.alice]\nmounts = { '.' = 'drop' }", Some(Role::Drop.rights())),
        ("version = 1\n[users.alice]\ndisabled = true", None),
        ("version = 1\n[users.alice]\ndisabled = false", Some(Rights::ALL)),
        ("version = 1\n[users.bob]", None),
    ] {
        state.write(text);
        assert_eq!(rights(), expected, "{text}");
        generations.push(accounts.generation());
    }
    assert!(generations.is_sorted_by(|one, next| one < next), "{generations:?}");
    // In place, as some editors write.
    let last = *generations.last().unwrap();
    fs::write(state.file.path(), "version = 1\n[users.eve]").unwrap();
    assert!(accounts.access(&user("eve")).is_some() && accounts.access(&user("bob")).is_none());
    assert!(accounts.generation() > last);
}

#[test]
fn a_file_that_is_good_again_is_in_force_and_a_new_mistake_is_logged() {
    Log::during(|log| {
        let state = State::of(&["alice"]);
        let accounts = state.accounts();
        let good = state.text();
        for mistake in ["version = 2", "version = 3", "version = 3"] {
            state.write(mistake);
            assert!(accounts.access(&user("alice")).is_some());
            assert_eq!(log.take().matches("ERROR").count(), 1, "{mistake}");
        }
        state.write(&good);
        assert!(accounts.access(&user("alice")).is_some());
        assert!(log.take().contains("good again"));
        state.write("version = 1");
        assert!(accounts.access(&user("alice")).is_none());
        assert!(!accounts.has_accounts());
    });
}

#[test]
fn a_lost_file_is_not_that_of_a_new_server() {
    let state = State::new();
    // A reader leaves nothing behind, and a failed command no accounts.
    assert_eq!(state.file.read().unwrap().accounts().len(), 0);
    assert!(!state.path().exists());
    state.file.remove(&user("alice")).unwrap_err();
    assert!(!state.accounts().has_accounts());

    state.file.add(&user("alice"), &NewAccount::default()).unwrap();
    state.file.remove(&user("alice")).unwrap();
    assert!(!state.accounts().has_accounts());
    fs::remove_file(state.file.path()).unwrap();
    state.file.add(&user("bob"), &NewAccount::default()).unwrap_err();
    fs::remove_file(state.path().join("accounts.lock")).unwrap();
    state.file.add(&user("bob"), &NewAccount::default()).unwrap();
}

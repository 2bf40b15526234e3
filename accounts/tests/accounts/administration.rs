//! Commands that change the file.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use haul_accounts::{AccountsError, NewAccount, NewGrant, PasswordHash, Place};
use haul_core::account::{Right, Rights, Role, UserName};

use crate::support::{NOW, State, key, secret, user};

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

fn grant(at: &str, rights: Rights) -> NewGrant {
    NewGrant { at: place(at), directory: None, rights }
}

/// The mounts of a user, as text.
fn mounts(state: &State, name: &str) -> Vec<String> {
    let text = |path: Option<_>| Place::from(path).to_string();
    let account = state.account(name);
    let mounts = account.access.mounts().iter().cloned();
    mounts
        .map(|mount| format!("{} = {}: {}", text(mount.at), text(mount.directory), mount.rights))
        .collect()
}

#[test]
fn an_account_is_kept_as_it_was_given() {
    let state = State::new();
    let password = PasswordHash::of(&secret("secret")).unwrap();
    let account = NewAccount {
        home: Some(place("people/alice b")),
        grants: vec![
            grant("photos", Role::Read.rights()),
            NewGrant {
                directory: Some(place("outbox")),
                ..grant("letters/out", Rights::of(&[Right::Get]))
            },
            NewGrant { directory: Some(Place::ROOT), ..grant("everything", Role::Write.rights()) },
            grant(".", Role::Add.rights()),
        ],
        quota: Some(1000),
        password: Some(password.clone()),
    };
    state.file.add(&user("alice"), &account).unwrap();
    state.file.add(&user("b.o_b-2"), &NewAccount::default()).unwrap();

    assert_eq!(
        mounts(&state, "alice"),
        [
            ". = people/alice b: list get put mkdir",
            "everything = .: list get put replace mkdir delete move",
            "letters/out = outbox: get",
            "photos = photos: list get",
        ]
    );
    let alice = state.account("alice");
    assert_eq!(alice.home().unwrap().as_str(), "people/alice b");
    assert_eq!((alice.access.quota(), alice.disabled), (Some(1000), false));
    assert_eq!(alice.password, Some(password));
    assert_eq!(mounts(&state, "b.o_b-2"), [". = b.o_b-2: list get put replace mkdir delete move"]);
    assert_eq!(state.account("b.o_b-2").access.quota(), None);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(state.file.path()), mode(&state.path())), (0o600, 0o700));
}

#[test]
fn every_change_is_one_of_its_account_alone() {
    let state = State::of(&["alice", "bob"]);
    let bob = state.account("bob");
    let alice = user("alice");

    state.file.set_disabled(&alice, true).unwrap();
    assert!(state.account("alice").disabled);
    state.file.set_disabled(&alice, false).unwrap();
    assert!(!state.account("alice").disabled);

    let hash = PasswordHash::of(&secret("secret")).unwrap();
    state.file.set_password(&alice, Some(&hash)).unwrap();
    assert_eq!(state.account("alice").password, Some(hash));
    state.file.set_password(&alice, None).unwrap();
    assert_eq!(state.account("alice").password, None);

    state.file.add_key(&alice, &key("one"), "the laptop").unwrap();
    state.file.add_key(&alice, &key("two"), "").unwrap();
    state.file.add_key(&alice, &key("one"), "the \"old\" laptop").unwrap();
    assert_eq!(state.account("alice").keys[&key("one")], "the \"old\" laptop");
    assert_eq!(state.file.read().unwrap().owner_of_key(&key("two")), Some(&alice));
    state.file.remove_key(&alice, &key("two")).unwrap();
    assert_eq!(state.account("alice").keys.len(), 1);

    assert_eq!(state.account("bob"), bob);
    state.file.remove(&alice).unwrap();
    let left = state.file.read().unwrap();
    assert_eq!(left.accounts().keys().collect::<Vec<_>>(), [&user("bob")]);
    assert_eq!(left.owner_of_key(&key("one")), None);
    assert_eq!(state.account("bob"), bob);
}

#[test]
fn a_grant_replaces_rights_and_keeps_the_directory() {
    let state = State::of(&["alice"]);
    let alice = user("alice");
    let all = Role::Write.rights();
    state
        .file
        .grant(&alice, &NewGrant { directory: Some(place("pictures")), ..grant("photos", all) })
        .unwrap();
    state.file.grant(&alice, &grant("photos", Role::Read.rights())).unwrap();
    assert_eq!(mounts(&state, "alice")[1], "photos = pictures: list get");
    state
        .file
        .grant(&alice, &NewGrant { directory: Some(place("photos")), ..grant("photos", all) })
        .unwrap();
    assert_eq!(
        mounts(&state, "alice")[1],
        "photos = photos: list get put replace mkdir delete move"
    );

    state.file.revoke(&alice, &place("photos")).unwrap();
    assert_eq!(mounts(&state, "alice").len(), 1);
    state.file.revoke(&alice, &Place::ROOT).unwrap();
    assert_eq!(mounts(&state, "alice"), [". = alice: "]);
    state
        .file
        .grant(&alice, &NewGrant { directory: Some(place("x")), ..grant(".", Role::Read.rights()) })
        .unwrap();
    assert_eq!(mounts(&state, "alice"), [". = alice: list get"]);
}

#[test]
fn what_cannot_be_changed_is_told_and_changes_nothing() {
    let state = State::of(&["alice", "bob"]);
    let (alice, bob, nobody) = (user("alice"), user("bob"), user("carol"));
    state.file.add_key(&bob, &key("bob's"), "").unwrap();
    let before = state.text();
    let file = &state.file;
    let new = NewAccount::default();
    let many = (0..256).map(|n| grant(&format!("m{n}"), Rights::ALL)).collect();
    let errors: Vec<(Result<(), AccountsError>, &str)> = vec![
        (file.add(&alice, &new), "there is an account alice already"),
        (file.add(&user("anonymous"), &new), "no account is called anonymous"),
        (
            file.add(&nobody, &NewAccount { quota: Some(u64::MAX), ..new.clone() }),
            "a quota is at most",
        ),
        (
            file.add(&nobody, &NewAccount { grants: many, ..new }),
            "account carol: an account has at most 256 mounts",
        ),
        (file.remove(&nobody), "there is no account carol"),
        (file.set_disabled(&nobody, true), "there is no account carol"),
        (file.set_password(&nobody, None), "there is no account carol"),
        (file.invite(&nobody, NOW).map(drop), "there is no account carol"),
        (file.grant(&nobody, &grant("a", Rights::ALL)), "there is no account carol"),
        (file.revoke(&nobody, &place("a")), "there is no account carol"),
        (file.revoke(&alice, &place("a")), "alice has no mount at a"),
        (file.add_key(&nobody, &key("x"), ""), "there is no account carol"),
        (file.add_key(&alice, &key("bob's"), ""), "is that of bob"),
        (file.add_key(&alice, &key("x"), "two\nlines"), "a comment is one line"),
        (file.add_key(&alice, &key("x"), &"x".repeat(257)), "a comment is one line"),
        (file.remove_key(&alice, &key("bob's")), "alice has no key SHA256:"),
        (file.remove_key(&nobody, &key("x")), "there is no account carol"),
    ];
    for (outcome, text) in errors {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(text), "{error:?} does not say {text:?}");
    }
    assert_eq!(state.text(), before);
}

#[test]
fn what_an_editor_wrote_survives_commands() {
    let state = State::new();
    let written = "\
# Who may come in.
version = 1 # the first

[users.bob] # a friend
quota = 5 # five

# She pays.
[users.alice]
home = \"people/alice\" # as ever
disabled = true # since June

[users.alice.mounts]
# The good ones.
photos = \"read\" # only to look
\"a b\" = { directory = \"c\", rights = \"get\" } # odd

[users]
carol = { mounts.x = \"drop\" } # inline
";
    state.write(written);
    let alice = user("alice");
    state.file.grant(&alice, &grant("photos", Role::Add.rights())).unwrap();
    state.file.grant(&alice, &grant("a b", Role::Add.rights())).unwrap();
    state.file.grant(&alice, &grant("more", Role::Add.rights())).unwrap();
    state.file.set_disabled(&alice, true).unwrap();
    state.file.add_key(&alice, &key("one"), "laptop").unwrap();
    state.file.invite(&alice, NOW).unwrap();
    state.file.add_key(&user("bob"), &key("two"), "").unwrap();
    state.file.grant(&user("carol"), &grant("y", Role::Add.rights())).unwrap();
    state.file.add(&user("dave"), &NewAccount::default()).unwrap();

    let text = state.text();
    for kept in written.lines().filter_map(|line| line.split_once('#')) {
        assert!(text.contains(kept.1), "{:?} is lost:\n{text}", kept.1);
    }
    assert!(text.contains("photos = \"add\" # only to look\n"), "{text}");
    assert_eq!(
        mounts(&state, "alice"),
        [
            ". = people/alice: list get put replace mkdir delete move",
            "a b = c: list get put mkdir",
            "more = more: list get put mkdir",
            "photos = photos: list get put mkdir",
        ]
    );
    assert_eq!(mounts(&state, "carol")[1..], ["x = x: put mkdir", "y = y: list get put mkdir"]);
    assert_eq!(state.account("bob").access.quota(), Some(5));
    assert!(state.account("alice").disabled);
}

#[test]
fn of_commands_at_the_same_time_none_is_lost() {
    let state = State::new();
    let names: Vec<String> = (0..16).map(|n| format!("user{n}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| state.file.add(&user(name), &NewAccount::default()).unwrap());
        }
    });
    let users = state.file.read().unwrap();
    let there: BTreeSet<&str> = users.accounts().keys().map(UserName::as_str).collect();
    assert_eq!(there, names.iter().map(String::as_str).collect());
}

#[test]
fn a_command_that_was_killed_is_in_nobodys_way() {
    let state = State::of(&["alice"]);
    fs::write(state.path().join("accounts.toml.new"), "version = 1\n[users.mall").unwrap();
    state.file.add(&user("bob"), &NewAccount::default()).unwrap();
    assert_eq!(state.file.read().unwrap().accounts().len(), 2);
    assert!(!state.path().join("accounts.toml.new").exists());
}

//! Invitations, late, twice and raced.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use haul_accounts::{Accounts, Identified, NotIdentified, Options};
use haul_core::account::{Proof, Secret};

use crate::support::{DAY, NOW, State, key, origin, secret, user};

const STATE: &str = "HAUL_TEST_STATE";
const INVITATION: &str = "HAUL_TEST_INVITATION";

fn is_wrong(outcome: &Result<Identified, NotIdentified>) -> bool {
    matches!(outcome, Err(NotIdentified::Wrong))
}

#[test]
fn an_invitation_works_once_and_binds_the_key() {
    let state = State::of(&["alice", "bob"]);
    let accounts = state.accounts();
    let (alice, invitation) = (user("alice"), state.file.invite(&user("alice"), NOW).unwrap());
    let proof = Proof::Invite(invitation);

    assert!(is_wrong(&accounts.identify(&user("bob"), &proof, &origin(key("one")), NOW)));
    assert!(is_wrong(&accounts.identify(&user("eve"), &proof, &origin(key("one")), NOW)));
    let identified = accounts.identify(&alice, &proof, &origin(key("one")), NOW).unwrap();
    assert_eq!(identified, Identified { user: alice.clone(), bound: Some(key("one")) });
    assert_eq!(accounts.user_of_key(&key("one")), Some(alice.clone()));
    for again in ["one", "two"] {
        assert!(is_wrong(&accounts.identify(&alice, &proof, &origin(key(again)), NOW)));
    }
    assert_eq!(accounts.user_of_key(&key("two")), None);
    assert_eq!(state.account("alice").invitations.len(), 0);
}

#[test]
fn an_invitation_works_within_a_day() {
    let state = State::of(&["alice"]);
    let accounts = state.accounts();
    let invite = || Proof::Invite(state.file.invite(&user("alice"), NOW).unwrap());
    let redeem =
        |proof: &Proof, at| accounts.identify(&user("alice"), proof, &origin(key("one")), at);
    let (one, two) = (invite(), invite());
    assert!(is_wrong(&redeem(&one, NOW + DAY)));
    assert!(redeem(&one, NOW + DAY.saturating_sub(Duration::from_secs(1))).is_ok());
    // Another one removes what has expired.
    state.file.invite(&user("alice"), NOW + DAY).unwrap();
    assert_eq!(state.account("alice").invitations.len(), 1);
    assert!(is_wrong(&redeem(&two, NOW)));
}

#[test]
fn an_invitation_of_a_disabled_account_or_for_the_key_of_another_one_stays_open() {
    let state = State::of(&["alice", "bob"]);
    let accounts = state.accounts();
    let alice = user("alice");
    let proof = Proof::Invite(state.file.invite(&alice, NOW).unwrap());
    state.file.add_key(&user("bob"), &key("bob's"), "").unwrap();
    state.file.set_disabled(&alice, true).unwrap();
    assert!(is_wrong(&accounts.identify(&alice, &proof, &origin(key("one")), NOW)));
    state.file.set_disabled(&alice, false).unwrap();
    assert!(is_wrong(&accounts.identify(&alice, &proof, &origin(key("bob's")), NOW)));
    assert_eq!(accounts.user_of_key(&key("bob's")), Some(user("bob")));
    // A key that she has already keeps its comment.
    state.file.add_key(&alice, &key("one"), "laptop").unwrap();
    assert!(accounts.identify(&alice, &proof, &origin(key("one")), NOW).is_ok());
    assert_eq!(state.account("alice").keys[&key("one")], "laptop");
}

/// How many of `threads` threads redeem the invitation.
fn redeemed(accounts: &Accounts, invitation: &Secret, threads: usize, prefix: &str) -> usize {
    let proof = Proof::Invite(invitation.clone());
    let redeem =
        |n| accounts.identify(&user("alice"), &proof, &origin(key(&format!("{prefix}{n}"))), NOW);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|n| scope.spawn(move || redeem(n).is_ok())).collect();
        all.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
    })
}

/// It is one process of the next test.
#[test]
#[ignore = "another test runs it in processes of its own"]
fn redeem_in_a_process() {
    let options = Options { failure_floor: Duration::ZERO, ..Options::default() };
    let accounts = Accounts::open(Path::new(&env::var_os(STATE).unwrap()), options).unwrap();
    let invitation = secret(&env::var(INVITATION).unwrap());
    println!("\nready");
    let count = redeemed(&accounts, &invitation, 8, &std::process::id().to_string());
    println!("\nredeemed {count}");
}

#[test]
fn of_many_threads_and_processes_one_redeems_an_invitation() {
    let state = State::of(&["alice"]);
    let invitation = state.file.invite(&user("alice"), NOW).unwrap();
    // Whoever finds the invitation open waits for this lock.
    let lock = File::open(state.path().join("accounts.lock")).unwrap();
    lock.lock().unwrap();
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "invitations::redeem_in_a_process", "--ignored", "--nocapture"])
                .env(STATE, state.path())
                .env(INVITATION, invitation.expose())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
            output.find(|line| line.as_ref().unwrap() == "ready").unwrap().unwrap();
            (child, output)
        })
        .collect();
    let accounts = state.accounts();
    let here = thread::scope(|scope| {
        let here = scope.spawn(|| redeemed(&accounts, &invitation, 8, "here"));
        lock.unlock().unwrap();
        here.join().unwrap()
    });
    let elsewhere = children.iter_mut().map(|(child, output)| {
        let count =
            output.find_map(|line| line.unwrap().strip_prefix("redeemed ").map(str::to_owned));
        assert!(child.wait().unwrap().success());
        count.unwrap().parse::<usize>().unwrap()
    });
    assert_eq!(here + elsewhere.sum::<usize>(), 1);
    assert_eq!(state.account("alice").keys.len(), 1);
}

//! Users with accounts: what they see, and when they lose it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haul_accounts::{Accounts, AccountsFile, NewAccount, NewGrant, Options, PasswordHash};
use haul_core::account::{Role, Secret, UserName};
use haul_transport::{ServerOptions, UserStores};
use tempfile::TempDir;

use super::running::Running;
use super::transport::Server;
use crate::support::{LOCALHOST, Peer, Share};

/// A server with accounts, which are in a state directory.
struct Served {
    running: Running,
    file: AccountsFile,
    share: Share,
    _state: TempDir,
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

impl Served {
    fn new(users: &[&str], anonymous: Option<Role>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let share = Share::new();
        let file = AccountsFile::new(state.path());
        for name in users {
            add(&file, name);
        }
        let options = Options { failure_floor: Duration::ZERO, ..Options::default() };
        let accounts = Accounts::open(state.path(), options).unwrap();
        let stores = Arc::new(UserStores::new(share.store(), accounts, anonymous));
        let options = ServerOptions { users: Some(stores.clone()), ..ServerOptions::default() };
        let running = Running::run(Server::bind(LOCALHOST, stores, options).unwrap());
        Self { running, file, share, _state: state }
    }

    fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// A connection after its greeting, which ends like this.
    fn greeted(&self, options: &str) -> Peer {
        let mut peer = Peer::connect(self.address());
        let greeting = peer.line();
        assert!(greeting.ends_with(&format!(" pipeline=256{options}")), "{greeting}");
        peer
    }

    /// A connection of this user.
    fn connected(&self, name: &str) -> Peer {
        let mut peer = self.greeted(" auth=required");
        assert_eq!(ask(&mut peer, &format!("AUTH {name} password=\"{name}'s\"")), format!("OK user=\"{name}\""));
        peer
    }
}

/// Adds an account whose password is the name and `'s`.
fn add(file: &AccountsFile, name: &str) {
    let password = PasswordHash::of(&Secret::new(format!("{name}'s")).unwrap()).unwrap();
    let account = NewAccount { password: Some(password), ..NewAccount::default() };
    file.add(&user(name), &account).unwrap();
}

/// Sends a line, and returns the next line.
fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\r\n"));
    peer.line()
}

fn code(line: &str) -> &str {
    line.split(' ').take(2).last().unwrap_or_default()
}

#[test]
fn each_user_has_a_home() {
    let served = Served::new(&["alice", "bob"], None);
    let mut alice = served.connected("alice");
    assert_eq!(ask(&mut alice, "UPLOAD notes.txt"), "READY");
    assert!(ask(&mut alice, "DATA 5\r\nhelloEND").starts_with("OK size=5 "));
    assert_eq!(served.share.read("alice/notes.txt"), b"hello");
    assert_eq!(ask(&mut alice, "WHOAMI"), "GRANT rights=\"list get put replace mkdir delete move\"");
    assert_eq!(alice.line(), "OK user=\"alice\"");
    let mut bob = served.connected("bob");
    assert_eq!(code(&ask(&mut bob, "CHECKSUM notes.txt")), "not-found");
    assert_eq!(code(&ask(&mut bob, "CHECKSUM alice/notes.txt")), "not-found");
    assert_eq!(ask(&mut bob, "LIST depth=all"), "OK entries=0");
}

#[test]
fn a_missing_right_is_named() {
    let served = Served::new(&["alice"], None);
    let at = "team".parse().unwrap();
    let grant = NewGrant { at, directory: None, rights: Role::Read.rights() };
    std::fs::create_dir(served.share.path().join("team")).unwrap();
    served.share.write("team/plan", b"plan");
    served.file.grant(&user("alice"), &grant).unwrap();
    let mut alice = served.connected("alice");
    assert!(ask(&mut alice, "CHECKSUM team/plan").starts_with("OK size=4 "));
    let refused = ask(&mut alice, "DELETE team/plan");
    assert!(refused.starts_with("ERR denied ") && refused.contains("delete"), "{refused}");
    assert_eq!(served.share.read("team/plan"), b"plan");
}

#[test]
fn everything_is_open_until_there_is_an_account() {
    let served = Served::new(&[], None);
    served.share.write("file", b"x");
    let mut first = served.greeted("");
    assert!(ask(&mut first, "CHECKSUM file").starts_with("OK size=1 "));
    assert_eq!(ask(&mut first, "WHOAMI"), "OK");
    add(&served.file, "alice");
    // Who is served already is served no longer.
    assert_eq!(code(&ask(&mut first, "CHECKSUM file")), "denied");
    assert_eq!(first.rest(), "");
    let mut second = served.greeted(" auth=required");
    assert_eq!(code(&ask(&mut second, "CHECKSUM file")), "unauthenticated");
}

#[test]
fn the_anonymous_have_their_role() {
    let served = Served::new(&["alice"], Some(Role::Read));
    served.share.write("file", b"x");
    let mut nobody = served.greeted(" user=\"anonymous\"");
    assert!(ask(&mut nobody, "CHECKSUM file").starts_with("OK size=1 "));
    assert_eq!(code(&ask(&mut nobody, "DELETE file")), "denied");
    assert_eq!(ask(&mut nobody, "AUTH alice password=\"alice's\""), "OK user=\"alice\"");
    assert_eq!(code(&ask(&mut nobody, "CHECKSUM file")), "not-found");
}

#[test]
fn who_is_removed_in_the_middle_of_a_body_publishes_nothing() {
    let served = Served::new(&["alice", "bob"], None);
    let mut alice = served.connected("alice");
    alice.send("UPLOAD big size=200000\r\nDATA 100000\r\n");
    alice.send(vec![7; 100_000]);
    served.file.remove(&user("alice")).unwrap();
    alice.send("DATA 100000\r\n");
    alice.send(vec![7; 100_000]);
    alice.send("END\r\n");
    let refused = alice.line();
    let refused = if refused == "READY" { alice.line() } else { refused };
    assert!(refused.starts_with("ERR denied "), "{refused}");
    drop(alice);
    served.running.handle.shutdown();
    assert!(served.share.files().is_empty(), "{:?}", served.share.files());
}

#[test]
fn guesses_are_answered_alike_and_then_refused() {
    let served = Served::new(&["alice", "bob"], None);
    for _ in 0..2 {
        let mut guess = served.greeted(" auth=required");
        let known = ask(&mut guess, "AUTH alice password=wrong");
        let unknown = ask(&mut guess, "AUTH nobody password=wrong");
        assert_eq!(known, "ERR unauthenticated \"that did not identify you\"");
        assert_eq!(known, unknown);
        let last = ask(&mut guess, "AUTH alice password=wrong");
        assert!(last.starts_with("ERR busy ") && last.contains(" retry-after="), "{last}");
        assert_eq!(guess.rest(), "");
    }
    let mut refused = Peer::connect(served.address());
    let said = refused.line();
    assert!(said.starts_with("ERR busy ") && said.contains(" retry-after="), "{said}");
    assert_eq!(refused.rest(), "");
}

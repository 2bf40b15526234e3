use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use haul_accounts::{Accounts, Fingerprint, Options, Origin};
use haul_cli::Exit;
use haul_core::account::{Proof, Secret, UserName};
use haul_transport::tls::Key;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Fake, Outcome, Run};

const KEY: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/// A place for the directory of a server's accounts, which is not there yet.
struct State(TempDir);

impl State {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(users: &[&str]) -> Self {
        let state = Self::new();
        for user in users {
            state.add(user);
        }
        state
    }

    /// Adds a user with a password.
    #[track_caller]
    fn add(&self, user: &str) {
        let added = self.user_with("secret", &["add", user, "--password-stdin"]);
        added.done(&format!("{user}  added\n"));
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.path().join("accounts.toml")
    }

    fn content(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn user(&self, line: &[&str]) -> Outcome {
        self.user_with("", line)
    }

    fn user_with(&self, stdin: &'static str, line: &[&str]) -> Outcome {
        let path = self.path();
        let state = ["user", "--state", path.to_str().unwrap()];
        let fake = Fake::default();
        let outcome = Run { stdin, ..Run::default() }.run(&fake, &[&state, line].concat());
        assert!(fake.state().connected.is_empty());
        outcome
    }

    #[track_caller]
    fn json(&self, line: &[&str]) -> Value {
        let outcome = self.user(&[line, &["--json"]].concat());
        assert_eq!((outcome.exit, outcome.stderr.as_str()), (Exit::Done, ""), "{line:?}");
        let mut lines = outcome.stdout.lines();
        let object = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(lines.next(), None, "{line:?}");
        object
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_account_is_added_with_what_was_asked_for() {
    let state = State::with(&["bob"]);
    assert_eq!((mode(&state.path()), mode(&state.file())), (0o700, 0o600));
    let line = [
        &["add", "alice", "--home", "people/alice", "--quota", "10K", "--grant", "photos=read"][..],
        &["--grant", ".=list+get+put", "--password-stdin", "--json"],
    ];
    let added = state.user_with("secret\n", &line.concat());
    added.done("{\"user\":\"alice\"}\n");
    assert_eq!(
        state.json(&["show", "alice"]),
        json!({
            "user": "alice",
            "home": "people/alice",
            "grants": { ".": ["list", "get", "put"], "photos": ["list", "get"] },
            "keys": [],
            "quota": 10240,
            "disabled": false,
        })
    );
    let all = ["list", "get", "put", "replace", "mkdir", "delete", "move"];
    assert_eq!(
        state.json(&["show", "bob"]),
        json!({
            "user": "bob", "home": "bob", "grants": { ".": all }, "keys": [], "disabled": false,
        })
    );
    assert!(!state.content().contains("secret"));
}

#[test]
fn accounts_are_listed_in_narrow_columns() {
    let state = State::new();
    let none = state.user(&["list"]);
    assert_eq!((none.exit, none.stdout.as_str()), (Exit::Done, ""));
    assert!(none.stderr.contains("there are no accounts in "), "{none:?}");
    assert!(!state.path().exists());

    state.user_with("secret", &["add", "alice", "--home", "people/alice", "--password-stdin"]);
    state.user(&["key", "add", "alice", KEY]);
    state.user(&["add", "bob", "--address", "h"]);
    state.user(&["add", "carol", "--home", ".", "--address", "h"]);
    state.user(&["disable", "carol"]);
    state.user(&["add", "dave", "--address", "h"]);
    let content = state.content();
    let begin = content.rfind("[users.dave.invitations]").unwrap();
    fs::write(state.file(), &content[..begin]).unwrap();
    state.user(&["list"]).done(
        "alice  key, password  people/alice\nbob    invited        bob\ncarol  disabled       .\ndave   no way in      dave\n",
    );
    let listed = state.user(&["list", "--json", "-q"]);
    let objects = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let shown = ["alice", "bob", "carol", "dave"].map(|user| state.json(&["show", user]));
    assert_eq!(objects.collect::<Vec<Value>>(), shown);
}

#[test]
fn an_account_is_shown_without_its_secrets() {
    let state = State::new();
    let line = ["add", "alice", "--quota", "1000", "--grant", "photos=read", "--password-stdin"];
    state.user_with("secret", &line);
    state.user(&["grant", "alice", ".=put+get"]);
    state.user(&["key", "add", "alice", KEY, "--comment", "the lap\u{202e}top"]);
    let content = state.content();
    let content =
        content.replace("photos = \"read\"", "photos = { directory = \"b/c\", rights = \"\" }");
    let invitations = format!(
        "[users.alice.invitations]\n{} = 9999999999\n{} = 1",
        "A".repeat(43),
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    );
    fs::write(state.file(), content + &invitations).unwrap();
    state.user(&["show", "alice"]).done(&format!(
        r"alice
  home: alice
  quota: 1000 bytes
  grants:
    .: get put
    photos: no rights
      of b/c in the share
  password: yes
  open invitations: 1
  keys:
    {KEY}
      the lap\u{{202e}}top
"
    ));
    assert_eq!(state.json(&["show", "alice"])["directories"], json!({ "photos": "b/c" }));
    state.add("bob");
    state.user(&["disable", "bob"]);
    state.user(&["show", "bob"]).done(
        "bob  disabled\n  home: bob\n  grants:\n    .: write\n  password: yes\n  open invitations: 0\n  keys: none\n",
    );
}

#[test]
fn each_change_is_made_and_told() {
    let state = State::with(&["alice"]);
    let all = ["list", "get", "put", "replace", "mkdir", "delete", "move"];
    state.user(&["grant", "alice", "photos=read"]).done("alice  granted photos: read\n");
    assert_eq!(
        state.json(&["grant", "alice", "photos=add"]),
        json!({ "user": "alice", "grants": { ".": all, "photos": ["list", "get", "put", "mkdir"] } })
    );
    state.user(&["revoke", "alice", "photos"]).done("alice  revoked photos\n");
    assert_eq!(
        state.json(&["revoke", "alice", "."]),
        json!({ "user": "alice", "grants": { ".": [] } })
    );
    state.user(&["disable", "alice"]).done("alice  disabled\n");
    assert_eq!(state.json(&["disable", "alice"]), json!({ "user": "alice", "disabled": true }));
    state.user(&["enable", "alice"]).done("alice  enabled\n");
    assert_eq!(state.json(&["enable", "alice"]), json!({ "user": "alice", "disabled": false }));
    state.user(&["key", "add", "alice", KEY]).done("alice  key added\n");
    assert_eq!(
        state.json(&["key", "add", "alice", KEY, "--comment", "laptop"]),
        json!({ "user": "alice", "keys": [KEY] })
    );
    assert!(state.content().contains("\"laptop\""));
    assert_eq!(
        state.json(&["key", "remove", "alice", KEY]),
        json!({ "user": "alice", "keys": [] })
    );
    state.user(&["-q", "remove", "alice"]).done("");
    state.add("alice");
    assert_eq!(state.json(&["remove", "alice"]), json!({ "user": "alice" }));
    assert_eq!(state.user(&["list", "-q"]).stdout, "");
}

#[test]
fn a_password_is_a_line_of_stdin_and_is_never_shown() {
    let state = State::with(&["alice"]);
    let passwd = ["passwd", "alice", "--password-stdin"];
    let mut before = state.content();
    let longest: &'static str = "x".repeat(1024).leak();
    for password in
        ["correct horse", "correct horse\n", "correct horse\r\n", "horse\nrest", " ", "é", longest]
    {
        state.user_with(password, &passwd).done("alice  password set\n");
        let after = state.content();
        assert_ne!(before, after, "{password}");
        assert!(after.contains("$argon2id$") && !after.contains("horse"), "{after}");
        before = after;
    }
    let too_long: &'static str = "horse".repeat(205).leak();
    for password in ["", "\n", "\nhorse", "ho\trse", too_long] {
        let refused = state.user_with(password, &passwd);
        refused.failed(Exit::Usage, &["a password has 1 to 1024 bytes"]);
        assert!(!refused.stderr.contains("horse"), "{refused:?}");
        let added = state.user_with(password, &["add", "bob", "--password-stdin"]);
        added.failed(Exit::Usage, &["a password has 1 to 1024 bytes"]);
    }
    assert_eq!(state.content(), before);
    state.user(&["passwd", "alice"]).failed(Exit::Usage, &["no terminal", "--password-stdin"]);
}

#[test]
fn a_check_says_what_decides() {
    let state = State::new();
    let add = ["add", "alice", "--grant", "photos=read", "--address", "h"];
    assert_eq!(state.user(&add).exit, Exit::Done);
    state
        .user(&["check", "alice", "get", "photos/sea.jpg"])
        .done("yes: the mount photos has the right get; in the share the path is photos/sea.jpg\n");
    state
        .user(&["check", "alice", "-q", "UPLOAD", "/a"])
        .done("yes: the mount . has the right put; in the share the path is alice/a\n");
    let refused = |line: &[&str], answer: &str| {
        let outcome = state.user(line);
        assert_eq!(
            (outcome.exit, outcome.stderr.as_str()),
            (Exit::Unauthenticated, ""),
            "{line:?}"
        );
        assert_eq!(outcome.stdout, answer, "{line:?}");
    };
    refused(
        &["check", "alice", "rm", "photos/sea.jpg"],
        "no: the mount photos has no right delete, only list get\n",
    );
    refused(&["check", "bob", "ls", "."], "no: there is no such account\n");
    refused(
        &["check", "alice", "rm", "photos", "--json"],
        "{\"user\":\"alice\",\"path\":\"photos\",\"allowed\":false,\"right\":\"delete\",\"mount\":\"photos\"}\n",
    );
    assert_eq!(
        state.json(&["check", "alice", "get", "a"]),
        json!({
            "user": "alice", "path": "a", "allowed": true, "right": "get", "mount": ".",
            "place": "alice/a",
        })
    );
    state.user(&["disable", "alice"]);
    refused(&["check", "alice", "ls", "."], "no: the account is disabled\n");
    refused(
        &["check", "alice", "ls", ".", "--json"],
        "{\"user\":\"alice\",\"path\":\".\",\"allowed\":false,\"right\":\"list\"}\n",
    );
    let usage = state.user(&["check", "alice", "ls", "../x"]);
    usage.failed(Exit::Usage, &["PATH"]);
}

#[test]
fn what_is_not_there_is_an_error_and_makes_no_files() {
    let state = State::new();
    for line in [
        &["remove", "alice"][..],
        &["show", "alice"],
        &["disable", "alice"],
        &["enable", "alice"],
        &["passwd", "alice"],
        &["invite", "alice"],
        &["grant", "alice", "photos=read"],
        &["revoke", "alice", "photos"],
        &["key", "add", "alice", KEY],
        &["key", "remove", "alice", KEY],
    ] {
        state.user(line).failed(Exit::Local, &["no account alice", "user list", "--state"]);
        assert!(!state.path().exists(), "{line:?}");
    }
    let state = State::with(&["alice", "bob"]);
    let before = state.content();
    for (line, exit, part) in [
        (&["add", "alice"][..], Exit::Local, "an account alice already"),
        (&["add", "alice", "--password-stdin"], Exit::Usage, "a password has"),
        (&["add", "anonymous"], Exit::Usage, "no account is called anonymous"),
        (&["revoke", "alice", "photos"], Exit::Local, "no mount at photos (user show"),
        (&["key", "remove", "alice", KEY], Exit::Local, "no key SHA256:"),
        (&["key", "add", "alice", KEY, "--comment", "a\nb"], Exit::Usage, "one line"),
        (&["add", "carol", "--grant", "a=read", "--grant", "/a=drop"], Exit::Usage, "twice"),
    ] {
        state.user(line).failed(exit, &[part]);
        assert_eq!(state.content(), before, "{line:?}");
    }
    state.user(&["key", "add", "bob", KEY]);
    let taken = state.user(&["key", "add", "alice", KEY]);
    taken.failed(Exit::Local, &["is that of bob", "user key remove"]);
}

#[test]
fn a_broken_file_is_neither_believed_nor_changed() {
    let state = State::with(&["alice"]);
    let broken = state.content().replace("$argon2id$", "hunter2");
    fs::write(state.file(), &broken).unwrap();
    let passwd = ["passwd", "alice", "--password-stdin"];
    for line in [
        &["list"][..],
        &["show", "alice"],
        &["add", "bob"],
        &["remove", "alice"],
        &["check", "alice", "get", "a"],
        &passwd,
    ] {
        let refused = state.user(line);
        refused.failed(Exit::Local, &["accounts.toml, line ", "account alice", "mend that line"]);
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
        assert_eq!(state.content(), broken);
    }
    fs::remove_file(state.file()).unwrap();
    state.user(&["list"]).failed(Exit::Local, &["is gone", "restore it"]);
    fs::create_dir(state.file()).unwrap();
    state.user(&["list"]).failed(Exit::Local, &["is not a file"]);
}

#[test]
fn a_file_that_others_can_touch_is_refused() {
    let state = State::with(&["alice"]);
    fs::set_permissions(state.file(), Permissions::from_mode(0o640)).unwrap();
    state.user(&["list"]).failed(Exit::Local, &["accounts.toml: make its mode 0600"]);
    state.user(&["add", "bob"]).failed(Exit::Local, &["make its mode 0600"]);
    fs::set_permissions(state.file(), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(state.path(), Permissions::from_mode(0o775)).unwrap();
    state.user(&["list"]).failed(Exit::Local, &["make its mode 0755"]);
    fs::set_permissions(state.path(), Permissions::from_mode(0o700)).unwrap();
    let no_directory = Run::default()
        .run(&Fake::default(), &["user", "add", "bob", "--state", state.file().to_str().unwrap()]);
    no_directory.failed(Exit::Local, &["accounts.toml: File exists", "--state"]);
}

#[test]
fn no_change_loses_another() {
    let state = State::new();
    let users: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    thread::scope(|scope| {
        for user in &users {
            let state = &state;
            scope.spawn(move || {
                state.add(user);
                state
                    .user(&["grant", user, "photos=read"])
                    .done(&format!("{user}  granted photos: read\n"));
            });
        }
    });
    for user in &users {
        state
            .user(&["check", user, "ls", "photos"])
            .done("yes: the mount photos has the right list; in the share the path is photos\n");
    }
}

#[test]
fn a_change_is_made_though_nobody_reads_that_it_is() {
    let state = State::with(&["alice"]);
    let path = state.path();
    let full = Run { stdout_closes_after: Some(0), stdout_fills: true, ..Run::default() };
    let outcome = full
        .run(&Fake::default(), &["user", "disable", "alice", "--state", path.to_str().unwrap()]);
    outcome.failed(Exit::Local, &["it is done: cannot write the output"]);
    assert_eq!(state.json(&["show", "alice"])["disabled"], true);
}

/// The parts of the line by which a user logs in: who, where, the server's key and the invitation.
#[track_caller]
fn login(line: &str) -> (String, String, String, String) {
    let words = shlex::split(line.trim_end()).unwrap();
    let [program, command, url] = &words[..] else { panic!("{line}") };
    assert_eq!((program.as_str(), command.as_str()), ("haul-test", "login"), "{line}");
    let (server, fragment) = url.strip_prefix("hauls://").unwrap().split_once("/#").unwrap();
    let (user, address) = server.split_once('@').unwrap();
    let (fingerprint, invitation) = fragment.split_once(",invite=").unwrap();
    (user.into(), address.into(), fingerprint.into(), invitation.into())
}

#[test]
fn a_user_without_a_password_is_invited() {
    let state = State::new();
    let key = || Key::load_or_create(&state.path().join("server.key")).unwrap().fingerprint();
    let added = state.user(&["-q", "add", "alice", "--address", "files.example:99"]);
    assert_eq!((added.exit, added.stderr.as_str()), (Exit::Done, ""), "{added:?}");
    assert_eq!(added.stdout.lines().count(), 1, "{added:?}");
    let (user, address, fingerprint, first) = login(&added.stdout);
    assert_eq!((user.as_str(), address.as_str()), ("alice", "files.example:99"));
    assert_eq!(fingerprint, key().to_string());

    let record = state.json(&["invite", "alice", "--address", "[2001:db8::1]"]);
    assert_eq!(record["user"], "alice");
    let (user, address, fingerprint, second) = login(record["login"].as_str().unwrap());
    assert_eq!((user.as_str(), address.as_str()), ("alice", "[2001:db8::1]:4286"));
    assert_eq!(fingerprint, key().to_string());
    assert_ne!(first, second);
    assert!(state.user(&["show", "alice"]).stdout.contains("open invitations: 2"));

    // Each works, though neither is in the file.
    let accounts = Accounts::open(&state.path(), Options::default()).unwrap();
    let alice = UserName::parse("alice").unwrap();
    for (number, invitation) in [first, second].into_iter().enumerate() {
        assert!(!state.content().contains(&invitation));
        let key = Some(Fingerprint::of_spki(&[u8::try_from(number).unwrap()]));
        let origin = Origin { address: Ipv4Addr::LOCALHOST.into(), encrypted: true, key };
        let proof = Proof::Invite(Secret::new(invitation).unwrap());
        #[expect(clippy::disallowed_methods, reason = "invitations expire by the wall clock")]
        let now = SystemTime::now();
        accounts.identify(&alice, &proof, &origin, now).unwrap();
    }
    assert_eq!(state.json(&["show", "alice"])["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn an_invitation_names_an_address_of_this_machine() {
    let state = State::new();
    let added = state.user(&["add", "alice"]);
    assert_eq!((added.exit, added.stdout.lines().count()), (Exit::Done, 1), "{added:?}");
    let (_, address, ..) = login(&added.stdout);
    let host = address.strip_suffix(":4286").unwrap();
    assert!(!host.is_empty() && !host.starts_with("127.") && host != "[::1]", "{address}");
    let others = added.stderr.strip_prefix("haul-test: --address chooses another address");
    assert!(added.stderr.is_empty() || others.is_some(), "{added:?}");
    let both = state.user(&["add", "bob", "--address", "h", "--password-stdin"]);
    both.failed(Exit::Usage, &["--address", "--password-stdin", "cannot be used with"]);
}

#[test]
fn nobody_is_invited_in_vain() {
    let state = State::with(&["alice"]);
    state.user(&["disable", "alice"]);
    let invite = ["invite", "alice", "--address", "h"];
    state.user(&invite).failed(Exit::Local, &["alice is disabled (user enable"]);
    state.user(&["enable", "alice"]);
    assert_eq!(state.user(&invite).exit, Exit::Done);

    let key = state.path().join("server.key");
    let before = state.content();
    let refused = |parts: &[&str]| {
        for line in [&invite[..], &["add", "bob"]] {
            state.user(line).failed(Exit::Local, parts);
        }
        assert_eq!(state.content(), before);
    };
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refused(&["server.key: others have access", "chmod"]);
    fs::remove_file(&key).unwrap();
    refused(&["server.key", "is gone", "Put it back"]);
    fs::write(&key, "no key").unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    refused(&["server.key", "put the key back"]);
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    refused(&["server.key"]);
}

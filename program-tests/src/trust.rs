//! A server and a client over TLS, who know each other or not, and what goes wrong with that.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Bench, Serving};
use crate::reports::{NOBODY, can_be_nobody, open_to_everybody};
use crate::requirements::or_skip;
use crate::running::{Ended, Running};

/// Where a test's server listens.
const HERE: &str = "hauls://127.0.0.1:0";
/// Far less than any timeout of a client or server.
const SOON: Duration = Duration::from_secs(9);

/// A server with TLS, which serves everybody, and the fingerprint that it prints.
fn serve(bench: &Bench, at: &str, options: &[&str]) -> (Serving, String) {
    let options = [&["--anonymous", "write"], options].concat();
    let mut server = bench.serve_at(at, &[], &options);
    let line = server.line();
    let fingerprint = line.split_whitespace().last().unwrap_or_default().to_owned();
    assert!(fingerprint.starts_with("SHA256:") && fingerprint.len() == 50, "{line}");
    (server, fingerprint)
}

fn list(bench: &Bench, server: &str) -> Ended {
    bench.run(&["ls", "--server", server])
}

/// Has the client know the server by this fingerprint.
fn remember(bench: &Bench, server: &Serving, fingerprint: &str) {
    let config = bench.place().join("config/haul");
    fs::create_dir_all(&config).unwrap();
    let known = format!("{} {fingerprint}\n", server.address());
    fs::write(config.join("known-hosts"), known).unwrap();
}

/// Runs a command line of the program on a terminal, on which a person types. The terminal shows both.
pub(crate) fn on_terminal(bench: &Bench, line: &str, typed: &[u8]) -> Option<Ended> {
    let script = Command::new("script").arg("--version").output();
    or_skip(script.map_err(|error| format!("script does not run here: {error}")))?;
    let line = format!("{} {line}", bench.program().display());
    let mut command = bench.environment(Command::new("script"));
    Some(Running::start(command.args(["-qec", &line, "/dev/null"]), typed).ended())
}

#[track_caller]
fn assert_refused(ended: &Ended, parts: &[&str]) {
    ended.assert_code(10).assert_one_clear_line();
    assert!(ended.stdout.is_empty());
    for part in parts {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
}

/// Without a terminal, a server that is not known is refused, and the error names the address that accepts it.
pub fn a_new_server_is_refused_without_a_terminal(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    let (server, fingerprint) = serve(&bench, HERE, &[]);
    let url = server.url();
    let pinned = format!("{url}/#{fingerprint}");
    assert_refused(&list(&bench, &url), &["is not known", &pinned]);
    assert_eq!(list(&bench, &pinned).assert_code(0).stdout, b"a\n");
    assert_refused(&list(&bench, &url), &["is not known"]);
    remember(&bench, &server, &fingerprint);
    assert_eq!(list(&bench, &url).assert_code(0).stdout, b"a\n");
    let listed = bench.run(&["trust", "list"]);
    let expected = format!("{}  {fingerprint}\n", server.address());
    assert_eq!(listed.assert_code(0).stdout, expected.as_bytes());
    bench.run(&["trust", "remove", &server.address().to_string()]).assert_code(0);
    assert_refused(&list(&bench, &url), &["is not known"]);
    bench.run(&["trust", "remove", &server.address().to_string()]).assert_code(7);
}

/// On a terminal, a person is asked about a new server once. The answer no is kept to as well.
pub fn a_person_is_asked_about_a_new_server_once(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    let (server, fingerprint) = serve(&bench, HERE, &[]);
    let line = format!("ls --server {}", server.url());
    for answer in [&b"no\n"[..], b"\n", b"what\n"] {
        let Some(refused) = on_terminal(&bench, &line, answer) else { return };
        refused.assert_code(10);
        let shown = String::from_utf8(refused.stdout).unwrap();
        assert!(shown.contains(&fingerprint) && shown.contains("not trusted"), "{shown}");
    }
    assert_refused(&list(&bench, &server.url()), &["is not known"]);
    let accepted = on_terminal(&bench, &line, b"yes\n").unwrap();
    accepted.assert_code(0);
    let shown = String::from_utf8(accepted.stdout).unwrap();
    assert!(shown.contains(&fingerprint) && shown.ends_with("a\r\n"), "{shown}");
    assert_eq!(list(&bench, &server.url()).assert_code(0).stdout, b"a\n");
}

/// A server with another key than before is refused, and the error has both fingerprints. The client sends nothing,
/// whatever it was asked to do.
pub fn a_swapped_key_is_final(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.here().join("a"), "hello").unwrap();
    let (mut server, old) = serve(&bench, HERE, &[]);
    let url = server.url();
    let address = server.address();
    remember(&bench, &server, &old);
    bench.run(&["put", "--server", &url, "a"]).assert_code(0);
    server.signal(Signal::KILL);
    server.ended();
    let state = bench.place().join("other-state");
    let (server, new) = serve(&bench, &url, &["--state", state.to_str().unwrap()]);
    assert_eq!(server.address(), address);
    assert_ne!(old, new);
    let pinned = format!("{url}/#{old}");
    let forget = format!("trust remove {address}");
    for args in [
        &["ls", "--server", &url][..],
        &["put", "--server", &url, "a", "--as", "b"],
        &["rm", "--server", &url, "a"],
        &["get", "--server", &url, "a", "--force"],
        &["whoami", "--server", &url],
    ] {
        assert_refused(&bench.run(args), &[&old, &new, &forget]);
    }
    assert_refused(&list(&bench, &pinned), &[&old, &new, "the address says"]);
    // An authority does not make up for a wrong key.
    let ca = bench.run(&["ls", "--server", &url, "--ca", "system"]);
    assert_refused(&ca, &[&old, &new]);
    assert_eq!(fs::read_dir(bench.share()).unwrap().count(), 1);
    assert!(!server.log().contains("verb="), "{}", server.log());
    // The address decides over the file.
    list(&bench, &format!("{url}/#{new}")).assert_code(0);
}

/// A client that speaks plain text to a port with TLS, or the other way round, is told the right address at once.
pub fn the_wrong_scheme_is_told(program: &Path) {
    let bench = Bench::new(program);
    let (encrypted, _) = serve(&bench, HERE, &[]);
    let plain = bench.serve(&[]);
    for (server, wrong, right) in [(&encrypted, "haul", "hauls"), (&plain, "hauls", "haul")] {
        let address = server.address();
        let right = format!("write {right}://{address}");
        for args in [&["ls"][..], &["put", "../share/a"]] {
            fs::write(bench.share().join("a"), "hello").unwrap();
            let url = format!("{wrong}://{address}");
            let told = bench.start(&[args, &["--server", &url]].concat());
            assert!(told.ends_within(SOON), "{args:?} waits");
            let told = told.ended();
            told.assert_code(6).assert_one_clear_line();
            assert!(told.stderr.contains(&right), "{right} is not in {}", told.stderr);
        }
    }
    // Somebody else is there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("hauls://{}", silent.local_addr().unwrap());
    let told = bench.run(&["ls", "--server", &url, "--connect-timeout", "1", "--retry", "0"]);
    told.assert_code(5).assert_one_clear_line();
    assert!(told.stderr.contains("haul://"), "{}", told.stderr);
}

/// The key of a server that is lost, replaced, exposed, malformed or somebody else's stops it with a clear error. It
/// never makes another identity silently.
pub fn a_server_keeps_its_key_or_does_not_start(program: &Path) {
    let bench = Bench::new(program);
    let (mut server, fingerprint) = serve(&bench, HERE, &[]);
    let stop = |server: &mut Serving| {
        server.signal(Signal::TERM);
        server.ended();
    };
    stop(&mut server);
    let state = bench.place().join("state/haul");
    let key = state.join("server.key");
    let content = fs::read(&key).unwrap();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let attempt = || {
        let share = bench.share();
        let args = ["serve", share.to_str().unwrap(), "--listen", HERE, "--anonymous", "read"];
        bench.run(&args)
    };
    let refused = |part: &str| {
        let refused = attempt();
        refused.assert_code(7).assert_one_clear_line();
        assert!(refused.stderr.contains(part), "{part} is not in {}", refused.stderr);
    };

    fs::remove_file(&key).unwrap();
    refused(&fingerprint);
    assert!(!key.exists(), "another key was made");
    for other in ["", "nothing\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
    {
        fs::write(&key, other).unwrap();
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        refused("server.key");
    }
    fs::write(&key, &content).unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    refused("chmod go-rwx");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).unwrap();
    refused("others have access");
    fs::set_permissions(&state, PermissionsExt::from_mode(0o700)).unwrap();
    if or_skip(chown(&key, Some(65534), None).map_err(|error| error.to_string())).is_some() {
        refused("belongs to user 65534");
        chown(&key, Some(0), None).unwrap();
    }
    fs::rename(&state, bench.place().join("kept")).unwrap();
    fs::write(&state, "").unwrap();
    refused("state/haul");
    fs::remove_file(&state).unwrap();
    fs::rename(bench.place().join("kept"), &state).unwrap();
    let (_server, again) = serve(&bench, HERE, &[]);
    assert_eq!(again, fingerprint);
}

/// A client whose own key is lost or exposed says so instead of showing none.
pub fn a_client_keeps_its_key_or_says_why(program: &Path) {
    let bench = Bench::new(program);
    let (server, fingerprint) = serve(&bench, HERE, &[]);
    let pinned = format!("{}/#{fingerprint}", server.url());
    // Nobody is alice there, but the key is made.
    let login = bench.run_with(
        &[
            "login",
            &format!("hauls://alice@{}/#{fingerprint}", server.address()),
            "--password-stdin",
        ],
        b"wrong\n",
    );
    login.assert_code(11).assert_one_clear_line();
    let config = bench.place().join("config/haul");
    assert!(!config.join("default").exists() && !config.join("known-hosts").exists());
    let key = config.join("key.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    list(&bench, &pinned).assert_code(0);
    fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    let exposed = list(&bench, &pinned);
    exposed.assert_code(7).assert_one_clear_line();
    assert!(exposed.stderr.contains("key.pem"), "{}", exposed.stderr);
    fs::remove_file(&key).unwrap();
    let lost = list(&bench, &pinned);
    lost.assert_code(7).assert_one_clear_line();
    assert!(lost.stderr.contains("is gone"), "{}", lost.stderr);
    fs::write(config.join("known-hosts"), "a line of nothing\n").unwrap();
    fs::remove_file(config.join("key.fingerprint")).unwrap();
    let garbled = list(&bench, &server.url());
    garbled.assert_code(7).assert_one_clear_line();
    assert!(garbled.stderr.contains("known-hosts, line 1"), "{}", garbled.stderr);
    // Who has no home directory has no key, and can use addresses with fingerprints still.
    let homeless = ["env", "-u", "XDG_CONFIG_HOME", "HOME="];
    bench.run_under(&homeless, &["ls", "--server", &pinned], b"").assert_code(0);
}

/// A server does not start where its state would be served.
pub fn state_is_not_served(program: &Path) {
    let bench = Bench::new(program);
    let share = bench.share();
    let share = share.to_str().unwrap();
    for state in [share.to_owned(), format!("{share}/state"), format!("{share}/../share/new/x")] {
        let refused = bench.run(&["serve", share, "--listen", "127.0.0.1:0", "--state", &state]);
        refused.assert_code(7).assert_one_clear_line();
        assert!(refused.stderr.contains("--state"), "{}", refused.stderr);
    }
    assert_eq!(fs::read_dir(share).unwrap().count(), 0);
}

/// What opens a directory to other machines is refused unless somebody has said for whom, and that plain text is meant.
pub fn nobody_opens_a_server_by_accident(program: &Path) {
    let bench = Bench::new(program);
    let refused = |args: &[&str], parts: &[&str]| {
        let args = [&["serve", "../share"], args].concat();
        let refused = bench.run(&args);
        refused.assert_code(2).assert_one_clear_line();
        for part in parts {
            assert!(refused.stderr.contains(part), "{part} is not in {}", refused.stderr);
        }
    };
    refused(&["--listen", "0.0.0.0:0"], &["user add NAME", "--anonymous"]);
    refused(&["--listen", "127.0.0.1:0", "--listen", "[::]:0"], &["user add NAME"]);
    refused(&["--listen", "haul://0.0.0.0:0", "--plaintext"], &["--anonymous"]);
    refused(
        &["--listen", "haul://0.0.0.0:0", "--anonymous", "write"],
        &["--plaintext", "hauls://0.0.0.0:0"],
    );
    refused(&["--listen", "0.0.0.0:0", "--anonymous", "all"], &["read, drop, add and write"]);
    refused(&["--tls-cert", "x"], &["--tls-key"]);
    refused(&["--tls-cert", "x", "--tls-key", "y"], &["hauls://HOST"]);
    assert!(!bench.place().join("state").exists(), "something was made");
    let options = ["--plaintext", "--anonymous", "read"];
    let server = bench.serve_at("haul://0.0.0.0:0", &[], &options);
    let url = format!("haul://127.0.0.1:{}", server.address().port());
    fs::write(bench.here().join("a"), "hello").unwrap();
    list(&bench, &url).assert_code(0);
    let denied = bench.run(&["put", "--server", &url, "a"]);
    denied.assert_code(4).assert_one_clear_line();
}

/// Directories in which nothing can be written, or which are somebody else's, stop whoever needs them with a clear error.
/// Nobody uses up an invitation in vain.
pub fn a_key_that_cannot_be_kept_is_told(program: &Path) {
    if !can_be_nobody() {
        return;
    }
    let bench = open_to_everybody(program);
    let (server, fingerprint) = serve(&bench, HERE, &[]);
    let line =
        format!("hauls://alice@{}/#{fingerprint},invite=AAAAAAAAAAAAAAAAAAAAAA", server.address());
    let config = bench.place().join("config");
    fs::create_dir(&config).unwrap();
    fs::set_permissions(&config, PermissionsExt::from_mode(0o755)).unwrap();
    let told = bench.run_under(NOBODY, &["login", &line], b"");
    told.assert_code(7).assert_one_clear_line();
    assert!(told.stderr.contains("config/haul"), "{}", told.stderr);
    assert!(!server.log().contains("AUTH"), "{}", server.log());

    // The server's key is that of the other user.
    let share = bench.share();
    let share = share.to_str().unwrap();
    let serve = ["serve", share, "--read-only", "--listen", HERE, "--anonymous", "read"];
    let told = bench.run_under(NOBODY, &serve, b"");
    told.assert_code(7).assert_one_clear_line();
    let state = bench.place().join("new");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, PermissionsExt::from_mode(0o755)).unwrap();
    for state in [&state, &state.join("below")] {
        let state = state.to_str().unwrap();
        let told = bench.run_under(NOBODY, &[&serve[..], &["--state", state]].concat(), b"");
        told.assert_code(7).assert_one_clear_line();
        assert!(told.stderr.contains(state), "{}", told.stderr);
    }
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

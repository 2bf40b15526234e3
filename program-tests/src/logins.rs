//! Users with accounts: from the first minute of a new one to those who may not get in.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rustix::process::Signal;

use crate::process::{Bench, Serving};
use crate::requirements::or_skip;
use crate::running::{Ended, Running};
use crate::trust::on_terminal;

/// All programs. Any client works with any server.
const PROGRAMS: [&str; 3] = ["haul-std", "haul-tokio", "haul-async-std"];

/// The programs that are beside `program`.
fn programs(program: &Path) -> Option<Vec<PathBuf>> {
    let found = PROGRAMS.map(|name| {
        let path = program.with_file_name(name);
        path.exists().then_some(path).ok_or_else(|| format!("{name} was not built here"))
    });
    or_skip(found.into_iter().collect())
}

/// A server that other machines can reach, with an account of somebody else.
fn serve(bench: &Bench) -> Serving {
    let operator = bench.run(&["user", "add", "somebody", "--address", "192.0.2.1"]);
    operator.assert_code(0);
    bench.serve_at("0.0.0.0:0", &[], &[])
}

/// The address of the server for this machine.
fn url(server: &Serving) -> String {
    format!("hauls://127.0.0.1:{}", server.address().port())
}

/// The line that a new user gets.
fn invite(bench: &Bench, server: &Serving, user: &str) -> String {
    let address = format!("127.0.0.1:{}", server.address().port());
    let added = bench.run(&["user", "add", user, "--address", &address]);
    added.assert_code(0);
    let line = String::from_utf8(added.stdout).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    line.trim_end().to_owned()
}

/// What a person does with the line on a machine on which `client` is.
fn paste(client: &Bench, line: &str) -> Ended {
    let (_, arguments) = line.split_once(' ').unwrap();
    let line = format!("{} {arguments}", client.program().display());
    let mut command = client.environment(Command::new("sh"));
    Running::start(command.args(["-c", &line]), b"").ended()
}

/// The address of the line.
fn address_of(line: &str) -> &str {
    line.split('\'').nth(1).unwrap()
}

/// An operator makes an account and sends the one line that this prints; the user pastes it and is in, on every program
/// with every other.
pub fn the_first_minute_of_a_new_user(program: &Path) {
    let Some(programs) = programs(program) else { return };
    let operator = Bench::new(program);
    let open = operator.run(&["serve", "../share", "--listen", "0.0.0.0:0"]);
    open.assert_code(2).assert_one_clear_line();
    assert!(open.stderr.contains("user add"), "{}", open.stderr);
    let mut server = serve(&operator);
    for (number, client) in programs.iter().enumerate() {
        let client = Bench::new(client);
        let user = format!("alice{number}");
        let line = invite(&operator, &server, &user);
        let pasted = paste(&client, &line);
        pasted.assert_code(0);
        let told = String::from_utf8(pasted.stdout).unwrap();
        assert_eq!(told, format!("you are {user} at {}\n", url(&server)));
        assert_eq!(pasted.stderr, "");

        fs::write(client.here().join("notes.txt"), "hello").unwrap();
        client.run(&["put", "notes.txt"]).assert_code(0);
        assert_eq!(client.run(&["ls"]).assert_code(0).stdout, b"notes.txt\n");
        client.run(&["get", "notes.txt", "-o", "copy.txt"]).assert_code(0);
        assert_eq!(fs::read(client.here().join("copy.txt")).unwrap(), b"hello");
        let home = operator.share().join(&user);
        assert_eq!(fs::read(home.join("notes.txt")).unwrap(), b"hello");
        let me = client.run(&["whoami", "--json"]);
        let me: serde_json::Value = serde_json::from_slice(&me.assert_code(0).stdout).unwrap();
        assert_eq!(me["user"], user.as_str());
        assert!(me["grants"]["."].as_array().unwrap().contains(&"put".into()), "{me}");

        // The line is used up, for everybody else and for this client too, who does not need it.
        let other = Bench::new(client.program());
        paste(&other, &line).assert_code(11).assert_one_clear_line();
        paste(&client, &line).assert_code(0);
        other.run(&["ls", "--server", &url(&server)]).assert_code(10);
        let secret = line.split("invite=").nth(1).unwrap().trim_end_matches('\'').to_owned();
        for place in [operator.place(), client.place(), other.place()] {
            let kept = Command::new("grep").args(["-rF", &secret]).arg(place).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "the secret is kept");
        }
        assert!(!server.log().contains(&secret), "{}", server.log());
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

/// Whoever is not identified is served nothing on any listener, and told how to get in.
pub fn nobody_is_served_without_an_account(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    fs::write(bench.here().join("b"), "hello").unwrap();
    let plain = bench.serve(&[]);
    bench.run(&["ls", "--server", &plain.url()]).assert_code(0);
    let server = serve(&bench);
    let pinned = format!("{}/#{}", url(&server), fingerprint(&bench));
    // The server that ran before the first account knows it too.
    for server in [pinned.as_str(), &plain.url()] {
        for args in [&["ls"][..], &["put", "b"], &["get", "a"], &["rm", "a"], &["whoami"]] {
            let refused = bench.run(&[args, &["--server", server]].concat());
            refused.assert_code(11).assert_one_clear_line();
            assert!(refused.stderr.contains("login hauls://USER@"), "{}", refused.stderr);
        }
    }
    assert!(!bench.share().join("b").exists());
    assert!(!bench.here().join("a").exists());
    // To remove the last account does not open it to everybody.
    bench.run(&["user", "remove", "somebody"]).assert_code(0);
    bench.run(&["ls", "--server", &pinned]).assert_code(11).assert_one_clear_line();
}

/// The fingerprint of the server with this state.
fn fingerprint(bench: &Bench) -> String {
    let kept = bench.place().join("state/haul/server.fingerprint");
    fs::read_to_string(kept).unwrap().trim_end().to_owned()
}

/// A password identifies a user on each connection, and is not kept. Without a terminal the user is told so.
pub fn a_password_is_asked_for_and_not_kept(program: &Path) {
    const PASSWORD: &str = "correct horse battery";
    let operator = Bench::new(program);
    let added = operator.run_with(
        &["user", "add", "carol", "--password-stdin"],
        format!("{PASSWORD}\n").as_bytes(),
    );
    added.assert_code(0);
    let server = serve(&operator);
    let client = Bench::new(program);
    let pinned =
        format!("hauls://carol@127.0.0.1:{}/#{}", server.address().port(), fingerprint(&operator));
    let login = ["login", &pinned, "--password-stdin"];
    client.run_with(&login, b"wrong\n").assert_code(11).assert_one_clear_line();
    client.run_with(&login, b"").assert_code(2).assert_one_clear_line();
    client.run(&["login", &pinned]).assert_code(11).assert_one_clear_line();
    let told = client.run_with(&login, format!("{PASSWORD}\n").as_bytes());
    told.assert_code(0);
    assert_eq!(told.stdout, format!("you are carol at {}\n", url(&server)).as_bytes());
    assert!(told.stderr.contains("the password is not kept"), "{}", told.stderr);
    let refused = client.run(&["ls"]);
    refused.assert_code(11).assert_one_clear_line();
    assert!(refused.stderr.contains("carol"), "{}", refused.stderr);

    let kept = Command::new("grep").args(["-rF", PASSWORD]).arg(client.place()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "the password is kept");
    fs::write(client.here().join("a"), "hello").unwrap();
    let Some(listed) = on_terminal(&client, "put a", format!("{PASSWORD}\n").as_bytes()) else {
        return;
    };
    listed.assert_code(0);
    assert_eq!(fs::read(operator.share().join("carol/a")).unwrap(), b"hello");
    let shown = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(shown.matches("Password of carol").count(), 1, "{shown}");
    let wrong = on_terminal(&client, "ls", b"wrong\nwrong\n").unwrap();
    wrong.assert_code(11);
    let shown = String::from_utf8(wrong.stdout).unwrap();
    assert_eq!(shown.matches("Password of carol").count(), 1, "it is asked for once: {shown}");
    for log in [server.log(), shown] {
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

/// A server that is not the right one gets no secret, and one that takes the client for somebody else is told of.
pub fn a_wrong_server_gets_no_secret(program: &Path) {
    let operator = Bench::new(program);
    let server = serve(&operator);
    let line = invite(&operator, &server, "alice");
    let evil = Bench::new(program);
    let evil_server = serve(&evil);
    invite(&evil, &evil_server, "alice");
    let client = Bench::new(program);
    // The address of the evil one, with the key of the good one.
    let port = |server: &Serving| format!("127.0.0.1:{}", server.address().port());
    let redirected = line.replace(&port(&server), &port(&evil_server));
    assert_ne!(redirected, line);
    let refused = paste(&client, &redirected);
    refused.assert_code(10).assert_one_clear_line();
    assert!(refused.stderr.contains("nothing was sent"), "{}", refused.stderr);
    let password = format!("hauls://alice@{}/#{}", port(&evil_server), fingerprint(&operator));
    client.run_with(&["login", &password, "--password-stdin"], b"secret\n").assert_code(10);
    assert!(!evil_server.log().contains("AUTH"), "{}", evil_server.log());
    // The invitation is still good.
    paste(&client, &line).assert_code(0);

    // The key is alice's, whoever else the address names.
    let bob = address_of(&line).replace("alice@", "bob@");
    let bob = bob.split(",invite=").next().unwrap();
    let told = client.run(&["ls", "--server", bob]);
    told.assert_code(11).assert_one_clear_line();
    assert!(told.stderr.contains("takes you for alice, not bob"), "{}", told.stderr);

    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("haul://{}", liar.local_addr().unwrap());
    let answers = thread::spawn(move || {
        let (mut connection, _) = liar.accept().unwrap();
        connection
            .write_all(b"HAUL/1 \"x\" max-data=16777216 pipeline=256 user=\"mallory\"\r\n")
            .unwrap();
        let mut asked = String::new();
        BufReader::new(connection.try_clone().unwrap()).read_line(&mut asked).unwrap();
        connection.write_all(b"OK user=\"mallory\"\r\n").unwrap();
        asked
    });
    let told = client.run(&["whoami", "--server", &address]);
    assert_eq!(told.assert_code(0).stdout, format!("mallory at {address}\n").as_bytes());
    assert_eq!(answers.join().unwrap().trim_end(), "WHOAMI");
}

//! What people type and which variables they set, from reports of users who had trouble with it.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::process::Bench;

/// An empty variable counts as unset. A wrong one is an error only for commands that use it.
pub fn an_empty_variable_is_an_unset_one(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    let empty = ["HAUL_SERVER=", "HAUL_LOG=", "HAUL_NO_PASS_THROUGH=", "NO_COLOR="];
    let launcher = [&["env"][..], &empty].concat();
    let server = bench.serve_under(&launcher, &[]);
    let url = server.url();
    bench.run_under(&launcher, &["completions", "bash"], b"").assert_code(0);
    bench.run_under(&launcher, &["ls", "--server", &url], b"").assert_code(0);
    let named = format!("HAUL_SERVER={url}");
    bench.run_under(&["env", &named], &["ls"], b"").assert_code(0);

    let wrong = ["env", "HAUL_SERVER=http://h"];
    let _server = bench.serve_under(&wrong, &[]);
    bench.run_under(&wrong, &["ls", "--server", &url], b"").assert_code(0);
    bench.run_under(&wrong, &["ls", &url], b"").assert_code(0);
    bench.run_under(&wrong, &["man"], b"").assert_code(0);
    let told = bench.run_under(&wrong, &["ls"], b"");
    told.assert_code(2).assert_one_clear_line();
    assert!(told.stderr.contains("HAUL_SERVER"), "{}", told.stderr);
}

/// Names on the server are taken literally, and a whole URL may stand for a name.
pub fn names_are_what_they_look_like(program: &Path) {
    let bench = Bench::new(program);
    fs::create_dir(bench.share().join("p")).unwrap();
    fs::write(bench.share().join("p/a"), "hello").unwrap();
    fs::write(bench.here().join("up"), "up").unwrap();
    let server = bench.serve(&[]);
    let url = server.url();
    for name in ["/p", "./p", "p//", "p/"] {
        let listed = bench.run(&["ls", "--server", &url, name]);
        assert_eq!(listed.assert_code(0).stdout, b"p/a\n", "{name}");
    }
    let whole = |name: &str| format!("{url}/{name}");
    for (number, args) in [
        &["get", "--server", &url, "/p/a", "-qo"][..],
        &["get", "--server", &url, "./p/a", "-qo"],
        &["get", "-q", &whole("p/a")],
        &["get", "-rq", &whole("p")],
    ]
    .into_iter()
    .enumerate()
    {
        let here = format!("b{number}");
        let ended = bench.run(&[args, &[here.as_str()]].concat());
        assert_eq!(ended.assert_code(0).stderr, "", "{args:?}");
    }
    for file in ["b0", "b1", "b2", "b3/a"] {
        assert_eq!(fs::read(bench.here().join(file)).unwrap(), b"hello", "{file}");
    }
    bench.run(&["put", "up", "--server", &url, "--as", "/p/one"]).assert_code(0);
    bench.run(&["put", "up", &whole("p/in/")]).assert_code(0);
    for file in ["p/one", "p/in/up"] {
        assert_eq!(fs::read(bench.share().join(file)).unwrap(), b"up", "{file}");
    }
    let above = bench.run(&["get", "--server", &url, "p/../a"]);
    above.assert_code(2).assert_one_clear_line();
}

/// When the server restarts, or ends an idle session, a script in the shell goes on. Commands that had not begun are
/// sent again.
pub fn a_shell_outlives_a_restart_of_the_server(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    let mut server = bench.serve_at(&Bench::own_address(), &[], &[]);
    let address = server.address().to_string();
    let mut shell = bench
        .command(&[])
        .args(["shell", "--server", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    let mut stdout = BufReader::new(shell.stdout.take().unwrap());
    let mut answer = |line: &str| {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        answer
    };
    assert_eq!(answer("LIST\n"), "a\n");
    fs::write(bench.here().join("up"), "up").unwrap();
    let (kill, term) = (Signal::KILL, Signal::TERM);
    let lines = [
        (kill, "LIST\n", "a\n"),
        (term, "LIST\n", "a\n"),
        (kill, "DOWNLOAD a to b\n", "a -> b  5 bytes"),
        (term, "DOWNLOAD -f a to b\n", "a -> b  5 bytes"),
        (kill, "UPLOAD up as one\n", "up -> one  2 bytes"),
        (term, "UPLOAD up as one\n", "up -> one  2 bytes"),
        (kill, "UPLOAD --create up as two\n", "up -> two  2 bytes"),
        (term, "UPLOAD --create up as three\n", "up -> three  2 bytes"),
        (kill, "CHECKSUM a\n", "3377857006524257  a"),
        (term, "COPY a b\n", "a -> b  5 bytes"),
        (kill, "MOVE b d/\n", "b -> d/b  moved"),
        (term, "DELETE d/b\n", "d/b  deleted"),
        (kill, "HELP server\n", ""),
    ];
    for (signal, line, begin) in lines {
        server.signal(signal);
        server.ended();
        server = bench.serve_at(&address, &[], &[]);
        let told = answer(line);
        assert!(told.starts_with(begin), "{line}: {told}");
    }
    drop(stdin);
    let ended = shell.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert_eq!(told.lines().count(), lines.len(), "{told}");
    assert!(told.lines().all(|line| line.contains("over a new connection")), "{told}");
}

/// `--listen` can be given several times. The server prints each address in a line of its own, before anything else.
pub fn a_server_listens_wherever_it_is_told_to(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    let mut server = bench
        .command(&[])
        .arg("serve")
        .arg(bench.share())
        .args(["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let first = line();
        let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
        assert!(url.starts_with(&format!("haul://{host}:")), "{first}");
        assert_eq!(bench.run(&["ls", url]).assert_code(0).stdout, b"a\n");
    }
    let shared = line();
    let whole = fs::canonicalize(bench.share()).unwrap();
    assert!(shared.contains(whole.to_str().unwrap()), "{shared}");
    server.kill().unwrap();
    server.wait().unwrap();
}

/// A client gives up a peer that accepts connections and says nothing, and says what the peer may be.
pub fn a_silent_server_is_given_up(program: &Path) {
    let bench = Bench::new(program);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let told = bench.run(&["ls", "--server", &address, "--connect-timeout", "1"]);
    told.assert_code(5).assert_one_clear_line();
    assert!(told.stderr.contains("no greeting came"), "{}", told.stderr);
}

/// A client that ends because of a signal exits with 128 plus the signal's number.
pub fn a_client_ends_with_the_code_of_its_signal(program: &Path) {
    let bench = Bench::new(program);
    let stalled = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stalled.local_addr().unwrap().to_string();
    // The user who runs the tests may ignore some of them.
    let launcher = ["env", "--default-signal=HUP,INT,QUIT,TERM"];
    for (signal, code) in
        [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)]
    {
        let client = bench.start_under(&launcher, &["ls", "--server", &address]);
        let (mut connection, _) = stalled.accept().unwrap();
        connection.write_all(b"HAUL/1 \"x\" max-data=16777216 pipeline=256\r\n").unwrap();
        let mut asked = String::new();
        BufReader::new(connection.try_clone().unwrap()).read_line(&mut asked).unwrap();
        assert!(asked.starts_with("LIST"), "{asked}");
        client.signal(signal);
        client.ended().assert_code(code).assert_one_clear_line();
    }
}

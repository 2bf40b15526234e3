//! Ordinary use of a program. Each check panics when the program does something wrong.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use haul_harness::Content;
use rustix::process::Signal;

use crate::abuse::wait_until;
use crate::process::Bench;
use crate::unfinished::unfinished;

/// Names that other programs handle wrongly.
pub(super) const ODD_NAMES: &[&str] = &[
    "plain.txt",
    "two  spaces ",
    "\"quoted\" 'both' ways",
    "a=b",
    "size=5",
    "naïve 日本 🦀",
    "cafe\u{301}",
    "-rf",
    "--help",
    "%20%2e%2e",
    "$(touch x);&|*?[a]~#",
    "HTTP",
    "trailing.",
    "OK \"bye\"",
    "right\u{202e}left",
];

/// Uploads, lists and downloads files with odd names. Each comes back with its own content.
pub fn files_of_odd_names_come_back_identical(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let longest = ["x".repeat(255), "日".repeat(85)];
    let names: Vec<&str> =
        ODD_NAMES.iter().copied().chain(longest.iter().map(String::as_str)).collect();
    fs::create_dir(bench.here().join("back")).unwrap();
    for name in &names {
        fs::write(bench.here().join(name), name).unwrap();
        let (url, file) = (server.url(), format!("./{name}"));
        bench.run(&["put", "--server", &url, "--", &file]).assert_code(0);
        assert_eq!(fs::read(bench.share().join(name)).unwrap(), name.as_bytes());
        bench.run(&["get", "--server", &url, "-o", "back", "--", name]).assert_code(0);
        assert_eq!(fs::read(bench.here().join("back").join(name)).unwrap(), name.as_bytes());
    }
    let listed = bench.run(&["ls", "--server", &server.url(), "--json"]);
    let mut found: Vec<String> = json_lines(&listed.assert_code(0).stdout)
        .iter()
        .map(|entry| entry["path"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut expected = names.clone();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Empty files, and sizes around those of chunks and pages.
pub fn files_of_every_size_come_back_identical(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let page = 4096;
    let chunk = 256 << 10;
    for size in
        [0, 1, page - 1, page, page + 1, chunk - 1, chunk, chunk + 1, 3 * chunk + 7, (5 << 20) + 1]
    {
        let bytes = Content::pattern(size).to_vec();
        fs::write(bench.here().join("up"), &bytes).unwrap();
        bench.run(&["put", "--server", &server.url(), "up", "--as", "dir/file"]).assert_code(0);
        assert!(fs::read(bench.share().join("dir/file")).unwrap() == bytes, "{size} bytes, up");
        let got =
            bench.run(&["get", "--server", &server.url(), "dir/file", "-o", "down", "--force"]);
        got.assert_code(0);
        assert!(fs::read(bench.here().join("down")).unwrap() == bytes, "{size} bytes, down");
    }
    assert_nothing_is_unfinished(&bench);
}

/// Without `--force`, `get` overwrites neither an existing file nor the target of a link.
pub fn an_existing_target_is_refused_unless_forced(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "new").unwrap();
    let server = bench.serve(&[]);
    let target = bench.here().join("a");
    fs::write(&target, "old").unwrap();
    bench.run(&["get", "--server", &server.url(), "a"]).assert_code(7).assert_one_clear_line();
    assert_eq!(fs::read(&target).unwrap(), b"old");
    bench.run(&["get", "--server", &server.url(), "a", "--force"]).assert_code(0);
    assert_eq!(fs::read(&target).unwrap(), b"new");

    fs::write(bench.here().join("pointed-to"), "old").unwrap();
    std::os::unix::fs::symlink("pointed-to", bench.here().join("link")).unwrap();
    bench.run(&["get", "--server", &server.url(), "a", "-o", "link"]).assert_code(7);
    assert_eq!(fs::read(bench.here().join("pointed-to")).unwrap(), b"old");
    assert_eq!(names_in(&bench.here()), ["a", "link", "pointed-to"]);
}

/// `put --create` replaces nothing.
pub fn an_existing_name_on_the_server_is_refused_when_told(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "old").unwrap();
    fs::write(bench.here().join("a"), "new").unwrap();
    let server = bench.serve(&[]);
    let refused = bench.run(&["put", "--server", &server.url(), "--create", "a"]);
    refused.assert_code(4).assert_one_clear_line();
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old");
    bench.run(&["put", "--server", &server.url(), "a"]).assert_code(0);
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"new");
}

/// `get` of a missing name creates no local file. `put` of a missing file sends nothing to the server.
pub fn what_is_not_there_is_not_found(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    bench
        .run(&["get", "--server", &server.url(), "nothing"])
        .assert_code(3)
        .assert_one_clear_line();
    bench.run(&["ls", "--server", &server.url(), "nothing"]).assert_code(3).assert_one_clear_line();
    bench
        .run(&["put", "--server", &server.url(), "nothing"])
        .assert_code(7)
        .assert_one_clear_line();
    assert!(names_in(&bench.here()).is_empty());
    assert_nothing_is_unfinished(&bench);
}

/// Uploads and downloads a directory of many files, over one connection and over several. A link in it is not followed.
pub fn directories_come_back_identical(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let here = |name: &str| bench.here().join(name);
    for number in 0..500 {
        let directory = here("tree").join(format!("{}/{}", number % 3, number % 7));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(number.to_string()), vec![b'x'; number * 31]).unwrap();
    }
    std::os::unix::fs::symlink("/etc", here("tree/link")).unwrap();
    let url = server.url();
    for jobs in ["1", "3"] {
        let (name, back) = (format!("there/{jobs}"), format!("back{jobs}"));
        let put = bench.run(&["put", "--server", &url, "-r", "tree", "--as", &name, "-j", jobs]);
        assert_eq!(put.assert_code(8).stdout.split(|&byte| byte == b'\n').count(), 501);
        assert!(put.stderr.contains("tree/link: left out: a symbolic link"), "{}", put.stderr);
        let get = ["get", "--server", &url, "-r", &name, "-o", &back, "-j", jobs, "--sync"];
        bench.run(&get).assert_code(0);
        for number in 0..500 {
            let file = format!("{}/{}/{number}", number % 3, number % 7);
            assert_eq!(fs::read(here(&back).join(file)).unwrap(), vec![b'x'; number * 31]);
        }
        assert!(!here(&back).join("link").exists());
        // Each existing file is reported in a line, and the others are downloaded.
        fs::remove_file(here(&back).join("0/0/0")).unwrap();
        let again = bench.run(&["get", "--server", &url, "-rq", &name, "-o", &back, "-j", jobs]);
        assert_eq!(again.assert_code(8).stderr.lines().count(), 499);
        assert!(here(&back).join("0/0/0").exists());
        // A second run has nothing to do, in either direction.
        let get = ["get", "--server", &url, "-r", &name, "-o", &back, "--skip-existing"];
        assert_eq!(bench.run(&get).assert_code(0).stdout, b"");
        let put = ["put", "--server", &url, "-r", "tree", "--as", &name, "--skip-existing"];
        let put = bench.run(&[&put[..], &["--links", "skip"]].concat());
        assert_eq!(put.assert_code(0).stdout, b"");
    }
    assert_nothing_is_unfinished(&bench);
}

/// Moves more files than one connection has under way, to and from a server that accepts one connection of each address.
pub fn one_connection_of_each_address_is_enough(program: &Path) {
    const FILES: usize = 1100;
    let bench = Bench::new(program);
    fs::create_dir(bench.here().join("tree")).unwrap();
    for number in 0..FILES {
        fs::write(bench.here().join(format!("tree/{number}")), number.to_string()).unwrap();
    }
    // A server may count a client for a moment after it has gone, so each client has its own server.
    let one = ["--max-clients-per-address", "1", "--sync", "none"];
    for command in
        [&["put", "-rq", "tree", "--as", "there"], &["get", "-rq", "there", "-o", "back"]]
    {
        let server = bench.serve(&one);
        let outcome = bench.run(&[&command[..], &["--server", &server.url()]].concat());
        assert_eq!(outcome.assert_code(0).stderr, "");
    }
    for number in 0..FILES {
        let back = bench.here().join(format!("back/{number}"));
        assert_eq!(fs::read_to_string(back).unwrap(), number.to_string());
    }
}

/// When one of several files is missing, the others are transferred.
pub fn some_of_several_is_partial(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "a").unwrap();
    fs::write(bench.share().join("b"), "b").unwrap();
    let server = bench.serve(&[]);
    let some = bench.run(&["get", "-q", "--server", &server.url(), "a", "nothing", "b"]);
    some.assert_code(8).assert_one_clear_line();
    assert_eq!(names_in(&bench.here()), ["a", "b"]);
}

/// A wrong option, command or value gives exit code 2 and one line that names the remedy.
pub fn a_wrong_command_line_is_one_line(program: &Path) {
    let bench = Bench::new(program);
    for args in [
        &["ls", "--frobnicate"][..],
        &["frobnicate"],
        &["get"],
        &["get", "x", "--offset", "-1"],
        &["serve", "--max-clients", "0"],
        &["serve", "--listen", "4285"],
        &["put", "-"],
    ] {
        bench.run(args).assert_code(2).assert_one_clear_line();
    }
    assert!(names_in(&bench.here()).is_empty());
}

/// An address that cannot be parsed is a usage error.
pub fn an_address_that_is_none_is_one_line(program: &Path) {
    let bench = Bench::new(program);
    for address in [
        "http://example.org",
        "haul://localhost:notaport",
        "haul://localhost:99999",
        "haul://",
        "haul://[::1",
    ] {
        bench.run(&["ls", "--server", address]).assert_code(2).assert_one_clear_line();
    }
}

/// Nobody listens at the address.
pub fn a_server_that_is_not_there_is_one_line(program: &Path) {
    let bench = Bench::new(program);
    // The socket is bound without listening: no other process can take the port meanwhile, and connections are refused.
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::bind(&socket, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0))
        .unwrap();
    let address: std::net::SocketAddrV4 =
        rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    let url = format!("haul://{address}");
    fs::write(bench.here().join("a"), "a").unwrap();
    for args in [
        &["ls", "--server", &url][..],
        &["get", "--server", &url, "x"],
        &["put", "--server", &url, "a"],
    ] {
        bench.run(args).assert_code(5).assert_one_clear_line();
    }
    assert_eq!(names_in(&bench.here()), ["a"]);
}

/// Two servers cannot listen on one port.
pub fn a_port_in_use_is_one_line(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let second = bench.run(&["serve", ".", "--listen", &server.address().to_string()]);
    second.assert_code(5).assert_one_clear_line();
    assert!(second.stderr.contains("--listen"), "{}", second.stderr);
}

/// The server does not create a missing directory, and does not serve a file as one.
pub fn a_directory_that_is_missing_is_one_line(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.here().join("file"), "").unwrap();
    for name in ["missing", "file", "file/below"] {
        let refused = bench.run(&["serve", name, "--listen", "127.0.0.1:0"]);
        refused.assert_code(7).assert_one_clear_line();
    }
    assert_eq!(names_in(&bench.here()), ["file"]);
}

/// `get --offset` and `get --length`.
pub fn a_part_of_a_file(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello world\n").unwrap();
    let server = bench.serve(&[]);
    let url = server.url();
    let part =
        bench.run(&["get", "--server", &url, "a", "-o", "-", "--offset", "6", "--length", "5"]);
    assert_eq!(part.assert_code(0).stdout, b"world");
    let rest = bench.run(&["get", "--server", &url, "a", "-o", "-", "--offset", "12"]);
    assert_eq!(rest.assert_code(0).stdout, b"");
    bench
        .run(&["get", "--server", &url, "a", "-o", "-", "--offset", "13"])
        .assert_code(4)
        .assert_one_clear_line();
}

/// `-` means stdin or stdout.
pub fn streams_instead_of_files(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let bytes = Content::pattern(700_001).to_vec();
    bench
        .run_with(&["put", "--server", &server.url(), "-", "--as", "piped"], &bytes)
        .assert_code(0);
    assert!(fs::read(bench.share().join("piped")).unwrap() == bytes);
    let back = bench.run(&["get", "--server", &server.url(), "piped", "-o", "-"]);
    assert!(back.assert_code(0).stdout == bytes);
}

/// With `--json`, `put`, `get` and `ls` print one object a line.
pub fn output_for_programs(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.here().join("a b"), "hello world\n").unwrap();
    fs::create_dir(bench.share().join("photos")).unwrap();
    let server = bench.serve(&[]);
    let put = bench.run(&["put", "--server", &server.url(), "--json", "a b"]);
    let put = json_lines(&put.assert_code(0).stdout);
    assert_eq!(put.len(), 1);
    assert!(put[0].to_string().contains("0f780e8481d2a21f"), "{}", put[0]);
    let listed = bench.run(&["ls", "--server", &server.url(), "--json"]);
    let listed = json_lines(&listed.assert_code(0).stdout);
    let of = |name: &str| {
        listed.iter().find(|entry| entry["path"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(of("a b")["type"], "file");
    assert_eq!(of("a b")["size"], 12);
    assert_eq!(of("photos")["type"], "directory");
    assert_eq!(listed.len(), 2);
    let got = bench.run(&["get", "--server", &server.url(), "--json", "a b", "-o", "c"]);
    assert_eq!(json_lines(&got.assert_code(0).stdout).len(), 1);
}

/// The shell also reads its commands from a pipe.
pub fn a_shell_from_a_pipe(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.here().join("up.txt"), "up").unwrap();
    fs::write(bench.share().join("down.txt"), "down").unwrap();
    let server = bench.serve(&[]);
    let typed = b"LIST\nUPLOAD up.txt\nDOWNLOAD down.txt\nEXIT\n";
    let shell = bench.run_with(&["shell", "--server", &server.url()], typed);
    let shown = String::from_utf8_lossy(&shell.assert_code(0).stdout).into_owned();
    assert!(shown.contains("down.txt"), "{shown}");
    assert_eq!(fs::read(bench.share().join("up.txt")).unwrap(), b"up");
    assert_eq!(fs::read(bench.here().join("down.txt")).unwrap(), b"down");
}

/// A boolean environment variable takes the values that people write there.
pub fn a_switch_in_the_environment_takes_what_people_write(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "hello").unwrap();
    for value in ["1", "yes", "true", "0", "false", ""] {
        let launcher = ["env", &format!("HAUL_NO_PASS_THROUGH={value}")];
        let server = bench.serve_under(&launcher, &[]);
        let args = ["get", "a", "-o", "-", "--server", &server.url()];
        let ended = bench.run_under(&launcher, &args, b"");
        ended.assert_code(0);
        assert_eq!(ended.stdout, b"hello", "{value:?}");
    }
}

/// When the reader of stdout goes away, the program ends with an exit code, not with a signal.
pub fn a_closed_stdout_is_no_crash(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), Content::pattern(300_000).to_vec()).unwrap();
    let server = bench.serve(&[]);
    for args in [&["ls"][..], &["ls", "--json"], &["get", "a", "-o", "-"]] {
        let mut all = args.to_vec();
        let url = server.url();
        all.extend(["--server", &url]);
        let ended = bench.run_unread(&all);
        ended.assert_code(7);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

/// What `printf 'LIST EXIT ' | nc` shows.
pub fn a_session_typed_by_hand(program: &Path) {
    let bench = Bench::new(program);
    fs::create_dir(bench.share().join("photos")).unwrap();
    let server = bench.serve(&["--banner", "Good day"]);
    let mut raw = server.connect();
    raw.send(b"LIST\nEXIT\n");
    assert_eq!(
        raw.rest(),
        "HAUL/1 \"Good day\" max-data=16777216 pipeline=256\r\nDIR \"photos\"\r\nOK entries=1\r\nOK \"bye\"\r\n"
    );
}

/// With one place, a second client is refused, and gets the place when the first client has left.
pub fn more_clients_than_places(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&["--max-clients", "1"]);
    let mut first = server.connect();
    assert!(first.line().starts_with("HAUL/1 "));
    let refused = server.connect().rest();
    assert!(refused.starts_with("ERR busy \""), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");
    bench.run(&["ls", "--server", &server.url()]).assert_code(5).assert_one_clear_line();
    first.send(b"EXIT\n");
    assert_eq!(first.rest(), "OK \"bye\"\r\n");
    drop(first);
    // The server frees the place shortly after the connection has closed, so this retries until it is free.
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !server.connect().line().starts_with("HAUL/1 ") {
        assert!(std::time::Instant::now() < deadline, "the place was never free again");
    }
}

/// Of two simultaneous uploads with `mode=create`, one is published.
pub fn uploads_that_create_one_name(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let mut both = [server.connect(), server.connect()];
    for raw in &mut both {
        assert!(raw.line().starts_with("HAUL/1 "));
        raw.send(b"UPLOAD a mode=create\n");
        assert_eq!(raw.line(), "READY");
    }
    let [first, second] = &mut both;
    first.send(b"DATA 5\nfirstEND\n");
    assert!(first.line().starts_with("OK size=5 "));
    second.send(b"DATA 6\nsecondEND\n");
    assert!(second.line().starts_with("ERR exists "));
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"first");
    assert_nothing_is_unfinished(&bench);
}

/// After SIGTERM the server finishes an upload under way, ends the session, and exits with code 0.
pub fn a_signal_lets_transfers_end(program: &Path) {
    let bench = Bench::new(program);
    let mut server = bench.serve(&[]);
    let mut idle = server.connect();
    assert!(idle.line().starts_with("HAUL/1 "));
    let mut busy = server.connect();
    assert!(busy.line().starts_with("HAUL/1 "));
    busy.send(b"UPLOAD a\n");
    assert_eq!(busy.line(), "READY");
    server.signal(Signal::TERM);
    assert!(idle.line().starts_with("ERR shutting-down \""));
    drop(idle);
    busy.send(b"DATA 5\nhelloEND crc64nvme=3377857006524257\n");
    assert!(busy.line().starts_with("OK size=5 crc64nvme=3377857006524257 version="));
    assert!(busy.line().starts_with("ERR shutting-down \""));
    assert_eq!(busy.rest(), "");
    drop(busy);
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"hello");
    assert_nothing_is_unfinished(&bench);
}

/// After `kill -9` during an upload the old file is there, and the next start removes the staged one.
pub fn a_killed_server_leaves_no_torn_file(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("a"), "old").unwrap();
    let mut server = bench.serve(&[]);
    let mut raw = server.connect();
    assert!(raw.line().starts_with("HAUL/1 "));
    raw.send(b"UPLOAD a\nDATA 5\nhello");
    assert_eq!(raw.line(), "READY");
    server.signal(Signal::KILL);
    assert_eq!(server.ended().code(), None);
    assert_eq!(fs::read(bench.share().join("a")).unwrap(), b"old");
    let next = bench.serve(&[]);
    // It does so in the background.
    wait_until(|| unfinished(&bench.share()).is_empty());
    assert_nothing_is_unfinished(&bench);
    let listed = bench.run(&["ls", "--server", &next.url()]);
    assert_eq!(listed.assert_code(0).stdout, b"a\n");
}

/// The names in a directory, sorted.
pub(super) fn names_in(directory: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

pub(super) fn assert_nothing_is_unfinished(bench: &Bench) {
    let left = unfinished(&bench.share());
    assert!(left.is_empty(), "left unfinished: {left:?}");
}

pub(super) fn json_lines(text: &[u8]) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(text).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

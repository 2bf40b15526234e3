use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::fake::{Fake, Run, refusal};

const CONTENT: &str = "123456789";
const CHECKSUM: &str = "ae8b14860a799888";

fn server() -> Fake {
    Fake::with(&[("a/notes.txt", CONTENT), ("a/more.txt", "more"), ("b/notes.txt", "other")])
}

fn here() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().to_str().unwrap().to_owned();
    (directory, name)
}

/// What is in a directory, hidden files too.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn into_a_directory_it_keeps_its_last_part() {
    let (directory, to) = here();
    let got = server().run(&["get", "a/notes.txt", "-o", &to]);
    got.done(&format!("a/notes.txt -> {to}/notes.txt  9 bytes  crc64nvme {CHECKSUM}  verified\n"));
    assert_eq!(fs::read_to_string(directory.path().join("notes.txt")).unwrap(), CONTENT);
    assert_eq!(names(directory.path()), ["notes.txt"]);
}

#[test]
fn into_a_file_it_takes_that_name() {
    let (directory, to) = here();
    let target = format!("{to}/x");
    let got = server().run(&["get", "a/notes.txt", "-o", &target, "--json"]);
    got.done(&format!(
        "{{\"path\":\"a/notes.txt\",\"target\":\"{target}\",\"size\":9,\"crc64nvme\":\"{CHECKSUM}\"}}\n"
    ));
    assert_eq!(fs::read_to_string(directory.path().join("x")).unwrap(), CONTENT);
}

#[test]
fn to_stdout_nothing_is_printed_but_data() {
    server().run(&["get", "a/notes.txt", "-o", "-"]).done(CONTENT);
    server().run(&["get", "a/notes.txt", "-o", "-", "--json"]).done(CONTENT);
}

#[test]
fn quiet_prints_nothing() {
    let (_directory, to) = here();
    server().run(&["get", "a/notes.txt", "-o", &to, "-q"]).done("");
}

#[test]
fn a_range_is_a_part() {
    let get = |range: &[&str]| server().run(&[&["get", "a/notes.txt", "-o", "-"], range].concat());
    get(&["--offset", "3"]).done("456789");
    get(&["--offset", "3", "--length", "2"]).done("45");
    get(&["--length", "1K"]).done(CONTENT);
    get(&["--offset", "1K"]).failed(Exit::Refused, &["bad-range", "--offset"]);
}

#[test]
fn an_existing_target_is_refused_before_the_server_is_asked() {
    let (directory, to) = here();
    let target = directory.path().join("notes.txt");
    fs::write(&target, "mine").unwrap();
    symlink("notes.txt", directory.path().join("link")).unwrap();
    let fake = server();
    for dest in [to.clone(), format!("{to}/notes.txt"), format!("{to}/link")] {
        let got = fake.run(&["get", "a/notes.txt", "-o", &dest]);
        got.failed(Exit::Local, &["exists", "--force"]);
    }
    assert!(fake.state().connected.is_empty());
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");

    assert_eq!(fake.run(&["get", "--force", "a/notes.txt", "-o", &to]).exit, Exit::Done);
    assert_eq!(fs::read_to_string(&target).unwrap(), CONTENT);
}

#[test]
fn a_missing_directory_says_how_to_make_it() {
    let (_directory, to) = here();
    let fake = server();
    let into = format!("{to}/missing/");
    fake.run(&["get", "a/notes.txt", "-o", &into]).failed(Exit::Local, &["mkdir -p"]);
    let into = format!("{to}/missing/x");
    fake.run(&["get", "a/notes.txt", "-o", &into]).failed(Exit::Local, &["mkdir -p"]);
    let into = format!("{to}/missing");
    fake.run(&["get", "a/notes.txt", "a/more.txt", "-o", &into]).failed(Exit::Local, &["mkdir -p"]);
    fs::write(format!("{to}/file"), "").unwrap();
    let into = format!("{to}/file/x");
    let advice = "cannot open its directory: Not a directory (name a file in a directory with -o)";
    fake.run(&["get", "a/notes.txt", "-o", &into]).failed(Exit::Local, &[advice]);
    assert!(fake.state().connected.is_empty());
}

#[test]
fn several_names_need_one_place_each() {
    let (directory, to) = here();
    let fake = server();
    let file = format!("{to}/file");
    fs::write(&file, "").unwrap();
    fake.run(&["get", "a/notes.txt", "a/more.txt", "-o", &file])
        .failed(Exit::Usage, &["directory"]);
    fake.run(&["get", "a/notes.txt", "a/more.txt", "-o", "-"]).failed(Exit::Usage, &["stdout"]);
    fake.run(&["get", "a/notes.txt", "b/notes.txt", "-o", &to])
        .failed(Exit::Usage, &["b/notes.txt", "same file"]);
    assert!(fake.state().connected.is_empty());
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn after_one_failure_the_others_come() {
    let (directory, to) = here();
    let fake = server();
    let got = fake.run(&["get", "nothing", "a/notes.txt", "a/more.txt", "-o", &to]);
    got.failed(Exit::Partial, &["nothing: not-found"]);
    assert_eq!(got.stdout.lines().count(), 2);
    assert_eq!(names(directory.path()), ["more.txt", "notes.txt"]);
    assert_eq!(fake.state().connected.len(), 1);

    fs::remove_file(directory.path().join("more.txt")).unwrap();
    let got = fake.run(&["get", "a/notes.txt", "a/more.txt", "-o", &to]);
    got.failed(Exit::Partial, &["exists"]);
    assert_eq!(names(directory.path()), ["more.txt", "notes.txt"]);
}

#[test]
fn if_none_comes_the_first_failure_decides() {
    let (_directory, to) = here();
    let fake = server().fails("a/notes.txt", refusal(ErrorCode::Denied));
    let got = fake.run(&["get", "a/notes.txt", "nothing", "-o", &to]);
    assert_eq!(got.exit, Exit::Refused);
    assert_eq!(got.errors().len(), 2);
}

#[test]
fn without_retries_a_lost_connection_ends_it() {
    let (directory, to) = here();
    let fake = server().fails("a/more.txt", Failure::Disconnected);
    let names_of = ["a/notes.txt", "a/more.txt", "nothing"];
    let got = fake.run(&[&["get", "--retry", "0", "-o", &to], &names_of[..]].concat());
    assert_eq!(got.exit, Exit::Partial);
    let expected = [
        "a/more.txt: the connection ended before the server's reply (try again)",
        "1 more not finished",
    ];
    assert_eq!(got.errors(), expected);
    assert_eq!(names(directory.path()), ["notes.txt"]);
    assert_eq!(fake.state().connected.len(), 1);
}

#[test]
fn an_interrupt_ends_it_with_its_own_code() {
    let (directory, to) = here();
    let fake = server().fails("a/more.txt", Failure::Cancelled);
    let got = fake.run(&["get", "a/notes.txt", "a/more.txt", "nothing", "-o", &to]);
    assert_eq!(got.exit, Exit::Interrupted);
    assert_eq!(names(directory.path()), ["notes.txt"]);
}

#[test]
fn a_transfer_that_fails_leaves_nothing() {
    let (directory, to) = here();
    let fake = server();
    fake.state().corrupt_after = Some(8);
    let got = fake.run(&["get", "a/notes.txt", "-o", &to]);
    got.failed(Exit::Integrity, &["checksum differs", "nothing was kept"]);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn an_old_file_outlives_a_transfer_that_fails() {
    let (directory, to) = here();
    let target = directory.path().join("notes.txt");
    fs::write(&target, "mine").unwrap();
    let fake = server();
    fake.state().corrupt_after = Some(8);
    let got = fake.run(&["get", "-f", "a/notes.txt", "-o", &to]);
    got.failed(Exit::Integrity, &["checksum differs"]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert_eq!(names(directory.path()), ["notes.txt"]);
}

#[test]
fn a_closed_stdout_ends_it_without_a_word() {
    for room in [0, 5] {
        let run = Run { stdout_closes_after: Some(room), ..Run::default() };
        let got = run.run(&server(), &["get", "a/notes.txt", "-o", "-"]);
        assert_eq!((got.exit, got.stderr.as_str()), (Exit::Local, ""));
    }
}

#[test]
fn bad_names_are_refused_here() {
    let fake = server();
    fake.run(&["get", "/../passwd"]).failed(Exit::Usage, &["/../passwd: a path has no . or .."]);
    fake.run(&["get", "ftp://test/a"]).failed(Exit::Usage, &["haul://"]);
    assert!(fake.state().connected.is_empty());
}

/// They take the bytes and stay what they are; a regular file still needs --force.
#[test]
fn a_target_that_is_no_regular_file_is_written_to() {
    let (directory, to) = here();
    let at = |name: &str| format!("{to}/{name}");
    symlink("/dev/null", at("null")).unwrap();
    let got = server().run(&["get", "a/notes.txt", "-o", &at("null")]);
    got.done(&format!("a/notes.txt -> {to}/null  9 bytes  crc64nvme {CHECKSUM}  verified\n"));
    assert_eq!(fs::read_link(at("null")).unwrap(), Path::new("/dev/null"));

    symlink("/dev/fd/1", at("out")).unwrap();
    server().run(&["get", "a/notes.txt", "-o", &at("out")]).done(CONTENT);
    server().run(&["get", "a/notes.txt", "-fo", "/dev/stdout"]).done(CONTENT);
    assert!(fs::symlink_metadata(at("out")).unwrap().is_symlink());

    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let reader = thread::spawn({
        let fifo = at("fifo");
        move || fs::read_to_string(fifo).unwrap()
    });
    let got = server().run(&["get", "-q", "a/notes.txt", "-o", &at("fifo")]);
    got.done("");
    assert_eq!(reader.join().unwrap(), CONTENT);
    assert_eq!(names(directory.path()), ["fifo", "null", "out"]);
}

#[test]
fn a_directory_says_that_it_needs_an_option() {
    let (_directory, to) = here();
    let fake = server().fails("a", refusal(ErrorCode::IsDirectory));
    fake.run(&["get", "a", "-o", &to]).failed(Exit::Refused, &["a: is-directory", "(-r downloads"]);
}

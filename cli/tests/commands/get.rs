use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use haul_cli::Exit;
use haul_core::client::Failure;
use haul_core::{Entry, ErrorCode};
use haul_store::{Found, LocalDirectory};
use tempfile::TempDir;

use crate::fake::{Fake, Run, modified, path, refusal};

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
    assert_eq!(got.stderr.lines().count(), 2);
}

#[test]
fn after_a_lost_connection_nothing_more_is_tried() {
    let (directory, to) = here();
    let fake = server().fails("a/more.txt", Failure::Disconnected);
    let got = fake.run(&["get", "a/notes.txt", "a/more.txt", "nothing", "-o", &to]);
    assert_eq!(got.exit, Exit::Partial);
    let expected = "haul-test: a/more.txt: the connection ended before the server's reply (try again)\n\
                    haul-test: 1 more not tried\n";
    assert_eq!(got.stderr, expected);
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

/// All regular files beneath a directory, hidden ones too.
fn files(directory: &Path) -> Vec<String> {
    let found = LocalDirectory::open(directory).unwrap().walk(true);
    let mut files: Vec<String> = found
        .filter_map(|found| match found.unwrap() {
            Found::File(path) => Some(path.as_str().to_owned()),
            _ => None,
        })
        .collect();
    files.sort();
    files
}

fn tree() -> Fake {
    Fake::with(&[("a/notes.txt", CONTENT), ("a/b/more.txt", "more"), ("a/b/c/x", ""), ("e", "e")])
}

#[test]
fn a_directory_comes_with_all_that_is_in_it() {
    let (directory, to) = here();
    let into = |name: &str| format!("{to}/{name}");
    let fake = tree();
    let got = fake.run(&["get", "-r", "a", "-o", &into("one"), "--json", "--jobs", "2"]);
    assert_eq!((got.exit, got.stderr.as_str()), (Exit::Done, ""), "{got:?}");
    assert_eq!(got.stdout.lines().count(), 3);
    assert!(got.stdout.contains("{\"path\":\"a/b/more.txt\",\"target\":\""), "{got:?}");
    assert_eq!(fake.state().connected.len(), 2);
    assert!(!fake.state().durable);
    assert_eq!(files(&directory.path().join("one")), ["b/c/x", "b/more.txt", "notes.txt"]);
    assert_eq!(fs::read_to_string(directory.path().join("one/notes.txt")).unwrap(), CONTENT);

    assert_eq!(fake.run(&["get", "-rq", "a/b", "-o", &into("")]).exit, Exit::Done);
    assert_eq!(files(&directory.path().join("b")), ["c/x", "more.txt"]);
    assert_eq!(fake.run(&["get", "-rq", "a", "e", "-o", &to, "--sync"]).exit, Exit::Done);
    assert!(fake.state().durable);
    assert_eq!(files(&directory.path().join("a")).len(), 3);
    assert_eq!(fs::read_to_string(directory.path().join("e")).unwrap(), "e");
    assert_eq!(fake.run(&["get", "-rq", ".", "-o", &into("all")]).exit, Exit::Done);
    assert_eq!(files(&directory.path().join("all")).len(), 4);
    let base = fake.run(&["get", "-rq", "b", "-o", &into("based"), "--server", "haul://test/a"]);
    assert_eq!(base.exit, Exit::Done);
    assert_eq!(files(&directory.path().join("based")), ["c/x", "more.txt"]);
}

#[test]
fn what_is_here_already_is_told_file_by_file() {
    let (directory, to) = here();
    fs::create_dir(directory.path().join("b")).unwrap();
    fs::write(directory.path().join("b/more.txt"), "mine").unwrap();
    let fake = tree();
    fake.run(&["get", "-r", "a", "-o", &to]).failed(Exit::Partial, &["b/more.txt exists"]);
    assert_eq!(fs::read_to_string(directory.path().join("b/more.txt")).unwrap(), "mine");
    assert_eq!(files(directory.path()).len(), 3);
    assert_eq!(fake.run(&["get", "-rqf", "a", "-o", &to]).exit, Exit::Done);
    assert_eq!(fs::read_to_string(directory.path().join("b/more.txt")).unwrap(), "more");
}

#[test]
fn places_that_are_none_are_refused_before_anything_comes() {
    let (directory, to) = here();
    let fake = tree();
    fake.run(&["get", "-r", "a", "-o", "-"]).failed(Exit::Usage, &["stdout"]);
    fake.run(&["get", "-r", "."]).failed(Exit::Usage, &["-o DIR"]);
    fake.run(&["get", "-r", "a", "a/", "-o", &to]).failed(Exit::Usage, &["same file"]);
    let missing = format!("{to}/missing/");
    fake.run(&["get", "-r", "a", "-o", &missing]).failed(Exit::Local, &["mkdir -p"]);
    fake.run(&["get", "-r", "nothing", "-o", &to]).failed(Exit::NotFound, &["nothing: not-found"]);
    fake.run(&["get", "-r", "a", "--offset", "1"]).failed(Exit::Usage, &["--offset"]);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

/// Only what the person asked for is written, and only where.
#[test]
fn a_server_chooses_no_place_outside() {
    let file = |name: &str| Entry::File {
        path: path(name),
        size: 1,
        modified: modified(),
        executable: false,
    };
    for name in ["b/notes.txt", "aa/x", "a"] {
        let (directory, to) = here();
        let fake = tree();
        fake.state().invented = vec![match name {
            "a" => Entry::Directory { path: path(name), error: None, link: false },
            name => file(name),
        }];
        let got = fake.run(&["get", "-r", "a", "-o", &to]);
        got.failed(Exit::Integrity, &["a name that lies elsewhere"]);
        assert_eq!(names(directory.path()), Vec::<String>::new());
    }
    // Links that are here lead nowhere, and what programs would read by itself does not come unasked.
    let ((directory, to), (outside, elsewhere)) = (here(), here());
    symlink(&elsewhere, directory.path().join("b")).unwrap();
    let fake = tree();
    fake.state().files.insert("a/.profile".into(), b"evil".to_vec());
    fake.state().files.insert("a/.ssh/keys".into(), b"evil".to_vec());
    let got = fake.run(&["get", "-rf", "a", "-o", &to]);
    assert_eq!(got.exit, Exit::Partial, "{got:?}");
    assert!(got.stderr.contains("2 names that begin with a dot left out"), "{got:?}");
    assert!(got.stderr.contains("link on the way is not followed"), "{got:?}");
    assert_eq!(names(outside.path()), Vec::<String>::new());
    assert_eq!(names(directory.path()), ["b", "notes.txt"]);
    assert_eq!(fake.run(&["get", "-rqf", "a", "-o", &to, "--hidden"]).exit, Exit::Partial);
    assert_eq!(names(directory.path()), [".profile", ".ssh", "b", "notes.txt"]);
}

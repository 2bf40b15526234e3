use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread;

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::fake::{Fake, Run, refusal};

const CHECKSUM: &str = "ae8b14860a799888";

fn here(files: &[&str]) -> (TempDir, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let paths = files.iter().map(|name| {
        let path = directory.path().join(name);
        fs::write(&path, "123456789").unwrap();
        path.to_str().unwrap().to_owned()
    });
    let paths = paths.collect();
    (directory, paths)
}

fn stored(fake: &Fake) -> Vec<String> {
    fake.state().files.keys().cloned().collect()
}

#[test]
fn a_file_keeps_its_name_and_its_receipt_is_printed() {
    let (_directory, files) = here(&["notes one.txt"]);
    let fake = Fake::default();
    let put = fake.run(&["put", &files[0]]);
    put.done(&format!("{} -> notes one.txt  9 bytes  crc64nvme {CHECKSUM}  stored\n", files[0]));
    assert_eq!(fake.state().files["notes one.txt"], b"123456789");
    assert_eq!(fake.state().said_goodbye, 1);
}

#[test]
fn it_can_be_given_a_name_or_a_directory() {
    let (_directory, files) = here(&["a", "b"]);
    let fake = Fake::default();
    let put = fake.run(&["put", &files[0], "--as", "x/y", "--json"]);
    put.done(&format!(
        "{{\"path\":\"x/y\",\"source\":\"{}\",\"size\":9,\"crc64nvme\":\"{CHECKSUM}\"}}\n",
        files[0]
    ));
    assert_eq!(fake.run(&["put", &files[0], &files[1], "--as", "z/"]).exit, Exit::Done);
    assert_eq!(fake.run(&["put", &files[0], "--server", "h/base"]).exit, Exit::Done);
    assert_eq!(stored(&fake), ["base/a", "x/y", "z/a", "z/b"]);
}

#[test]
fn stdin_needs_a_name() {
    let fake = Fake::default();
    let run = |line: &[&str]| Run { stdin: "123456789", ..Run::default() }.run(&fake, line);
    run(&["put", "-"]).failed(Exit::Usage, &["--as NAME"]);
    run(&["put", "-", "--as", "x/"]).failed(Exit::Usage, &["--as NAME"]);
    run(&["put", "-", "--as", "x"]).done(&format!("x  9 bytes  crc64nvme {CHECKSUM}  stored\n"));
    assert_eq!(stored(&fake), ["x"]);
}

#[test]
fn create_refuses_what_is_there() {
    let (_directory, files) = here(&["a"]);
    let fake = Fake::with(&[("a", "old")]);
    fake.run(&["put", "--create", &files[0]]).failed(Exit::Refused, &["a: exists", "--create"]);
    assert_eq!(fake.state().files["a"], b"old");
    assert_eq!(fake.run(&["put", &files[0]]).exit, Exit::Done);
    assert_eq!(fake.state().files["a"], b"123456789");
}

#[test]
fn what_cannot_be_sent_says_the_way_out() {
    let (directory, files) = here(&["a", "b", "c\\d", "e\nf"]);
    let fake = Fake::default();
    let missing = directory.path().join("missing");
    fake.run(&["put", missing.to_str().unwrap()]).failed(Exit::Local, &["missing", "No such file"]);
    fake.run(&["put", directory.path().to_str().unwrap()])
        .failed(Exit::Local, &["directory", "-r"]);
    fake.run(&["put", ".."]).failed(Exit::Local, &["..: this is a directory", "-r"]);
    fake.run(&["put", &files[0], &files[1], "--as", "x"]).failed(Exit::Usage, &["several files"]);
    fake.run(&["put", &files[2]]).failed(Exit::Usage, &["control characters", "--as NAME"]);
    fake.run(&["put", &files[3]]).failed(Exit::Usage, &[r"e\nf", "--as NAME"]);
    fake.run(&["put", &files[0], "--as", "../x"])
        .failed(Exit::Usage, &["../x: a path has no . or .."]);
    fake.run(&["put", &files[0], &files[0]]).failed(Exit::Usage, &["same name"]);
    assert!(fake.state().connected.is_empty());
}

/// Not even `serve --hidden` takes them.
#[test]
fn names_that_haul_keeps_are_refused_with_the_reason() {
    let (_directory, files) = here(&[".haul-0123456789abcdef"]);
    let fake = Fake::default().fails(".haul-0123456789abcdef", refusal(ErrorCode::NotFound));
    let put = fake.run(&["put", &files[0]]);
    put.failed(Exit::NotFound, &["(Haul keeps such names for its own unfinished files)"]);
}

/// Where a file would be replaced, only another spelling of its name is refused.
#[test]
fn a_name_that_is_taken_has_its_advice() {
    let (_directory, files) = here(&["a"]);
    for (option, advice) in
        [("-q", "(choose another name)"), ("--create", "(without --create it is replaced)")]
    {
        let fake = Fake::default().fails("a", refusal(ErrorCode::Exists));
        fake.run(&["put", option, &files[0]]).failed(Exit::Refused, &[advice]);
    }
}

#[test]
fn after_one_failure_the_others_go() {
    let (_directory, files) = here(&["a", "b", "c\\d"]);
    let fake = Fake::default().fails("a", refusal(ErrorCode::NoSpace));
    let put = fake.run(&["put", &files[2], &files[0], "/no/such/file", &files[1]]);
    assert_eq!(put.exit, Exit::Partial);
    assert_eq!(put.errors().len(), 3, "{}", put.stderr);
    assert_eq!(stored(&fake), ["b"]);
}

#[test]
fn a_receipt_that_is_not_certain_has_its_own_code() {
    let (_directory, files) = here(&["a"]);
    let fake = Fake::default().fails("a", refusal(ErrorCode::OutcomeUnknown));
    fake.run(&["put", &files[0]]).failed(Exit::OutcomeUnknown, &["power cut"]);
}

#[test]
fn without_retries_a_lost_connection_ends_it() {
    let (_directory, files) = here(&["a", "b"]);
    let fake = Fake::default().fails("a", Failure::TimedOut);
    let put = fake.run(&["put", "--retry", "0", &files[0], &files[1]]);
    assert_eq!(put.exit, Exit::Network);
    assert_eq!(put.errors()[1..], ["1 more not finished"]);
    assert!(stored(&fake).is_empty());
}

#[test]
fn what_no_connection_takes_is_told() {
    let (_directory, files) = here(&["a", "b"]);
    let fake = Fake::default().fails("run", Failure::Disconnected);
    let put = fake.run(&["put", "--retry", "0", &files[0], &files[1]]);
    assert_eq!(put.exit, Exit::Network);
    assert!(put.stderr.starts_with("haul-test: a: "), "{}", put.stderr);
    assert_eq!(put.errors()[1..], ["1 more not finished"]);
    assert!(stored(&fake).is_empty());
}

#[test]
fn a_closed_stdout_does_not_undo_what_is_stored() {
    let (_directory, files) = here(&["a", "b"]);
    let fake = Fake::default();
    let run = Run { stdout_closes_after: Some(0), ..Run::default() };
    let put = run.run(&fake, &["put", "-q", &files[0]]);
    assert_eq!(put.exit, Exit::Done);
    let run = Run { stdout_closes_after: Some(0), ..Run::default() };
    let put = run.run(&fake, &["put", &files[1]]);
    assert_eq!((put.exit, put.stderr.as_str()), (Exit::Local, ""));
    assert_eq!(stored(&fake), ["a", "b"]);
}

/// A server would cut a client that sends nothing, and cannot know that it only waits.
#[test]
fn a_stream_is_waited_for_before_anybody_is_connected_to() {
    let fake = Fake::default();
    let run = Run { stdin: "123456789", ..Run::default() };
    assert_eq!(run.run(&fake, &["put", "-q", "-", "--as", "x"]).exit, Exit::Done);
    assert_eq!(fake.state().connected_before_input, Some(0));
    assert_eq!(fake.state().files["x"], b"123456789");
}

#[test]
fn a_stream_among_files_is_opened_when_its_turn_comes() {
    let (directory, files) = here(&["a", "b"]);
    let fifo = directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let fake = Fake::default();
    let writer = thread::spawn({
        let (fake, fifo) = (fake.clone(), fifo.clone());
        move || {
            // It waits here until somebody opens the other end.
            let mut pipe = OpenOptions::new().write(true).open(fifo).unwrap();
            let before = (stored(&fake), fake.state().said_goodbye);
            pipe.write_all(b"stream").unwrap();
            before
        }
    });
    let put = fake.run(&["put", "-q", &files[0], fifo.to_str().unwrap(), &files[1]]);
    put.done("");
    assert_eq!(writer.join().unwrap(), (vec!["a".to_owned()], 1));
    assert_eq!(stored(&fake), ["a", "b", "fifo"]);
    assert_eq!(fake.state().connected.len(), 2);
}

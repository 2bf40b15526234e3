//! Many files, and connections that are lost under way.

use std::fs;
use std::time::Duration;

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;
use haul_core::message::Refusal;
use tempfile::TempDir;

use crate::fake::{Fake, Run, refusal};

fn here(files: &[&str]) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    for name in files {
        fs::write(directory.path().join(name), "123456789").unwrap();
    }
    let name = directory.path().to_str().unwrap().to_owned();
    (directory, name)
}

fn seconds(seconds: &[u64]) -> Vec<Duration> {
    seconds.iter().copied().map(Duration::from_secs).collect()
}

#[test]
fn what_was_not_confirmed_goes_over_another_connection() {
    let (_directory, dir) = here(&["a", "b", "c"]);
    for failure in [Failure::Disconnected, Failure::TimedOut, refusal(ErrorCode::ShuttingDown)] {
        let fake = Fake::default().fails("x/b", failure);
        let put = fake.run(&["put", "-r", &dir, "--as", "x", "--create"]);
        assert_eq!(put.exit, Exit::Done, "{put:?}");
        assert_eq!(put.errors().len(), 1, "{put:?}");
        assert!(put.errors()[0].starts_with("x/b: "), "{put:?}");
        assert!(put.errors()[0].ends_with("; connecting again in 1 s (1 of 3)"), "{put:?}");
        assert!(put.stderr.ends_with("s\n") && put.stderr.contains("3 files, 27 B in "), "{put:?}");
        assert_eq!(put.stdout.lines().count(), 3, "{put:?}");
        assert_eq!(fake.state().files.len(), 3);
        assert_eq!(fake.state().pauses, seconds(&[1]));
    }
    let fake = Fake::with(&[("a/b", "b"), ("a/c", "c")]).fails("a/b", Failure::Disconnected);
    let got = fake.run(&["get", "-rq", "a", "-o", &format!("{dir}/got")]);
    got.done("");
    assert_eq!(fs::read_dir(format!("{dir}/got")).unwrap().count(), 2);
}

#[test]
fn a_server_that_is_gone_is_given_up_and_the_rest_counted() {
    let (_directory, dir) = here(&["a", "b", "c", "d"]);
    let fake = Fake::default().fails("x/b", Failure::Disconnected);
    fake.state().most_connections = Some(1);
    let put = fake.run(&["put", "-rq", &dir, "--as", "x"]);
    // The order of the walk is the file system's.
    let stored = fake.state().files.len();
    assert_eq!(put.exit, if stored > 0 { Exit::Partial } else { Exit::Network }, "{put:?}");
    let errors = put.errors();
    assert!(errors[0].starts_with("cannot reach haul://test:4285: Connection refused"), "{put:?}");
    let left = 4 - stored - 1;
    let rest = format!("{left} more not finished");
    assert_eq!(errors[1..], [rest.as_str()][..usize::from(left > 0)], "{put:?}");
    assert_eq!(fake.state().pauses, seconds(&[1, 2, 4]));
}

#[test]
fn a_server_says_when_to_come_again() {
    let (_directory, dir) = here(&["a"]);
    let busy = Refusal { retry_after: Some(7), ..Refusal::new(ErrorCode::Busy, "full") };
    let fake = Fake::default().fails("x/a", Failure::Refused(busy));
    assert_eq!(fake.run(&["put", "-rq", &dir, "--as", "x"]).exit, Exit::Done);
    assert_eq!(fake.state().pauses, seconds(&[7]));
}

/// Each file that is confirmed gives all tries back; without one they end.
#[test]
fn tries_are_counted_from_the_last_success() {
    let (_directory, dir) = here(&["a", "b", "c", "d", "e", "f"]);
    let fake = Fake::default();
    for name in ["a", "b", "c", "d", "e", "f"] {
        fake.state().failures.insert(format!("x/{name}"), Failure::Disconnected);
    }
    assert_eq!(fake.run(&["put", "-rq", &dir, "--as", "x", "--retry", "1"]).exit, Exit::Done);
    assert_eq!(fake.state().files.len(), 6);
    assert_eq!(fake.state().pauses, seconds(&[1; 6]));
}

#[test]
fn what_is_of_no_use_again_is_not_tried_again() {
    let (_directory, dir) = here(&["a"]);
    let fake = Fake::default().fails("x/a", Failure::Violation("it said no word"));
    let put = fake.run(&["put", "-rq", &dir, "--as", "x"]);
    put.failed(Exit::Integrity, &["broke the protocol"]);
    fake.state().unreachable = true;
    fake.run(&["put", "-rq", &dir, "--as", "x"]).failed(Exit::Network, &["cannot reach"]);
    let got = fake.run(&["get", "-rq", "x", "-o", &format!("{dir}/got")]);
    got.failed(Exit::Network, &["cannot reach"]);
    assert!(fake.state().pauses.is_empty());
}

/// With --create it may be this program's own file.
#[test]
fn a_receipt_that_was_lost_may_be_the_reason_that_a_file_exists() {
    let (_directory, dir) = here(&["a"]);
    let fake = Fake::default().fails("x/a", Failure::Disconnected);
    fake.state().files.insert("x/a".into(), b"123456789".to_vec());
    let put = fake.run(&["put", "-rq", &dir, "--as", "x", "--create"]);
    put.failed(Exit::OutcomeUnknown, &["x/a: exists, perhaps from before the connection was lost"]);
}

#[test]
fn many_files_end_with_their_sum() {
    let (_directory, dir) = here(&["a", "b"]);
    let fake = Fake::default().fails("x/a", refusal(ErrorCode::NoSpace));
    let put = fake.run(&["put", "-r", &dir, "--as", "x"]);
    let last = put.stderr.lines().last().unwrap();
    assert!(last.starts_with("haul-test: 1 file, 9 B in 0."), "{put:?}");
    assert!(last.ends_with(" s; 1 failed"), "{put:?}");
    assert_eq!(put.errors().len(), 1);
    fake.run(&["put", &format!("{dir}/a")])
        .done(&format!("{dir}/a -> a  9 bytes  crc64nvme ae8b14860a799888  stored\n"));
}

#[test]
fn a_second_run_moves_only_what_is_missing() {
    let (_directory, dir) = here(&[]);
    let fake = Fake::with(&[("a/b/one", "1"), ("a/two", "two")]);
    let get = |more: &[&str]| {
        fake.run(&[&["get", "-r", "a", "-o", &dir, "--skip-existing"], more].concat())
    };
    assert_eq!(get(&[]).stdout.lines().count(), 2);
    fs::remove_file(format!("{dir}/b/one")).unwrap();
    let again = get(&[]);
    assert_eq!((again.exit, again.stdout.lines().count()), (Exit::Done, 1), "{again:?}");
    assert!(again.stderr.contains("1 file, 1 B in ") && again.stderr.contains("; 1 there already"));
    fs::write(format!("{dir}/two"), "2").unwrap();
    get(&[]).failed(Exit::Partial, &["two exists already"]);
    assert_eq!(get(&["-f"]).exit, Exit::Done);
    assert_eq!(fs::read_to_string(format!("{dir}/two")).unwrap(), "two");

    // Written to within a second, at the same length.
    let two = fs::File::options().write(true).open(format!("{dir}/two")).unwrap();
    let modified = two.metadata().unwrap().modified().unwrap();
    two.set_modified(modified + Duration::from_millis(100)).unwrap();
    get(&[]).failed(Exit::Partial, &["two exists already"]);
    two.set_modified(modified).unwrap();

    // The fake says the same time of each file, and these have it now.
    let put = || fake.run(&["put", "-r", &dir, "--as", "a", "--skip-existing"]);
    fs::write(format!("{dir}/three"), "3").unwrap();
    let sent = put();
    assert_eq!((sent.exit, sent.stdout.lines().count()), (Exit::Done, 1), "{sent:?}");
    assert!(sent.stdout.contains("a/three"), "{sent:?}");
    assert!(fake.state().files.contains_key("a/three"));
}

#[test]
fn the_bar_of_a_single_file_tells_how_much_of_it_has_moved() {
    let (directory, dir) = here(&["up"]);
    let fake = Fake::with(&[("down", "12345678")]);
    fake.state().pace = Duration::from_millis(300);
    let bars = |line: &[&str]| {
        let ran = Run { terminal: true, ..Run::default() }.run(&fake, line);
        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        ran.stderr
    };
    let up = directory.path().join("up");
    let sent = bars(&["put", up.to_str().unwrap()]);
    assert!(sent.contains("  55% of 9 B  ETA "), "{sent:?}");
    let down = format!("{dir}/down");
    let brought = bars(&["get", "down", "-o", &down]);
    assert!(brought.contains("  50% of 8 B  ETA "), "{brought:?}");
    let part = bars(&["get", "down", "--offset", "2", "-o", &down, "-f"]);
    assert!(part.contains("  66% of 6 B  ETA "), "{part:?}");
}

#[test]
fn what_is_done_but_cannot_be_printed_is_counted_as_done() {
    let (directory, dir) = here(&["a", "b", "c"]);
    let full = || Run { stdout_closes_after: Some(0), stdout_fills: true, ..Run::default() };
    let one = format!("{dir}/a");
    let fake = Fake::default();
    full().run(&fake, &["put", &one]).failed(
        Exit::Local,
        &["a: it is stored: cannot write the output: No space left on device"],
    );
    assert_eq!(fake.state().files["a"], b"123456789");

    let put = full().run(&fake, &["put", "-r", &dir, "--as", "x"]);
    // The first line that cannot be printed ends it.
    assert_eq!((put.exit, put.errors().len()), (Exit::Local, 2), "{put:?}");
    assert!(put.errors()[0].contains("it is stored: cannot write the output"), "{put:?}");
    assert!(put.errors()[1].contains("2 more not finished"), "{put:?}");
    assert!(put.stderr.contains("1 file, 9 B in "), "{put:?}");
    assert!(put.stderr.ends_with("; 2 failed; 1 without a receipt printed\n"), "{put:?}");

    let server = Fake::with(&[("x", "1")]);
    let to = directory.path().join("to");
    let got = full().run(&server, &["get", "x", "-o", to.to_str().unwrap()]);
    got.failed(Exit::Local, &["x: it is here and verified: cannot write the output"]);
    let closed = Run { stdout_closes_after: Some(0), ..Run::default() };
    let closed = closed.run(&server, &["get", "x", "-fo", to.to_str().unwrap()]);
    assert_eq!((closed.exit, closed.stderr.as_str()), (Exit::Local, ""));
}

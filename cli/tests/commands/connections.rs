//! How many connections a transfer uses.

use std::fs;

use haul_cli::Exit;
use tempfile::TempDir;

use crate::fake::{Fake, Outcome};

/// The files that make one more connection worth its start.
const FULL: usize = 256;

/// A directory with this number of files.
fn with(files: usize) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..files {
        fs::write(directory.path().join(number.to_string()), "x").unwrap();
    }
    directory
}

/// Sends the directory to `there`.
fn put(fake: &Fake, from: &TempDir, more: &[&str]) -> Outcome {
    let from = from.path().to_str().unwrap();
    fake.run(&[&["put", "-r", from, "--as", "there"], more].concat())
}

fn connections(fake: &Fake) -> usize {
    fake.state().connected.len()
}

#[test]
fn few_files_share_one_connection() {
    for files in [1, 2, 2 * FULL - 1] {
        let fake = Fake::default();
        let sent = put(&fake, &with(files), &[]);
        assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 0), "{sent:?}");
        assert_eq!((connections(&fake), fake.state().files.len()), (1, files));
    }
}

#[test]
fn many_files_are_divided_among_connections() {
    for (files, most) in [(2 * FULL, 2), (5 * FULL, 4)] {
        let (fake, directory) = (Fake::default(), with(files));
        fake.state().gathers = Some((FULL, most));
        let sent = put(&fake, &directory, &[]);
        assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 0), "{sent:?}");
        assert_eq!(sent.stdout.lines().count(), files);
        assert_eq!((connections(&fake), fake.state().said_goodbye), (most, most));
    }
    // One of them is that of the listing.
    let (fake, directory) = (Fake::default(), with(2 * FULL));
    assert_eq!(put(&fake, &directory, &[]).exit, Exit::Done);
    fake.state().connected.clear();
    fake.state().transfers = 0;
    fake.state().said_goodbye = 0;
    fake.state().gathers = Some((FULL, 2));
    let to = directory.path().join("back");
    fake.run(&["get", "-rq", "there", "-o", to.to_str().unwrap()]).done("");
    assert_eq!((connections(&fake), fake.state().said_goodbye), (2, 2));
    assert_eq!(fs::read_dir(to).unwrap().count(), 2 * FULL);
}

/// Most files are there already: the one connection never has many to move.
#[test]
fn connections_are_made_only_for_files_that_move() {
    let (fake, directory) = (Fake::default(), with(2 * FULL));
    assert_eq!(put(&fake, &directory, &["-j", "1"]).exit, Exit::Done);
    assert_eq!(connections(&fake), 1);
    let to = directory.path().join("back");
    let get = ["get", "-rq", "there", "-o", to.to_str().unwrap(), "--skip-existing"];
    fake.run(&[&get[..], &["-j", "1"]].concat()).done("");
    fs::remove_file(to.join("7")).unwrap();
    fake.state().connected.clear();
    fake.run(&get).done("");
    assert_eq!(connections(&fake), 1);
    assert!(to.join("7").exists());
}

/// A server may serve few clients of one address.
#[test]
fn a_server_that_takes_no_more_connections_is_used_with_those_that_it_takes() {
    let directory = with(5 * FULL);
    for served in [1, 2] {
        let fake = Fake::default();
        fake.state().most_served = Some(served);
        fake.state().gathers = Some((FULL, 4));
        let sent = put(&fake, &directory, &[]);
        assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 0), "{sent:?}");
        assert_eq!((connections(&fake), fake.state().files.len()), (4, 5 * FULL));
        assert!(fake.state().pauses.is_empty());

        // Whoever asked for a number is told.
        fake.state().connected.clear();
        fake.state().transfers = 0;
        fake.state().gathers = Some((0, 4));
        let sent = put(&fake, &directory, &["--jobs", "4"]);
        assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 1), "{sent:?}");
        let note = format!("only {served} of 4 connections: haul://test:4285: busy: no");
        assert!(sent.errors()[0].starts_with(&note), "{sent:?}");
        assert_eq!(connections(&fake), 4);
    }
}

/// What cuts connections may do so because there are several.
#[test]
fn one_connection_goes_on_after_a_loss() {
    let (fake, files) = (Fake::default(), 5 * FULL);
    fake.state().gathers = Some((FULL, 4));
    // Each of the four loses one.
    fake.state().lost_transfers = 2 * FULL..2 * FULL + 4;
    let sent = put(&fake, &with(files), &[]);
    assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 1), "{sent:?}");
    assert!(sent.errors()[0].ends_with("connecting again in 1 s (1 of 3)"), "{sent:?}");
    assert_eq!((connections(&fake), fake.state().files.len()), (5, files));
}

#[test]
fn the_number_that_was_asked_for_is_used() {
    for (files, jobs, most) in [(3, "2", 2), (3, "64", 3), (5 * FULL, "1", 1), (9, "9", 9)] {
        let fake = Fake::default();
        fake.state().gathers = Some((0, most));
        let sent = put(&fake, &with(files), &["--jobs", jobs]);
        assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 0), "{sent:?}");
        assert_eq!((connections(&fake), fake.state().files.len()), (most, files));
    }
}

/// A firewall may drop what is more than a few connections.
#[test]
fn nothing_waits_for_a_connection_that_is_not_needed_any_more() {
    for jobs in [&[][..], &["-j", "3"]] {
        let (fake, files) = (Fake::default(), 3 * FULL);
        fake.state().hangs_after = Some(1);
        fake.state().gathers = Some((FULL, 3));
        let sent = put(&fake, &with(files), jobs);
        assert_eq!((sent.exit, sent.errors().len()), (Exit::Done, 0), "{sent:?}");
        assert_eq!((connections(&fake), fake.state().files.len()), (3, files));
    }
}

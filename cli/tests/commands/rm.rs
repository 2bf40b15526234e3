use haul_cli::Exit;
use haul_core::client::Failure;
use haul_core::message::Omission;
use haul_core::{Entry, ErrorCode};

use crate::fake::{Fake, Run, path, refusal};

fn tree() -> Fake {
    Fake::with(&[
        ("a", "1"),
        ("b", "2"),
        ("photos/sea.jpg", "3"),
        ("photos/old/sky.jpg", "4"),
        ("photosets", "5"),
    ])
}

fn names(fake: &Fake) -> Vec<String> {
    fake.state().files.keys().cloned().collect()
}

#[test]
fn what_is_named_is_gone_and_told() {
    let fake = tree();
    fake.state().directories.insert("empty".into());
    fake.run(&["rm", "a", "empty/"]).done("a  deleted\nempty  deleted\n");
    fake.run(&["rm", "--json", "b"]).done("{\"path\":\"b\",\"action\":\"deleted\"}\n");
    fake.run(&["rm", "-q", "photosets"]).done("");
    assert_eq!(names(&fake), ["photos/old/sky.jpg", "photos/sea.jpg"]);
    assert_eq!(fake.state().connected.len(), 3);
}

#[test]
fn it_goes_on_after_a_failure() {
    let fake = tree().fails("a", refusal(ErrorCode::Denied));
    let ran = fake.run(&["rm", "nothing", "b\\", "a", "b"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Partial, "b  deleted\n"));
    let errors = ran.errors();
    assert!(errors[0].contains("nothing: not-found"), "{ran:?}");
    assert!(errors[1].contains(r"b\\: a path has no control characters"), "{ran:?}");
    assert!(errors[2].contains("a: denied"), "{ran:?}");
    assert_eq!(errors.len(), 3);
    fake.run(&["rm", "nothing"]).failed(Exit::NotFound, &["check the name with ls"]);
}

#[test]
fn force_takes_what_is_missing_for_deleted() {
    let fake = tree();
    fake.run(&["rm", "-f", "nothing", "a"]).done("a  deleted\n");
    fake.run(&["rm", "-rf", "nothing"]).done("");
    let denied = fake.fails("b", refusal(ErrorCode::Denied)).run(&["rm", "-f", "b"]);
    denied.failed(Exit::Refused, &["b: denied"]);
}

#[test]
fn a_directory_that_is_not_empty_needs_to_be_meant() {
    let fake = tree();
    fake.run(&["rm", "photos"])
        .failed(Exit::Refused, &["photos: not-empty", "-r deletes what is in it too"]);
    assert!(fake.state().deleted.is_empty());
    fake.run(&["rm", "-r", "photos/", "a"]).done(
        "a  deleted\nphotos/sea.jpg  deleted\nphotos/old/sky.jpg  deleted\nphotos/old  deleted\nphotos  deleted\n",
    );
    assert_eq!(names(&fake), ["b", "photosets"]);
}

#[test]
fn all_that_is_shared_stays() {
    let fake = tree();
    for name in ["/", ".", "", "..", "haul://h", "haul://h/", "https://h/x"] {
        for option in ["-r", "-f", "-rf"] {
            assert_eq!(fake.run(&["rm", option, name]).exit, Exit::Usage, "{name}");
        }
    }
    let based = fake.run(&["rm", "-r", "--server", "test/photos", "."]);
    based.failed(Exit::Usage, &["where all names start"]);
    assert!(fake.state().deleted.is_empty());
    fake.run(&["rm", "-rq", "--server", "test/photos", "old"]).done("");
    assert_eq!(fake.state().deleted, ["photos/old/sky.jpg", "photos/old"]);
}

#[test]
fn what_a_listing_cannot_show_is_named_and_keeps_its_directory() {
    let fake = tree();
    fake.state().invented = vec![
        Entry::omitted(b"photos/old/.git", Omission::Hidden),
        Entry::omitted(b"photos/caf\xe9", Omission::Name),
        Entry::Directory {
            path: path("photos/locked"),
            error: Some(ErrorCode::Denied),
            link: false,
        },
    ];
    let fake = fake
        .fails("photos/old", refusal(ErrorCode::NotEmpty))
        .fails("photos/locked", refusal(ErrorCode::NotEmpty));
    // The first of these is for what was named, the second for when its turn comes.
    let ran = fake.run(&["rm", "-r", "photos"]);
    assert_eq!(ran.exit, Exit::Partial, "{ran:?}");
    let told: Vec<&str> = ran.errors();
    assert!(
        told[0].contains("photos/old/.git: not deleted: its name begins with a dot"),
        "{told:?}"
    );
    assert!(told[1].contains(r"photos/caf\u{fffd}: not deleted: its name or path"), "{told:?}");
    assert!(
        told[2].contains("photos/locked: not-empty: no (the server may not read it)"),
        "{told:?}"
    );
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(!fake.state().files.contains_key("photos/sea.jpg"));

    let fake = tree();
    fake.state().skipped = Some(2);
    let ran = fake.run(&["rm", "-rq", "photos"]);
    ran.failed(Exit::Partial, &["photos: not deleted: 2 names on the server's disk"]);
}

#[test]
fn a_file_that_stays_keeps_the_directories_above_it_and_is_told_once() {
    let fake = tree().fails("photos/old/sky.jpg", refusal(ErrorCode::Denied));
    let ran = fake.run(&["rm", "-r", "photos"]);
    ran.failed(Exit::Partial, &["photos/old/sky.jpg: denied"]);
    assert_eq!(ran.stdout, "photos/sea.jpg  deleted\n");
}

#[test]
fn a_listing_that_is_not_believed_deletes_nothing() {
    let fake = tree();
    fake.state().invented =
        vec![Entry::Directory { path: path("photosets"), error: None, link: false }];
    fake.run(&["rm", "-r", "photos"]).failed(Exit::Integrity, &["broke the protocol"]);
    assert!(fake.state().deleted.is_empty());
}

#[test]
fn a_lost_connection_is_made_again() {
    for (lost, receipt) in [(Failure::Disconnected, None), (Failure::TimedOut, Some("a"))] {
        let fake = tree().fails("a", lost);
        fake.state().lost_receipt = receipt;
        let ran = fake.run(&["rm", "a", "b"]);
        ran.failed(Exit::Done, &["a: ", "connecting again in 1 s (1 of 3)"]);
        assert_eq!(names(&fake), ["photos/old/sky.jpg", "photos/sea.jpg", "photosets"]);
        assert_eq!(fake.state().connected.len(), 2);
    }
    let fake = tree().fails("photos/sea.jpg", Failure::Disconnected);
    let ran = fake.run(&["rm", "-r", "--retry", "0", "photos"]);
    assert_eq!((ran.exit, ran.errors().len()), (Exit::Network, 2), "{ran:?}");
    assert_eq!(fake.state().connected.len(), 1);
    let fake = tree().fails("a", Failure::Disconnected);
    let ran = fake.run(&["rm", "--retry", "0", "a", "b", "photosets"]);
    assert_eq!(ran.exit, Exit::Network);
    let errors = ran.errors();
    assert!(errors[0].contains("a: the connection ended"), "{ran:?}");
    assert!(errors[1].contains("2 more not finished"), "{ran:?}");
    assert_eq!(errors.len(), 2);
}

#[test]
fn an_interrupt_ends_it() {
    let fake = tree().fails("photos/sea.jpg", Failure::Cancelled);
    let ran = fake.run(&["rm", "-r", "photos", "a"]);
    assert_eq!(ran.exit, Exit::Interrupted);
    assert!(ran.errors()[0].contains("photos/sea.jpg: interrupted"), "{ran:?}");
    assert_eq!(fake.state().deleted, ["a"]);
}

#[test]
fn a_stdout_that_is_closed_ends_it() {
    let fake = tree();
    let ran = Run { stdout_closes_after: Some(0), ..Run::default() }.run(&fake, &["rm", "a", "b"]);
    assert_eq!(ran.exit, Exit::Local, "{ran:?}");
    assert!(!fake.state().files.contains_key("a"));
    assert!(fake.state().files.contains_key("b"));
}

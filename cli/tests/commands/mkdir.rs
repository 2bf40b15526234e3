use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;

use crate::fake::{Fake, refusal};

fn server() -> Fake {
    Fake::with(&[("file", "1"), ("photos/sea.jpg", "2")])
}

#[test]
fn directories_are_made() {
    let fake = server();
    fake.run(&["mkdir", "a", "b/c/"]).done("a  made\nb/c  made\n");
    fake.run(&["mkdir", "--json", "haul://h/d"]).done("{\"path\":\"d\",\"action\":\"made\"}\n");
    assert!(["a", "b/c", "d"].iter().all(|name| fake.state().directories.contains(*name)));
}

#[test]
fn what_is_there_is_an_error_unless_it_is_a_directory_and_that_is_fine() {
    let fake = server();
    fake.run(&["mkdir", "photos"]).failed(Exit::Refused, &["photos: exists", "-p takes"]);
    fake.run(&["mkdir", "-p", "photos"]).done("");
    fake.run(&["mkdir", "-p", "file"]).failed(Exit::Refused, &["file: exists", "no directory"]);
    let ran = fake.run(&["mkdir", "-p", "photos", "file", "new"]);
    ran.failed(Exit::Partial, &["file: exists"]);
    assert_eq!(ran.stdout, "new  made\n");
}

#[test]
fn what_cannot_be_is_told() {
    let fake = server().fails("a", refusal(ErrorCode::Denied));
    fake.run(&["mkdir", "a"]).failed(Exit::Refused, &["a: denied", "the server's log"]);
    fake.run(&["mkdir", "/"]).failed(Exit::Usage, &["where all names start"]);
    let old = fake.fails("b", refusal(ErrorCode::UnknownCommand));
    old.run(&["mkdir", "b"]).failed(Exit::Refused, &["of another version"]);
}

#[test]
fn a_receipt_that_is_lost_leaves_it_open() {
    let fake = server().fails("a", Failure::Disconnected);
    fake.state().lost_receipt = Some("a");
    let ran = fake.run(&["mkdir", "a"]);
    assert_eq!(ran.exit, Exit::OutcomeUnknown);
    assert!(ran.errors()[1].contains("a: exists, perhaps because it was done"), "{ran:?}");
    let fake = server().fails("a", Failure::Disconnected);
    fake.state().lost_receipt = Some("a");
    assert_eq!(fake.run(&["mkdir", "-p", "a"]).exit, Exit::Done);
}

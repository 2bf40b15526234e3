//! `mv` and `cp`.

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;

use crate::fake::{Fake, refusal};

fn server() -> Fake {
    Fake::with(&[("a", "1"), ("b", "22"), ("photos/sea.jpg", "333"), ("photos/old/sky.jpg", "4")])
}

fn names(fake: &Fake) -> Vec<String> {
    fake.state().files.keys().cloned().collect()
}

#[test]
fn a_file_gets_another_name() {
    let fake = server();
    fake.run(&["mv", "a", "c"]).done("a -> c  moved\n");
    fake.run(&["mv", "c", "b"]).done("c -> b  moved\n");
    assert_eq!(fake.state().files["b"], b"1");
    fake.run(&["mv", "--json", "b", "d/e"])
        .done("{\"path\":\"d/e\",\"action\":\"moved\",\"from\":\"b\"}\n");
    assert_eq!(names(&fake), ["d/e", "photos/old/sky.jpg", "photos/sea.jpg"]);
}

#[test]
fn a_file_is_copied() {
    let fake = server();
    fake.run(&["cp", "photos/sea.jpg", "c"])
        .done("photos/sea.jpg -> c  3 bytes  crc64nvme d6ab6fdb7e61159e  copied\n");
    fake.run(&["cp", "-q", "c", "a"]).done("");
    let ran = fake.run(&["cp", "--json", "b", "x"]);
    assert!(ran.stdout.starts_with(r#"{"path":"x","action":"copied","from":"b","size":2,"#));
    let state = fake.state();
    assert!(["a", "c", "photos/sea.jpg"].iter().all(|name| state.files[*name] == b"333"));
}

#[test]
fn what_is_there_stays_if_it_shall() {
    for option in ["--create", "-n", "--no-clobber"] {
        for verb in ["mv", "cp"] {
            let fake = server();
            fake.run(&[verb, option, "a", "b"])
                .failed(Exit::Refused, &["b: exists", "without --create it is replaced"]);
            assert_eq!(fake.state().files["b"], b"22");
            assert_eq!(fake.run(&[verb, option, "a", "c"]).exit, Exit::Done);
        }
    }
}

#[test]
fn a_directory_takes_others_in() {
    for verb in ["mv", "cp"] {
        let fake = server();
        for (to, there) in [("photos", "photos/a"), ("new/", "new/a"), (".", "a2")] {
            fake.state().files.insert("x/a".into(), b"1".to_vec());
            if to == "." {
                fake.state().files.remove("a");
            }
            let ran = fake.run(&[verb, "-q", "x/a", to]);
            ran.done("");
            let there = if to == "." { "a" } else { there };
            assert_eq!(fake.state().files[there], b"1", "{verb} {to}");
        }
        let ran = fake.run(&[verb, "a", "b", "photos"]);
        assert_eq!((ran.exit, ran.stdout.lines().count()), (Exit::Done, 2), "{ran:?}");
        assert_eq!(fake.state().files["photos/b"], b"22");
    }
    let fake = server();
    fake.run(&["mv", "photos/old", "."]).done("photos/old -> old  moved\n");
    fake.run(&["mv", "-q", "photos", "old"]).done("");
    assert_eq!(names(&fake), ["a", "b", "old/photos/sea.jpg", "old/sky.jpg"]);
}

#[test]
fn several_need_a_directory() {
    for verb in ["mv", "cp"] {
        let fake = server();
        for to in ["new", "b"] {
            fake.run(&[verb, "a", "photos/sea.jpg", to])
                .failed(Exit::Usage, &["several names need a directory", "a / at its end"]);
        }
        fake.run(&[verb, "a", "x/a", "new/"])
            .failed(Exit::Partial, &["x/a: another of these names becomes new/a"]);
        assert_eq!(fake.state().files["new/a"], b"1");
        let ran = fake.run(&[verb, "nothing", "b", "new/"]);
        ran.failed(Exit::Partial, &["nothing: not-found"]);
        assert!(fake.state().files.contains_key("new/b"));
    }
}

#[test]
fn what_makes_no_sense_is_not_asked_for() {
    for verb in ["mv", "cp"] {
        let fake = server();
        for (names, part) in [
            (&["a", "a"][..], "this name already"),
            (&["photos/sea.jpg", "photos"], "this name already"),
            (&["photos", "photos/old"], "cannot go into itself"),
            (&["photos", "photos"], "cannot go into itself"),
            (&["/", "a"], "where all names start"),
            (&["a", ""], "at least one byte"),
            (&["a", "../b"], "no . or .."),
            (&["a"], "--help"),
            (&["a", "haul://h/b"], "write all of them in one way"),
            (&["haul://h/a", "b"], "write all of them in one way"),
            (&["haul://h/a", "haul://h"], "this name already"),
        ] {
            fake.run(&[&[verb], names].concat()).failed(Exit::Usage, &[part]);
        }
        assert_eq!(names(&fake).len(), 4);
        fake.run(&[verb, "-q", "haul://h/a", "haul://h/new/"]).done("");
        assert_eq!(fake.state().files["new/a"], b"1");
    }
}

#[test]
fn what_the_server_refuses_is_told_of_the_right_name() {
    let fake = server();
    fake.run(&["cp", "photos", "c"]).failed(Exit::Refused, &["photos: is-directory", "get -r"]);
    fake.run(&["mv", "nothing", "c"]).failed(Exit::NotFound, &["nothing: not-found"]);
    for (code, parts) in [
        (ErrorCode::IsDirectory, ["c: is-directory", "a directory is not replaced"]),
        (ErrorCode::NotAFile, ["a -> c: not-a-file", "does not replace a file"]),
        (ErrorCode::Denied, ["a -> c: denied", "the server's log"]),
        (ErrorCode::NotSupported, ["a -> c: not-supported", "the server's log"]),
        (ErrorCode::BadArgument, ["a: bad-argument", "into itself"]),
        (ErrorCode::Exists, ["c: exists", "choose another name"]),
    ] {
        let fake = server().fails("a", refusal(code));
        fake.run(&["mv", "a", "c"]).failed(Exit::Refused, &parts);
    }
    let hidden = server().fails("a", refusal(ErrorCode::NotFound));
    hidden.run(&["mv", "a", ".x"]).failed(Exit::NotFound, &[".x: not-found", "serve --hidden"]);
    let unsure = server().fails("a", refusal(ErrorCode::OutcomeUnknown));
    unsure.run(&["mv", "a", "c"]).failed(Exit::OutcomeUnknown, &["a: ", "not survive a power cut"]);
    let denied = server().fails("photos", refusal(ErrorCode::Denied));
    denied.run(&["mv", "a", "photos"]).failed(Exit::Refused, &["photos: denied", "a / at its end"]);
}

#[test]
fn a_receipt_that_is_lost_leaves_it_open() {
    for (line, part) in [
        (&["mv", "a", "c"][..], "a: not-found, perhaps because it was done"),
        (&["cp", "-n", "a", "c"], "a: exists, perhaps because it was done"),
    ] {
        let fake = server().fails("a", Failure::Disconnected);
        fake.state().lost_receipt = Some("a");
        let ran = fake.run(line);
        assert_eq!(ran.exit, Exit::OutcomeUnknown, "{ran:?}");
        assert!(ran.errors()[1].contains(part), "{ran:?}");
        assert_eq!(fake.state().files["c"], b"1");
    }
    // A copy that replaces is as good the second time.
    let fake = server().fails("a", Failure::Disconnected);
    fake.state().lost_receipt = Some("a");
    fake.run(&["cp", "a", "c"]).failed(Exit::Done, &["asking again over a new connection"]);
}

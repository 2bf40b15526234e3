use std::fs;

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;

use crate::fake::{Fake, Run, refusal};

fn server() -> Fake {
    Fake::with(&[("a", "123456789"), ("d/b", "hello world\n"), ("x\u{202e}", "")])
}

#[test]
fn a_checksum_stands_before_its_name() {
    let fake = server();
    let both = "ae8b14860a799888  a\n0f780e8481d2a21f  d/b\n";
    fake.run(&["sum", "a", "d/b"]).done(both);
    fake.run(&["sum", "-q", "haul://h/a", "haul://h/d/b"]).done(both);
    fake.run(&["sum", "--server", "test/d", "b"]).done("0f780e8481d2a21f  b\n");
    fake.run(&["sum", "--json", "a"])
        .done("{\"path\":\"a\",\"size\":9,\"crc64nvme\":\"ae8b14860a799888\"}\n");
    fake.run(&["sum", "x\u{202e}"]).done("0000000000000000  x\u{202e}\n");
    let shown = Run { terminal: true, ..Run::default() }.run(&fake, &["sum", "x\u{202e}"]);
    shown.done("0000000000000000  x\\u{202e}\n");
}

#[test]
fn what_has_none_is_told() {
    let fake = server();
    let ran = fake.run(&["sum", "nothing", "d", "a"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Partial, "ae8b14860a799888  a\n"));
    assert!(ran.errors()[0].contains("nothing: not-found"), "{ran:?}");
    assert!(ran.errors()[1].contains("d: is-directory: no (name the files in it"), "{ran:?}");
    fake.run(&["sum", "d/"]).failed(Exit::Usage, &["only be a directory"]);
    fake.run(&["sum", "a", "--against", "x"]).failed(Exit::Usage, &["--check"]);
    let changed = fake.fails("a", refusal(ErrorCode::Changed));
    changed.run(&["sum", "a"]).failed(Exit::Integrity, &["a: changed", "try again"]);
}

#[test]
fn files_here_are_compared() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path().to_str().unwrap();
    fs::create_dir(place.path().join("d")).unwrap();
    fs::write(place.path().join("a"), "123456789").unwrap();
    fs::write(place.path().join("d/b"), "hello world\n").unwrap();
    let fake = server();
    let check =
        |names: &[&str]| fake.run(&[&["sum", "--check", "--against", here], names].concat());
    check(&["a", "d/b"]).done("a: OK\nd/b: OK\n");
    check(&["-q", "a"]).done("");
    let json = check(&["--json", "a"]);
    assert!(json.stdout.ends_with("/a\",\"same\":true}\n"), "{json:?}");

    fs::write(place.path().join("d/b"), "hello_world\n").unwrap();
    fs::write(place.path().join("a"), "12345678").unwrap();
    let ran = check(&["-q", "a", "d/b", "nothing", "x\u{202e}"]);
    let failed = "a: FAILED\nd/b: FAILED\nnothing: FAILED\nx\u{202e}: FAILED\n";
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Integrity, failed), "{ran:?}");
    let errors = ran.errors();
    assert!(errors[0].contains("is not the same: 9 bytes there, 8 here"), "{ran:?}");
    assert!(errors[1].contains("is not the same: crc64nvme 0f780e8481d2a21f there, "), "{ran:?}");
    assert!(errors[2].contains("nothing: not-found"), "{ran:?}");
    assert!(errors[3].contains("No such file"), "{ran:?}");
    fs::write(place.path().join("d/b"), "hello world\n").unwrap();
    assert_eq!(check(&["a", "d/b"]).exit, Exit::Partial);
    let json = check(&["--json", "a"]);
    assert!(json.stdout.contains("\"crc64nvme\":\"ae8b14860a799888\""), "{json:?}");
    assert!(json.stdout.ends_with("\"same\":false}\n"), "{json:?}");
}

#[test]
fn one_file_may_have_another_name_here() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("copy");
    fs::write(&file, "123456789").unwrap();
    let file = file.to_str().unwrap();
    let fake = server();
    fake.run(&["sum", "-c", "a", "--against", file]).done("a: OK\n");
    fake.run(&["sum", "-c", "a", "d/b", "--against", file])
        .failed(Exit::Usage, &["several files need a directory"]);
}

#[test]
fn a_lost_connection_compares_nothing_more() {
    let fake = server().fails("a", Failure::Disconnected);
    let ran = fake.run(&["sum", "--check", "--retry", "0", "a", "d/b"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Network, ""));
    assert!(ran.errors()[1].contains("1 more not finished"), "{ran:?}");
    let fake = server().fails("a", Failure::Disconnected);
    let ran = fake.run(&["sum", "a", "d/b"]);
    ran.failed(Exit::Done, &["connecting again"]);
    assert_eq!(ran.stdout, "ae8b14860a799888  a\n0f780e8481d2a21f  d/b\n");
}

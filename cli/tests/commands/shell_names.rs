//! The shell's current directory, and its commands that move no files.

use std::fs;

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;

use crate::fake::{Fake, Outcome, Run, refusal};

fn server() -> Fake {
    Fake::with(&[("a b", "1"), ("photos/sea.jpg", "22"), ("photos/old/sky.jpg", "333")])
}

fn shell(fake: &Fake, stdin: &'static str, options: &[&str]) -> Outcome {
    Run { stdin, ..Run::default() }.run(fake, &[&["shell"], options].concat())
}

#[test]
fn names_start_from_the_current_directory() {
    shell(&server(), "cd photos\nls\npwd\ncd old\npwd\nls\nls ..\nls /\n", &[]).done(
        "old/\nsea.jpg\n/photos\n/photos/old\nsky.jpg\n/photos/old/\n/photos/sea.jpg\n/a b\n/photos/\n",
    );
    shell(&server(), "pwd\ncd photos/old\ncd ..\npwd\ncd\npwd\nls photos\n", &[])
        .done("/\n/photos\n/\nphotos/old/\nphotos/sea.jpg\n");
    shell(&server(), "pwd\ncd old\npwd\nls\n", &["--server", "test/photos"])
        .done("/\n/old\nsky.jpg\n");
}

#[test]
fn a_directory_that_is_none_is_told_and_changes_nothing() {
    for (line, exit, part) in [
        ("cd nowhere\n", Exit::NotFound, "stdin:1: nowhere: there is no such directory"),
        ("cd 'a b'\n", Exit::Refused, "stdin:1: a b: this is a file"),
        ("cd ..\n", Exit::Usage, "nothing above /"),
        ("cd haul://h/photos\n", Exit::Usage, "stand on the command line"),
    ] {
        shell(&server(), line, &[]).failed(exit, &[part]);
    }
    let ran = shell(&server(), "cd photos\ncd nowhere\npwd\n", &["--keep-going"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Partial, "/photos\n"));
}

#[test]
fn files_come_and_go_there() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    let script = directory.path().join("script");
    fs::write(directory.path().join("up"), "new").unwrap();
    fs::write(
        &script,
        format!("cd photos\nget sea.jpg to {here}/sea\nput {here}/up\nput {here}/up as /top\nput {here}/up as old/\n"),
    )
    .unwrap();
    let fake = server();
    let ran = fake.run(&["shell", script.to_str().unwrap(), "-q"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (Exit::Done, ""));
    assert_eq!(fs::read_to_string(directory.path().join("sea")).unwrap(), "22");
    for name in ["photos/up", "top", "photos/old/up"] {
        assert_eq!(fake.state().files[name], b"new", "{name}");
    }
}

#[test]
fn each_command_is_there_under_both_names() {
    let lines = "\
mkdir a\nMKDIR -p a b/c\nmv 'a b' a/x\nMOVE a/x a/y\ncd a\ncp y /copy\nCOPY y z\nsum y\nCHECKSUM /copy\nrm y\nDELETE z\ndel /copy\n";
    let fake = server();
    let ran = shell(&fake, lines, &[]);
    let sum = "2395a1c3461bbed2";
    let copied = |from, to| format!("{from} -> {to}  1 byte  crc64nvme {sum}  copied\n");
    let expected = [
        "a  made\nb/c  made\na b -> a/x  moved\na/x -> a/y  moved\n",
        &copied("a/y", "copy"),
        &copied("a/y", "a/z"),
        &format!("{sum}  y\n{sum}  /copy\n"),
        "a/y  deleted\na/z  deleted\ncopy  deleted\n",
    ];
    ran.done(&expected.concat());
    assert_eq!(fake.state().connected.len(), 1);
    shell(&fake, "rm -rf photos nothing\nls\n", &["-q"]).done("a/\nb/\n");
}

#[test]
fn a_failure_has_its_line_and_its_code() {
    let fake = server();
    shell(&fake, "pwd\nrm nothing\npwd\n", &[])
        .failed(Exit::NotFound, &["stdin:2: nothing: not-found"]);
    let ran = shell(&fake, "rm nothing 'a b'\nmkdir photos\n", &["--keep-going"]);
    let errors = ran.errors();
    assert!(errors[0].contains("stdin:1: nothing: not-found"), "{ran:?}");
    assert!(errors[1].contains("stdin:2: photos: exists"), "{ran:?}");
    assert_eq!((ran.exit, errors.len()), (Exit::Partial, 2));
    let ran = shell(&fake, "rm\nrm photos\n", &["--keep-going"]);
    assert_eq!(ran.exit, Exit::Usage, "{ran:?}");
    let stopped = server().fails("photos", Failure::Cancelled);
    let ran = shell(&stopped, "rm photos\npwd\n", &["--keep-going"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Interrupted, ""));
}

#[test]
fn what_had_not_begun_is_asked_again_without_a_pause() {
    for lost in [refusal(ErrorCode::Timeout), Failure::Disconnected] {
        for line in ["rm 'a b'", "mv 'a b' c", "cp 'a b' c", "sum 'a b'"] {
            let fake = server().fails("a b", lost.clone());
            let lines: &'static str = format!("LIST photos\n{line}\n").leak();
            let ran = shell(&fake, lines, &["-q"]);
            assert_eq!((ran.exit, ran.stderr.as_str()), (Exit::Done, ""), "{line}: {ran:?}");
            assert_eq!(fake.state().connected.len(), 2);
            assert!(fake.state().pauses.is_empty());
        }
    }
}

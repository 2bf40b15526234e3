use std::fs;
use std::process::Command;
use std::thread;

use haul_cli::Exit;
use haul_core::ErrorCode;
use haul_core::client::Failure;

use crate::fake::{Fake, Outcome, Run, refusal};

fn server() -> Fake {
    Fake::with(&[("a b.txt", "123456789"), ("d/c", "1")])
}

fn shell(fake: &Fake, stdin: &'static str, options: &[&str]) -> Outcome {
    Run { stdin, ..Run::default() }.run(fake, &[&["shell"], options].concat())
}

#[test]
fn lines_from_a_pipe_run_in_one_session() {
    let fake = server();
    let ran = shell(
        &fake,
        "# a comment\n\nLIST\nlist d\ndownload 'a b.txt' to -\nEXIT\nLIST nowhere\n",
        &[],
    );
    ran.done("a b.txt\nd/\nd/c\n123456789");
    let state = fake.state();
    assert_eq!((state.connected.len(), state.said_goodbye), (1, 1));
}

#[test]
fn files_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    let script = directory.path().join("script");
    fs::write(
        &script,
        format!(
            "DOWNLOAD \"a b.txt\" to {here}\nUPLOAD \"{here}/a b.txt\" as copy\nUPLOAD '{here}/a b.txt' as in/\nDOWNLOAD -f d/c to \"{here}/a b.txt\"\n"
        ),
    )
    .unwrap();
    let fake = server();
    let ran = fake.run(&["shell", script.to_str().unwrap()]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (Exit::Done, ""));
    assert_eq!(ran.stdout.lines().count(), 4);
    assert_eq!(fs::read_to_string(directory.path().join("a b.txt")).unwrap(), "1");
    assert_eq!(fake.state().files["copy"], b"123456789");
    assert_eq!(fake.state().files["in/a b.txt"], b"123456789");
}

#[test]
fn the_first_failure_ends_a_script_with_its_code_and_place() {
    let fake = server();
    let ran = shell(&fake, "LIST\nLIST nowhere\nLIST d\n", &[]);
    assert_eq!(ran.stdout, "a b.txt\nd/\n");
    ran.failed(Exit::NotFound, &["stdin:2: nowhere: not-found"]);
    shell(&fake, "\nFETCH x\nLIST\n", &[])
        .failed(Exit::Usage, &["stdin:2: FETCH: no such command", "HELP"]);
    shell(&fake, "UPLOAD - as x\n", &[]).failed(Exit::Usage, &["stdin"]);
}

#[test]
fn it_goes_on_when_it_is_told_to() {
    let ran = shell(&server(), "LIST nowhere\nLIST d\nFETCH\n", &["--keep-going"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Partial, "d/c\n"));
    assert_eq!(ran.stderr.lines().count(), 2);
    let ran = shell(&server(), "LIST nowhere\nFETCH\n", &["--keep-going"]);
    assert_eq!(ran.exit, Exit::NotFound);
}

#[test]
fn what_had_not_begun_when_the_connection_was_lost_is_asked_again() {
    for lost in [refusal(ErrorCode::Timeout), Failure::Disconnected] {
        let fake = server().fails("d", lost);
        let ran = shell(&fake, "LIST\nLIST d\nLIST d\n", &[]);
        assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Done, "a b.txt\nd/\nd/c\nd/c\n"));
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert!(ran.stderr.contains("asking again over a new connection"), "{ran:?}");
        assert_eq!(fake.state().connected.len(), 2);
    }
}

#[test]
fn each_verb_is_asked_again_if_it_had_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    fs::write(directory.path().join("small"), "up").unwrap();
    fs::write(directory.path().join("large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    for (verb, subject) in [
        (format!("UPLOAD {here}/small as up"), "up"),
        (format!("UPLOAD {here}/large as up"), "up"),
        (format!("UPLOAD --create {here}/small as up"), "up"),
        (format!("DOWNLOAD -f d/c to {here}/c"), "d/c"),
        ("DOWNLOAD d/c to -".into(), "d/c"),
        ("HELP server".into(), "HELP"),
    ] {
        for lost in [refusal(ErrorCode::Timeout), Failure::Disconnected] {
            let fake = server().fails(subject, lost);
            let script = directory.path().join("script");
            fs::write(&script, format!("LIST\n{verb}\nLIST d\n")).unwrap();
            let ran = fake.run(&["shell", script.to_str().unwrap()]);
            assert_eq!(ran.exit, Exit::Done, "{verb}: {ran:?}");
            assert!(ran.stdout.starts_with("a b.txt\nd/\n"), "{ran:?}");
            assert!(ran.stdout.ends_with("d/c\n"), "{ran:?}");
            ran.failed(Exit::Done, &[subject, "asking again over a new connection"]);
            let state = fake.state();
            assert_eq!(state.connected.len(), 2, "{verb}");
            assert_eq!(state.files.contains_key("up"), subject == "up", "{verb}");
        }
    }
    assert_eq!(fs::read(directory.path().join("c")).unwrap(), b"1");
}

#[test]
fn a_transfer_that_had_begun_is_not_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    fs::write(directory.path().join("large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    let script = directory.path().join("script");
    for verb in [format!("UPLOAD {here}/large as up"), format!("DOWNLOAD 'a b.txt' to {here}/c")] {
        let fake = server();
        fake.state().lost_after = Some(1);
        fs::write(&script, format!("LIST\n{verb}\n")).unwrap();
        let ran = fake.run(&["shell", script.to_str().unwrap()]);
        ran.failed(Exit::Network, &["script:2: ", "the connection ended"]);
        assert_eq!(fake.state().connected.len(), 1, "{verb}");
    }
}

#[test]
fn what_is_sent_unasked_has_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    let small = directory.path().join("small");
    fs::write(&small, "up").unwrap();
    let fake = server();
    fake.state().lost_after = Some(1);
    fs::write(&script, format!("LIST\nUPLOAD {} as up\n", small.display())).unwrap();
    let ran = fake.run(&["shell", script.to_str().unwrap()]);
    ran.failed(Exit::Done, &["asking again over a new connection"]);
    assert_eq!(fake.state().files["up"], b"up");
    // It may have been stored; nothing came that says otherwise.
    fs::write(&script, format!("LIST\nUPLOAD --create {} as new\n", small.display())).unwrap();
    for (lost, exit, part) in [
        (
            Failure::Disconnected,
            Exit::OutcomeUnknown,
            "perhaps from before the connection was lost",
        ),
        (refusal(ErrorCode::Timeout), Exit::Refused, "without --create it is replaced"),
    ] {
        let fake = server().fails("new", lost);
        fake.state().lost_receipt = Some("new");
        let ran = fake.run(&["shell", script.to_str().unwrap()]);
        assert_eq!((ran.exit, ran.errors().len()), (exit, 2), "{ran:?}");
        assert!(ran.errors()[1].contains(part), "{ran:?}");
    }
}

#[test]
fn a_stream_that_was_waited_for_meets_a_new_connection() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fake = server();
    let script = directory.path().join("script");
    fs::write(&script, format!("LIST\nUPLOAD {} as piped\n", fifo.display())).unwrap();
    let writer = thread::spawn(move || fs::write(fifo, "from a pipe").unwrap());
    let ran = fake.run(&["shell", script.to_str().unwrap()]);
    writer.join().unwrap();
    assert_eq!((ran.exit, ran.stderr.as_str()), (Exit::Done, ""), "{ran:?}");
    assert_eq!(fake.state().files["piped"], b"from a pipe");
    assert_eq!(fake.state().connected.len(), 2);
}

#[test]
fn a_new_connection_that_is_lost_too_is_an_error() {
    let fake = server().fails("d", Failure::Disconnected);
    shell(&fake, "LIST d\n", &[]).failed(Exit::Network, &["stdin:1: d: the connection ended"]);
    assert_eq!(fake.state().connected.len(), 1);
    let fake = server().fails("d", Failure::Violation("nonsense"));
    let ran = shell(&fake, "LIST\nLIST d\n", &[]);
    ran.failed(Exit::Integrity, &["stdin:2: d:", "broke the protocol"]);
}

#[test]
fn an_interrupt_ends_a_script_that_keeps_going() {
    let fake = server().fails("d", Failure::Cancelled);
    let ran = shell(&fake, "LIST d\nLIST\n", &["--keep-going"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Interrupted, ""));
}

#[test]
fn help_is_local_and_the_servers_is_escaped() {
    let fake = server();
    let ran = shell(&fake, "help\n", &[]);
    assert!(ran.stdout.contains("DOWNLOAD [-f] NAME"), "{ran:?}");
    assert!(fake.state().connected.is_empty());
    shell(&fake, "HELP server\n", &[]).done("LIST lists\n\\u{1b}[31mred\n");
}

#[test]
fn a_script_that_cannot_be_read_is_told() {
    server()
        .run(&["shell", "/no/such/script"])
        .failed(Exit::Local, &["/no/such/script: No such file"]);
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, b"LIST\n\xff\n").unwrap();
    let ran = server().run(&["shell", script.to_str().unwrap(), "--keep-going"]);
    ran.failed(Exit::Local, &["script:2: stream did not contain valid UTF-8"]);
}

#[test]
fn a_closed_stdout_ends_a_script_without_a_word() {
    let run = Run { stdin: "LIST\nLIST\n", stdout_closes_after: Some(3), ..Run::default() };
    let ran = run.run(&server(), &["shell", "--keep-going"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (Exit::Local, ""));
}

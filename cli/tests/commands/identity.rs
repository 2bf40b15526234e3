use haul_cli::Exit;
use haul_core::message::Greeting;

use crate::fake::{Fake, Outcome, Run, greeting};

const QUESTION: &str = "Who are you at";

fn guarded() -> Fake {
    let fake = Fake::with(&[("a", "1")]);
    fake.state().greeting = Some(Greeting { auth_required: true, ..greeting() });
    fake
}

fn on_terminal(fake: &Fake, server: &str) -> Outcome {
    let run = Run { stdin: "Not A Name\n", terminal: true, person: true, ..Run::default() };
    run.run(fake, &["ls", "--color", "never", "--server", server])
}

/// The server's greeting may be false, and it may be anybody's: so no secret is even asked for.
#[test]
fn a_password_is_never_for_another_machine_in_plain_text() {
    let fake = guarded();
    let ran = on_terminal(&fake, "haul://test");
    ran.failed(Exit::Unauthenticated, &["everybody could read it", "hauls://"]);
    assert!(!ran.stderr.contains(QUESTION), "{ran:?}");
    assert_eq!(fake.state().connected, ["test 4285"]);
    // On this machine it is.
    let ran = on_terminal(&fake, "haul://localhost");
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.stderr.starts_with(QUESTION) && ran.stderr.contains("a user name"), "{ran:?}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    for run in [
        Run::default(),
        Run { terminal: true, ..Run::default() },
        Run { person: true, ..Run::default() },
    ] {
        let ran = run.run(&guarded(), &["ls", "--color", "never", "--server", "haul://localhost"]);
        ran.failed(Exit::Unauthenticated, &["does not know who you are", "haul-test login"]);
    }
}

/// Some requests are sent before the greeting. What they bring is not shown as if all were well.
#[test]
fn each_command_notices_that_nobody_is_identified() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for line in [&["ls"][..], &["put", file], &["get", "a", "-o", "-"], &["rm", "a"], &["shell"]] {
        let run = Run { stdin: "LIST\n", ..Run::default() };
        let ran = run.run(&guarded(), line);
        assert_eq!(ran.exit, Exit::Unauthenticated, "{line:?}: {ran:?}");
    }
}

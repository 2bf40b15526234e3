use haul_cli::Exit;
use haul_core::client::Failure;

use crate::fake::{Fake, Run};

#[test]
fn a_wrong_command_line_is_one_line_with_the_way_out() {
    let fake = Fake::default();
    fake.run(&["ls", "--bogus"]).failed(Exit::Usage, &["--bogus", "--help"]);
    fake.run(&["ls", "--server", "h:0"]).failed(Exit::Usage, &["port 0"]);
    fake.run(&["ls", "--a\u{202e}"]).failed(Exit::Usage, &[r"--a\u{202e}"]);
    fake.run(&["-q"])
        .failed(Exit::Usage, &["requires a subcommand", "serve, ls, get, put, rm, mv"]);
    assert!(fake.state().connected.is_empty());
}

#[test]
fn help_and_version_are_results() {
    let help = Fake::default().run(&["--help"]);
    assert_eq!((help.exit, help.stderr.as_str()), (Exit::Done, ""));
    for part in
        ["serve", "ls", "get", "put", "shell", "HAUL_SERVER", "Exit codes:", "130  interrupted"]
    {
        assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
    }
    assert!(!help.stdout.contains("roff"), "{}", help.stdout);
    let version = Fake::default().run(&["--version"]);
    version.done(concat!("haul-test ", env!("CARGO_PKG_VERSION"), "\n"));
    let closed = Run { stdout_closes_after: Some(0), ..Run::default() };
    let closed = closed.run(&Fake::default(), &["--help"]);
    assert_eq!((closed.exit, closed.stderr.as_str()), (Exit::Local, ""));
}

#[test]
fn no_command_shows_the_help_as_an_error() {
    let ran = Fake::default().run(&[]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Usage, ""));
    assert!(ran.stderr.contains("Commands:"), "{}", ran.stderr);
}

#[test]
fn a_server_that_cannot_be_reached_says_how_to_start_one() {
    let fake = Fake::default();
    fake.state().unreachable = true;
    fake.run(&["ls"]).failed(
        Exit::Network,
        &[
            "cannot reach haul://test:4285: Connection refused (is the server running there",
            "haul-test serve --listen haul://0.0.0.0:4285",
        ],
    );
    let other = Fake::default().fails("connect", Failure::Violation("no greeting")).run(&["ls"]);
    other.failed(
        Exit::Integrity,
        &["haul://test:4285: the server broke the protocol", "is it a HAUL server"],
    );
}

#[test]
fn an_error_is_red_only_where_it_is_wanted() {
    let red = Fake::default().run(&["ls", "x", "--color", "always"]);
    assert!(red.stderr.starts_with("\u{1b}[1m\u{1b}[31mhaul-test\u{1b}[0m: x: "), "{red:?}");
}

#[test]
fn completions_and_manuals_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let made = Fake::default().run(&["completions", shell]);
        assert_eq!(made.exit, Exit::Done);
        assert!(made.stdout.contains("haul-test"), "{shell}");
        assert!(made.stdout.contains("password-stdin"), "{shell}");
    }
    let page = Fake::default().run(&["man"]);
    assert!(page.stdout.contains(".TH haul-test"), "{}", page.stdout);
    let page = Fake::default().run(&["man", "get"]);
    assert!(page.stdout.contains(".TH haul-test-get"), "{}", page.stdout);
    let page = Fake::default().run(&["man", "user", "key", "add"]);
    assert!(page.stdout.contains(".TH haul-test-user-key-add"), "{}", page.stdout);
    Fake::default().run(&["man", "user", "nothing"]).failed(Exit::Usage, &["nothing"]);
    Fake::default().run(&["man", "nothing"]).failed(Exit::Usage, &["nothing"]);
}

#[test]
fn timeouts_are_what_was_asked_for() {
    let options = |line: &[&str]| {
        let fake = Fake::with(&[("a", "1")]);
        assert_eq!(fake.run(line).exit, Exit::Done);
        let (connect, timing) = fake.state().timing.take().unwrap();
        [connect, timing.greeting, timing.reply].map(|time| time.as_secs())
    };
    assert_eq!(options(&["ls"]), [20, 10, 300]);
    assert_eq!(options(&["ls", "--connect-timeout", "3"]), [3, 3, 300]);
    assert_eq!(options(&["ls", "--timeout", "7"]), [20, 10, 7]);
}

#[test]
fn what_a_signal_ended_has_its_code() {
    for (signal, exit) in [
        (None, Exit::Interrupted),
        (Some(1), Exit::HungUp),
        (Some(2), Exit::Interrupted),
        (Some(3), Exit::Quit),
        (Some(15), Exit::Terminated),
    ] {
        let fake = Fake::with(&[("a", "1")]).fails("/", Failure::Cancelled);
        fake.state().signal = signal;
        fake.run(&["ls"]).failed(exit, &["interrupted"]);
        assert_eq!(fake.run(&["ls"]).exit, Exit::Done, "a signal that ended nothing");
    }
}

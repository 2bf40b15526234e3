//! The administration of accounts: where they are kept, who may change them, and passwords that are typed.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::abuse::wait_until;
use crate::process::Bench;
use crate::reports::{NOBODY, can_be_nobody, give_to_nobody, open_to_everybody};
use crate::running::{TIMEOUT, wait};

const ADD: &[&str] = &["user", "add", "alice", "--password-stdin"];

/// The accounts are in the directory of `--state`, of the service, or of the user, in this order.
pub fn accounts_are_where_the_environment_says(program: &Path) {
    let bench = Bench::new(program);
    let at = |name: &str| bench.place().join(name).to_str().unwrap().to_owned();
    let home = format!("HOME={}", at("home"));
    let [service, of_user, relative] = [
        format!("STATE_DIRECTORY={}:{}", at("service"), at("other")),
        format!("XDG_STATE_HOME={}", at("user")),
        String::from("XDG_STATE_HOME=user"),
    ];
    let option = ["--state", &at("option")];
    for (directory, variables, option) in [
        ("option", &[service.as_str(), &of_user][..], &option[..]),
        ("service", &[&service, &of_user], &[]),
        ("user/haul", &["STATE_DIRECTORY=", &of_user], &[]),
        ("home/.local/state/haul", &[&relative], &[]),
    ] {
        let launcher =
            [&["env", "-u", "STATE_DIRECTORY", "-u", "XDG_STATE_HOME", &home][..], variables];
        let launcher = launcher.concat();
        let file = bench.place().join(directory).join("accounts.toml");
        assert!(!file.exists(), "{directory}");
        let added = bench.run_under(&launcher, &[ADD, option].concat(), b"secret");
        assert_eq!(added.assert_code(0).stdout, b"alice  added\n", "{directory}");
        assert!(file.exists(), "{directory}");
        let listed = bench.run_under(&launcher, &[&["user", "list"][..], option].concat(), b"");
        assert_eq!(listed.assert_code(0).stdout, b"alice  password  alice\n", "{directory}");
    }
    assert!(!bench.place().join("other").exists());
}

/// Nobody reads or changes the accounts of another user.
pub fn accounts_of_another_user_are_refused(program: &Path) {
    if !can_be_nobody() {
        return;
    }
    let bench = open_to_everybody(program);
    let state = bench.place().join("state");
    let with_state = |line: &[&'static str]| {
        [line, &["--state", state.to_str().unwrap()]]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    bench.run_with(&with_state(ADD), b"secret").assert_code(0);
    for line in [&["user", "list"][..], &["user", "remove", "alice"], &["user", "invite", "alice"]]
    {
        let denied = bench.run_under(NOBODY, &with_state(line), b"");
        denied.assert_code(7).assert_one_clear_line();
    }
    // As root the system would allow it.
    give_to_nobody(&state);
    let denied = bench.run(&with_state(&["user", "list"]));
    denied.assert_code(7).assert_one_clear_line();
    assert!(denied.stderr.contains("run this as its owner"), "{}", denied.stderr);
}

/// A password is typed twice on a terminal that does not show it, and shows again what is typed afterwards.
pub fn a_password_is_typed_and_not_shown(program: &Path) {
    let bench = Bench::new(program);
    bench.run_with(&[ADD, &["--state", "state"]].concat(), b"first").assert_code(0);
    let stored = || std::fs::read_to_string(bench.here().join("state/accounts.toml")).unwrap();
    let before = stored();
    for (typed, code, told) in [
        (&["hunter2\r", "hunter3\r"][..], 2, "the passwords differ"),
        (&["\r"], 2, "a password has 1 to 1024 bytes"),
        // Whether the signal still has its last words is a matter of luck.
        (&["hunter2\u{3}"], 130, ""),
    ] {
        let mut terminal = Terminal::open();
        let (ended, shown) = terminal.run(&bench, typed);
        assert_eq!(ended.0, Some(code), "{}", ended.1);
        assert!(ended.1.contains(told) && ended.1.lines().count() <= 1, "{}", ended.1);
        assert!(!shown.contains("hunter") && !ended.1.contains("hunter"), "{shown}{}", ended.1);
        assert!(terminal.shows(), "{typed:?}");
        assert_eq!(stored(), before, "{typed:?}");
    }
    let mut terminal = Terminal::open();
    let (ended, shown) = terminal.run(&bench, &["hunter2\r", "hunter2\r"]);
    assert_eq!(ended, (Some(0), String::new()));
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(terminal.shows());
    assert_ne!(stored(), before);
}

/// What is asked, for each password that is typed.
const PROMPTS: [&str; 2] = ["New password for alice: ", "The same again: "];

/// A terminal and the person at it.
struct Terminal {
    person: File,
    program: OwnedFd,
    shown: String,
}

impl Terminal {
    fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let program = ioctl_tiocgptpeer(&person, flags).unwrap();
        Self { person: person.into(), program, shown: String::new() }
    }

    /// Whether it shows what is typed.
    fn shows(&self) -> bool {
        tcgetattr(&self.program).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Sets the password, with what is typed at each prompt. Returns how it ended, with its errors, and what the
    /// terminal showed.
    fn run(&mut self, bench: &Bench, typed: &[&str]) -> ((Option<i32>, String), String) {
        let mut child = self.start(bench);
        for (prompt, typed) in PROMPTS.iter().zip(typed) {
            while !self.shown.contains(prompt) {
                assert!(self.read(TIMEOUT), "no {prompt:?} in {:?}", self.shown);
            }
            assert!(wait_until(|| !self.shows()), "{prompt:?}");
            self.person.write_all(typed.as_bytes()).unwrap();
        }
        let code = wait(&mut child).code();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        while self.read(Timespec::default()) {}
        ((code, errors), self.shown.clone())
    }

    fn start(&self, bench: &Bench) -> Child {
        // The first word makes it the terminal of the program.
        let mut command = bench.command(&["setsid", "--ctty", "--wait"]);
        command
            .args(["user", "passwd", "alice", "--state", "state", "--quiet"])
            .stdin(Stdio::from(self.program.try_clone().unwrap()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Reads what it shows; false if that is nothing for so long.
    fn read(&mut self, timeout: Timespec) -> bool {
        let ready = poll(&mut [PollFd::new(&self.person.as_fd(), PollFlags::IN)], Some(&timeout));
        if ready != Ok(1) {
            return false;
        }
        let mut bytes = [0; 256];
        let count = self.person.read(&mut bytes).unwrap();
        self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        true
    }
}

//! A program, while it runs and after it has ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// Far longer than anything here takes. Only a hang gets there.
pub(super) const TIMEOUT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// A running program. Dropping this does not end it.
pub(crate) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

/// A program that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Running {
    /// Starts it with `input` on stdin.
    pub(super) fn start(command: &mut Command, input: &[u8]) -> Self {
        let stdout = tempfile::tempfile().expect("a temporary file can be made");
        let started = Self::start_with(command.stdout(share(&stdout)), input);
        Self { stdout, ..started }
    }

    /// Starts it with the stdout that `command` has.
    pub(super) fn start_with(command: &mut Command, input: &[u8]) -> Self {
        // These are files, not pipes, so nobody has to read while the program runs.
        let mut stdin = tempfile::tempfile().expect("a temporary file can be made");
        stdin.write_all(input).expect("it can be written");
        rewind(&mut stdin);
        let stderr = tempfile::tempfile().expect("a temporary file can be made");
        let stdout = tempfile::tempfile().expect("a temporary file can be made");
        let child = command
            .stdin(stdin)
            .stderr(share(&stderr))
            .spawn()
            .expect("the program can be started");
        Self { child, stdout, stderr }
    }

    /// The process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(pid(&self.child), signal);
    }

    /// Waits until it ends; false if it takes longer.
    pub(crate) fn ends_within(&self, timeout: Duration) -> bool {
        let pidfd =
            pidfd_open(pid(&self.child), PidfdFlags::empty()).expect("it was not waited for");
        let timeout = Timespec::try_from(timeout).expect("it is short");
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) == Ok(1)
    }

    /// Waits until it has ended.
    pub(crate) fn ended(mut self) -> Ended {
        let status = wait(&mut self.child);
        rewind(&mut self.stdout);
        rewind(&mut self.stderr);
        let (mut stdout, mut stderr) = (Vec::new(), String::new());
        self.stdout.read_to_end(&mut stdout).expect("its output can be read");
        self.stderr.read_to_string(&mut stderr).expect("its errors are text");
        Ended { status, stdout, stderr }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{:?}, which said: {}{}",
            self.status,
            self.stderr,
            String::from_utf8_lossy(&self.stdout)
        );
        self
    }

    /// Asserts that stderr is one line of readable text.
    #[track_caller]
    pub(crate) fn assert_one_clear_line(&self) -> &Self {
        let line = self.stderr.strip_suffix('\n').unwrap_or("(no line)");
        let clear = !line.is_empty() && line.len() < 1500 && !line.chars().any(char::is_control);
        assert!(clear && self.stderr.ends_with('\n'), "stderr: {:?}", self.stderr);
        for sign in ["panicked", "backtrace", "RUST_"] {
            assert!(!line.contains(sign), "{line}");
        }
        self
    }
}

pub(super) fn share(file: &File) -> File {
    file.try_clone().expect("a descriptor can be duplicated")
}

pub(super) fn rewind(file: &mut File) {
    file.seek(SeekFrom::Start(0)).expect("a file can be rewound");
}

pub(super) fn wait(child: &mut Child) -> ExitStatus {
    // The kernel does not reuse the ID of a child that was not waited for, so this is the right process.
    let pidfd = pidfd_open(pid(child), PidfdFlags::empty()).expect("it was not waited for yet");
    let ready = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&TIMEOUT));
    if ready != Ok(1) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("the program did not end within a minute");
    }
    child.wait().expect("it can be waited for")
}

pub(super) fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

//! Processes of the program under test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process, pidfd_open, prlimit,
};

/// Far longer than anything here takes; only a hang gets there.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// The program under test, with a place of its own to work in.
pub(crate) struct Bench {
    program: PathBuf,
    place: tempfile::TempDir,
}

/// A program that ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Bench {
    /// A new place, with the empty directories `share` and `here`.
    pub(crate) fn new(program: &Path) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        for name in ["share", "here"] {
            std::fs::create_dir(place.path().join(name)).expect("a directory can be made in it");
        }
        Self { program: program.to_owned(), place }
    }

    /// What the server shares.
    pub(crate) fn share(&self) -> PathBuf {
        self.place.path().join("share")
    }

    /// Where clients run.
    pub(crate) fn here(&self) -> PathBuf {
        self.place.path().join("here")
    }

    /// Runs the program in [`here`](Self::here) with nothing on stdin.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ended {
        self.run_with(args, b"")
    }

    /// Runs the program in [`here`](Self::here) with `input` on stdin.
    pub(crate) fn run_with<S: AsRef<std::ffi::OsStr>>(&self, args: &[S], input: &[u8]) -> Ended {
        self.run_under(&[], args, input)
    }

    /// Runs the program by another one, whose outcome is the program's.
    pub(crate) fn run_under<S: AsRef<std::ffi::OsStr>>(
        &self,
        launcher: &[&str],
        args: &[S],
        input: &[u8],
    ) -> Ended {
        // Files, not pipes: nobody has to read while the program runs.
        let mut stdin = tempfile::tempfile().expect("a temporary file can be made");
        stdin.write_all(input).expect("it can be written");
        rewind(&mut stdin);
        let mut stdout = tempfile::tempfile().expect("a temporary file can be made");
        let mut stderr = tempfile::tempfile().expect("a temporary file can be made");
        let mut child = self
            .command(launcher)
            .args(args)
            .stdin(stdin)
            .stdout(share(&stdout))
            .stderr(share(&stderr))
            .spawn()
            .expect("the program can be started");
        let status = wait(&mut child);
        rewind(&mut stdout);
        rewind(&mut stderr);
        let (mut out, mut err) = (Vec::new(), String::new());
        stdout.read_to_end(&mut out).expect("its output can be read");
        stderr.read_to_string(&mut err).expect("its errors are text");
        Ended { status, stdout: out, stderr: err }
    }

    /// Runs the program with a stdout that nobody reads.
    pub(crate) fn run_unread<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ended {
        let mut stderr = tempfile::tempfile().expect("a temporary file can be made");
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        let mut child = self
            .command(&[])
            .args(args)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(share(&stderr))
            .spawn()
            .expect("the program can be started");
        let status = wait(&mut child);
        rewind(&mut stderr);
        let mut err = String::new();
        stderr.read_to_string(&mut err).expect("its errors are text");
        Ended { status, stdout: Vec::new(), stderr: err }
    }

    /// Starts a server of [`share`](Self::share) on a free port, and waits until it can be reached.
    pub(crate) fn serve(&self, options: &[&str]) -> Serving {
        self.serve_under(&[], options)
    }

    /// Starts a server by another program, which becomes it.
    pub(crate) fn serve_under(&self, launcher: &[&str], options: &[&str]) -> Serving {
        self.try_serve_under(launcher, options)
            .unwrap_or_else(|ended| panic!("it did not begin to serve: {}", ended.stderr))
    }

    /// Starts a server by another program, which becomes it; or answers how it ended before it served.
    pub(crate) fn try_serve_under(
        &self,
        launcher: &[&str],
        options: &[&str],
    ) -> Result<Serving, Ended> {
        let mut stderr = tempfile::tempfile().expect("a temporary file can be made");
        let mut child = self
            .command(launcher)
            .arg("serve")
            .arg(self.share())
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(share(&stderr))
            .spawn()
            .expect("the program can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        if poll(&mut [PollFd::new(stdout.get_ref(), PollFlags::IN)], Some(&PATIENCE)) != Ok(1) {
            let _ = child.kill();
            let _ = child.wait();
            panic!("a server neither served nor ended within a minute");
        }
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its stdout can be read");
        if line.is_empty() {
            let status = wait(&mut child);
            rewind(&mut stderr);
            let mut err = String::new();
            stderr.read_to_string(&mut err).expect("its errors are text");
            return Err(Ended { status, stdout: Vec::new(), stderr: err });
        }
        let address = line
            .trim_end()
            .strip_prefix("listening on haul://")
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("the first line of a server is {line:?}"));
        Ok(Serving { child, address, _stdout: stdout })
    }

    fn command(&self, launcher: &[&str]) -> Command {
        let mut words = launcher.iter().map(OsStr::new).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .current_dir(self.here())
            .env_remove("HAUL_SERVER")
            .env_remove("HAUL_LOG")
            .env("NO_COLOR", "1");
        command
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Serving {
    child: Child,
    address: SocketAddr,
    /// Kept open: what else it prints shall not fail.
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Serving {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as clients take it.
    pub(crate) fn url(&self) -> String {
        format!("haul://{}", self.address)
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> Raw {
        let stream = TcpStream::connect(self.address).expect("the server can be reached");
        let patience = std::time::Duration::from_mins(1);
        stream.set_read_timeout(Some(patience)).expect("a timeout can be set");
        Raw(BufReader::new(stream))
    }

    /// Sets a limit of the running server.
    pub(crate) fn limit(&self, resource: Resource, limit: Rlimit) {
        prlimit(Some(pid(&self.child)), resource, limit).expect("a limit can be lowered");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(pid(&self.child), signal);
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection without a client: what a person has in `nc`.
pub(crate) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the server takes what is sent");
    }

    /// The next line without its ending; empty at the end of the connection.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the server answers");
        line.trim_end().to_owned()
    }

    /// All that still comes.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("the server answers and closes");
        rest
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

    /// One line on stderr that a person can read, and no more.
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

fn wait(child: &mut Child) -> ExitStatus {
    // A child that was not waited for keeps its number, so this is the right process.
    let pidfd = pidfd_open(pid(child), PidfdFlags::empty()).expect("it was not waited for yet");
    let ready = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&PATIENCE));
    if ready != Ok(1) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("the program did not end within a minute");
    }
    child.wait().expect("it can be waited for")
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn share(file: &File) -> File {
    file.try_clone().expect("a descriptor can be duplicated")
}

fn rewind(file: &mut File) {
    file.seek(SeekFrom::Start(0)).expect("a file can be rewound");
}

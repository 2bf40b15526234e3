//! Processes of the program under test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, Signal, kill_process, prlimit};

use crate::running::{Ended, Running, TIMEOUT, pid, rewind, share, wait};
use crate::unfinished::unfinished;

/// How long a server may keep a descriptor after its session has ended.
pub(crate) const LINGERING: Duration = Duration::from_secs(10);

/// The program under test, with temporary directories to work in.
pub(crate) struct Bench {
    program: PathBuf,
    place: tempfile::TempDir,
}

impl Bench {
    /// A new one, with the empty directories `share` and `here`.
    pub(crate) fn new(program: &Path) -> Self {
        Self::within(program, &std::env::temp_dir())
    }

    /// A new one on tmpfs, where a staged file has a name.
    pub(crate) fn on_tmpfs(program: &Path) -> Self {
        Self::within(program, "/dev/shm".as_ref())
    }

    /// A new one below `directory`.
    pub(super) fn within(program: &Path, directory: &Path) -> Self {
        let place = tempfile::tempdir_in(directory).expect("a temporary directory can be made");
        for name in ["share", "here"] {
            std::fs::create_dir(place.path().join(name)).expect("a directory can be made in it");
        }
        Self { program: program.to_owned(), place }
    }

    /// A loopback address, with any port, that no other test's server has. A client that connects to a killed server
    /// must not reach the server of another test that was given the same port.
    pub(crate) fn own_address() -> String {
        static BENCHES: AtomicU32 = AtomicU32::new(0);
        let [.., above, process] = std::process::id().to_be_bytes();
        let bench = BENCHES.fetch_add(1, Ordering::Relaxed) % 254 + 1;
        format!("127.{}.{process}.{bench}:0", 0x40 | above & 0x3f)
    }

    /// Uses a copy of the program in its own directory: not every user may enter the directory that it was built in.
    pub(crate) fn with_own_program(mut self) -> Self {
        let copy = self.place.path().join("program");
        // A process that another test has just forked holds what is open for writing here, and the kernel runs no file
        // that is open for writing. So another process makes the copy.
        let copied = Command::new("cp").arg(&self.program).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        self.program = copy;
        self
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The directory that contains both.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// The directory that the server shares.
    pub(crate) fn share(&self) -> PathBuf {
        self.place.path().join("share")
    }

    /// The directory that clients run in.
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

    /// Runs the program by `launcher`, whose exit code is the program's.
    pub(crate) fn run_under<S: AsRef<std::ffi::OsStr>>(
        &self,
        launcher: &[&str],
        args: &[S],
        input: &[u8],
    ) -> Ended {
        Running::start(self.command(launcher).args(args), input).ended()
    }

    /// Starts the program in [`here`](Self::here) with nothing on stdin.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Running {
        self.start_under(&[], args)
    }

    /// Starts the program by `launcher`, which executes it in its own process.
    pub(crate) fn start_under<S: AsRef<std::ffi::OsStr>>(
        &self,
        launcher: &[&str],
        args: &[S],
    ) -> Running {
        Running::start(self.command(launcher).args(args), b"")
    }

    /// Runs the program with a stdout that nobody reads.
    pub(crate) fn run_unread<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ended {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        Running::start_with(self.command(&[]).args(args).stdout(writer), b"").ended()
    }

    /// Starts a server of [`share`](Self::share) on a free port, and waits until clients can connect.
    pub(crate) fn serve(&self, options: &[&str]) -> Serving {
        self.serve_under(&[], options)
    }

    /// Starts a server by `launcher`, which executes it in its own process.
    pub(crate) fn serve_under(&self, launcher: &[&str], options: &[&str]) -> Serving {
        self.serve_at("127.0.0.1:0", launcher, options)
    }

    /// Starts a server that listens at `address`.
    pub(crate) fn serve_at(&self, address: &str, launcher: &[&str], options: &[&str]) -> Serving {
        self.try_serve_at(address, launcher, options)
            .unwrap_or_else(|ended| panic!("it did not begin to serve: {}", ended.stderr))
    }

    /// Starts a server whose log is `log`.
    pub(crate) fn serve_logging_to(&self, log: File, options: &[&str]) -> Serving {
        self.start_server("127.0.0.1:0", &[], options, log)
            .unwrap_or_else(|status| panic!("it did not begin to serve: {status}"))
    }

    /// Starts a server by `launcher`, or returns how it ended before it served.
    pub(crate) fn try_serve_under(
        &self,
        launcher: &[&str],
        options: &[&str],
    ) -> Result<Serving, Ended> {
        self.try_serve_at("127.0.0.1:0", launcher, options)
    }

    fn try_serve_at(
        &self,
        address: &str,
        launcher: &[&str],
        options: &[&str],
    ) -> Result<Serving, Ended> {
        let log = tempfile::tempfile().expect("a temporary file can be made");
        let mut stderr = share(&log);
        self.start_server(address, launcher, options, log).map_err(|status| {
            rewind(&mut stderr);
            let mut err = String::new();
            stderr.read_to_string(&mut err).expect("its errors are text");
            Ended { status, stdout: Vec::new(), stderr: err }
        })
    }

    fn start_server(
        &self,
        address: &str,
        launcher: &[&str],
        options: &[&str],
        log: File,
    ) -> Result<Serving, ExitStatus> {
        let mut command = self.command(launcher);
        command.arg("serve").arg(self.share()).args(["--listen", address]).args(options);
        Serving::start(&mut command, log)
    }

    pub(super) fn command(&self, launcher: &[&str]) -> Command {
        let mut words = launcher.iter().map(OsStr::new).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        self.environment(command)
    }

    /// The command in [`here`](Self::here), with an environment in which nothing is kept elsewhere.
    pub(crate) fn environment(&self, mut command: Command) -> Command {
        command
            .current_dir(self.here())
            .env_remove("HAUL_SERVER")
            .env_remove("HAUL_LOG")
            .env_remove("STATE_DIRECTORY")
            .env("XDG_CONFIG_HOME", self.place().join("config"))
            .env("XDG_STATE_HOME", self.place().join("state"))
            .env("NO_COLOR", "1");
        command
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Serving {
    child: Child,
    scheme: &'static str,
    address: SocketAddr,
    log: File,
    /// Kept open, so that further output does not fail.
    stdout: BufReader<std::process::ChildStdout>,
}

impl Serving {
    /// Starts a server, and waits until clients can connect; returns how it ended if it did before.
    pub(crate) fn start(command: &mut Command, log: File) -> Result<Self, ExitStatus> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(share(&log))
            .spawn()
            .expect("the program can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        if poll(&mut [PollFd::new(stdout.get_ref(), PollFlags::IN)], Some(&TIMEOUT)) != Ok(1) {
            let _ = child.kill();
            let _ = child.wait();
            panic!("a server neither served nor ended within a minute");
        }
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its stdout can be read");
        if line.is_empty() {
            return Err(wait(&mut child));
        }
        let (scheme, address) = ["haul", "hauls"]
            .into_iter()
            .find_map(|scheme| {
                let address = line.trim_end().strip_prefix(&format!("listening on {scheme}://"))?;
                Some((scheme, address.parse().ok()?))
            })
            .unwrap_or_else(|| panic!("the first line of a server is {line:?}"));
        Ok(Self { child, scheme, address, log, stdout })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the log contains `sign`, and returns the log.
    pub(crate) fn log_with(&self, sign: &str) -> String {
        let within = Instant::now() + LINGERING;
        loop {
            let log = self.log();
            if log.contains(sign) {
                return log;
            }
            assert!(Instant::now() < within, "no {sign:?} in the log: {log}");
            // There is no event to wait for.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next line that the server prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("its stdout can be read");
        line
    }

    /// The server's URL.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far, if it is a file.
    pub(crate) fn log(&self) -> String {
        let length = self.log.metadata().expect("it is open").len();
        let mut text = vec![0; usize::try_from(length).expect("it fits into memory")];
        // A read at the current offset would move the offset that the server writes at.
        self.log.read_exact_at(&mut text, 0).expect("it can be read");
        String::from_utf8(text).expect("a log is text")
    }

    /// Opens a connection without a client.
    pub(crate) fn connect(&self) -> Raw {
        let stream = TcpStream::connect(self.address).expect("the server can be reached");
        let timeout = Duration::from_mins(1);
        stream.set_read_timeout(Some(timeout)).expect("a timeout can be set");
        Raw(BufReader::new(stream))
    }

    /// Sets a resource limit of the running server.
    pub(crate) fn limit(&self, resource: Resource, limit: Rlimit) {
        prlimit(Some(pid(&self.child)), resource, limit).expect("a limit can be lowered");
    }

    /// The number of open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(usize::MAX, Iterator::count)
    }

    /// The number of open sockets.
    pub(crate) fn sockets(&self) -> usize {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs");
        let targets = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// Waits until every session has ended: no more sockets are open than `alone`, and no file is staged in the share.
    pub(crate) fn wait_for_sessions(
        &self,
        alone: usize,
        share: &Path,
        timeout: Duration,
    ) -> Result<(), String> {
        let within = Instant::now() + timeout;
        loop {
            // The call that failed may have been the server's own, so it may have fewer sockets of its own than before.
            let sockets = self.sockets();
            let staged = unfinished(share).len();
            if sockets <= alone && staged == 0 {
                return Ok(());
            }
            if Instant::now() > within {
                return Err(format!(
                    "{sockets} sockets are open, not {alone}; {staged} files are left unfinished"
                ));
            }
            // There is no event to wait for.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until no more than `most` descriptors are open: a session closes its own when it ends.
    pub(crate) fn wait_for_descriptors(&self, most: usize) -> Result<(), String> {
        let within = Instant::now() + LINGERING;
        while self.descriptors() > most {
            if Instant::now() > within {
                return Err(format!("{} descriptors are open, not {most}", self.descriptors()));
            }
            // There is no event to wait for.
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(pid(&self.child), signal);
    }

    /// Stops the server, and returns what it printed on stdout after the first line.
    pub(crate) fn stopped(&mut self) -> String {
        self.signal(Signal::TERM);
        self.ended();
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).expect("its output is text");
        printed
    }

    /// Waits until the server has ended.
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

/// A connection without a client, as a person has it in `nc`.
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

    /// Everything up to the end of the connection, as text.
    pub(crate) fn rest(&mut self) -> String {
        String::from_utf8(self.rest_bytes()).expect("the server answers in UTF-8")
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest_bytes(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the server answers and closes");
        rest
    }
}

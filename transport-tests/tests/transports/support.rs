//! A shared directory, and peers that talk to a server byte by byte.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fs};

use haul_core::FilePath;
use haul_store::{Directory, LocalSource, LocalTarget, Options, Source, Target};
use haul_transport::ServerOptions;
use rustix::process::{Pid, Signal, kill_process};
use socket2::SockRef;
use tempfile::TempDir;

/// A timeout that makes a hanging test fail. No test waits for it.
pub(crate) const HANG: Duration = Duration::from_mins(1);

pub(crate) const LOCALHOST: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A shared directory.
pub(crate) struct Share(TempDir);

impl Share {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn store(&self) -> Directory {
        Directory::open(self.0.path(), Options::default()).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, data: &[u8]) {
        fs::write(self.0.path().join(name), data).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    /// All files, staged ones too.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.0.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { &mut directories } else { &mut files }.push(path);
            }
        }
        files.sort();
        files
    }
}

/// Bytes without a period that divides a power of two, so misplaced data is detected.
pub(crate) fn payload(length: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..65_521_u32).map(|i| (i / 251 + i * 7).to_le_bytes()[0]).collect();
    let mut payload = pattern.repeat(length / pattern.len() + 1);
    payload.truncate(length);
    payload
}

/// The options of a server with a place for each of `count` clients, all from one address.
pub(crate) fn places(count: usize) -> ServerOptions {
    ServerOptions { max_clients: count, max_clients_per_address: count, ..ServerOptions::default() }
}

/// A file of the client to upload.
pub(crate) fn source(mine: &Share, name: &str) -> Box<dyn Source> {
    Box::new(LocalSource::open(mine.path().join(name)).unwrap())
}

/// A file of the client to download to.
pub(crate) fn target(mine: &Share, name: &str) -> Box<dyn Target> {
    Box::new(LocalTarget::new(mine.path().join(name), true).unwrap())
}

pub(crate) fn path(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

pub(crate) fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A client that is nothing but a blocking socket.
pub(crate) struct Peer(BufReader<TcpStream>);

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(HANG)).unwrap();
        socket.set_write_timeout(Some(HANG)).unwrap();
        Self(BufReader::new(socket))
    }

    /// Connects, and reads the greeting.
    pub(crate) fn greeted(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        let greeting = peer.line();
        assert!(greeting.starts_with("HAUL/1 "), "{greeting}");
        peer
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket().write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn half_close(&self) {
        self.socket().shutdown(Shutdown::Write).unwrap();
    }

    /// Waits until the server has sent more, and leaves it unread.
    pub(crate) fn wait_for_bytes(&self) {
        assert!(self.0.buffer().is_empty());
        assert_eq!(self.socket().peek(&mut [0]).unwrap(), 1);
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next line without its ending; empty at the end of the stream.
    pub(crate) fn try_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    pub(crate) fn line(&mut self) -> String {
        self.try_line().unwrap()
    }

    /// The whole reply to a DOWNLOAD: its payload, and its final line.
    pub(crate) fn download(&mut self) -> (Vec<u8>, String) {
        let sending = self.line();
        assert!(sending.starts_with("SENDING "), "{sending}");
        let mut payload = Vec::new();
        loop {
            let line = self.line();
            let Some(length) = line.strip_prefix("DATA ") else { return (payload, line) };
            let length = length.parse().unwrap();
            let before = payload.len() as u64;
            self.0.by_ref().take(length).read_to_end(&mut payload).unwrap();
            assert_eq!(payload.len() as u64, before + length);
        }
    }

    /// Reads to the end of the stream.
    pub(crate) fn drain(&mut self) {
        io::copy(&mut self.0, &mut io::sink()).unwrap();
    }

    /// All bytes to the end of the stream.
    pub(crate) fn all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).unwrap();
        all
    }

    /// Reads lines to the end of the stream.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// A process that runs one test of this program again, in another role, because limits and signals belong to a process.
pub(crate) struct Child {
    process: process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    const ARGUMENT: &str = "HAUL_TEST_CHILD";
    const SAYS: &str = "child: ";

    /// Runs the test at this path of modules with `argument`. No signal is ignored there, however the tests were
    /// started.
    pub(crate) fn start(test: &str, argument: &str) -> Self {
        Self::start_with("--default-signal", test, argument)
    }

    /// The same with signals set by `signals`, an option of env(1).
    pub(crate) fn start_with(signals: &str, test: &str, argument: &str) -> Self {
        let (_crate, test) = test.split_once("::").unwrap();
        let mut process = Command::new("env")
            .arg(signals)
            .arg(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(Self::ARGUMENT, argument)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// In the child: its argument.
    pub(crate) fn argument() -> Option<String> {
        env::var(Self::ARGUMENT).ok()
    }

    /// In the child: sends the parent a line.
    pub(crate) fn say(what: impl Display) {
        println!("\n{}{what}", Self::SAYS);
    }

    /// The next line from the child.
    pub(crate) fn hear(&mut self) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix(Self::SAYS).map(str::to_owned)).unwrap()
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

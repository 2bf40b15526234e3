//! The scripts over sockets, against any server that a test can start.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::player::{Next, Player};
use crate::schedule::{OVER_SOCKETS, Schedule, Sizes};
use crate::script::Script;
use crate::{Failures, Setup};

/// Far longer than any server takes. Only a hang gets there.
const TIMEOUT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// A running server. Dropping it ends it.
pub trait RunningServer {
    /// The address that it listens at.
    fn address(&self) -> SocketAddr;

    /// Shuts it down. Sessions under way end as R-CONN-7 says.
    fn drain(&self);
}

/// A server on a thread of this process. Dropping it shuts it down and waits until it has ended.
pub struct InThread {
    address: SocketAddr,
    drain: Box<dyn Fn() + Send + Sync>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl InThread {
    /// Runs `serve`, which listens at `address`, until `drain` is called and it returns.
    pub fn start(
        address: SocketAddr,
        serve: impl FnOnce() -> io::Result<()> + Send + 'static,
        drain: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self { address, drain: Box::new(drain), thread: Some(thread::spawn(serve)) }
    }
}

impl RunningServer for InThread {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn drain(&self) {
        (self.drain)();
    }
}

impl Drop for InThread {
    /// # Panics
    /// When the server failed or panicked, unless this thread is already panicking.
    fn drop(&mut self) {
        self.drain();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, Some(Ok(Ok(())))),
            "it ended with {ended:?}"
        );
    }
}

/// Runs all scripts against servers that `start` starts on a directory, one for each script and schedule, several at a
/// time. The transcripts must equal those of the state machine alone byte for byte;
/// [`memory::check`](crate::memory::check) ensures that these do not depend on how bytes are cut.
///
/// # Panics
/// When the scripts of this crate cannot be parsed.
pub fn check<S: RunningServer>(
    start: impl Fn(&Setup, &Path) -> io::Result<S> + Sync,
) -> Result<(), Failures> {
    check_those(|_| true, start)
}

/// As [`check`], without the scripts whose servers have users.
///
/// # Panics
/// As [`check`] does.
pub fn check_without_users<S: RunningServer>(
    start: impl Fn(&Setup, &Path) -> io::Result<S> + Sync,
) -> Result<(), Failures> {
    check_those(|script| script.setup.users.is_empty(), start)
}

fn check_those<S: RunningServer>(
    which: fn(&Script) -> bool,
    start: impl Fn(&Setup, &Path) -> io::Result<S> + Sync,
) -> Result<(), Failures> {
    let over_sockets =
        crate::run_all(OVER_SOCKETS, which, |script, schedule| run(script, *schedule, &start))?;
    Failures::between(&over_sockets, &crate::memory::transcripts(which)?)
}

/// Checks that a server with one place refuses a second client with `busy` while the first is connected.
///
/// # Panics
/// When it does not.
pub fn check_one_place(server: &impl RunningServer) -> io::Result<()> {
    let connect =
        || TcpStream::connect(server.address()).map(|stream| BufReader::new(stream).lines());
    let mut accepted = connect()?;
    assert!(accepted.next().expect("a line")?.starts_with("HAUL/1"));
    let mut refused = connect()?;
    assert!(refused.next().expect("a line")?.starts_with("ERR busy"));
    assert!(refused.next().is_none());
    Ok(())
}

fn run<S: RunningServer>(
    script: &Script,
    schedule: Schedule,
    start: &impl Fn(&Setup, &Path) -> io::Result<S>,
) -> Result<String, String> {
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let share = place.path().join("share");
    std::fs::create_dir(&share)
        .and_then(|()| script.start.create(&share))
        .map_err(|error| format!("cannot make the tree: {error}"))?;
    let server = start(&script.setup, &share).map_err(|error| format!("cannot start: {error}"))?;
    let stream = TcpStream::connect(server.address())
        .and_then(|stream| stream.set_nonblocking(true).map(|()| stream))
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|error| format!("cannot connect: {error}"))?;
    let mut player = Player::new(script, &share);
    play(&mut player, &stream, &server, schedule)?;
    drop(stream);
    drop(server);
    script.end.compare(&share)?;
    Ok(player.into_transcript())
}

fn play(
    player: &mut Player<'_>,
    mut stream: &TcpStream,
    server: &impl RunningServer,
    schedule: Schedule,
) -> Result<(), String> {
    let mut writes = Sizes::new(schedule.client_writes);
    let mut reads = Sizes::new(schedule.client_reads);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match player.next_move()? {
            Next::Send(bytes) => match stream.write(&bytes[..writes.next(bytes.len())]) {
                Ok(count) => {
                    player.sent(count);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(stream, PollFlags::IN | PollFlags::OUT, player)?;
                }
                Err(_) => {
                    player.send_failed();
                    continue;
                }
            },
            Next::CloseSending => {
                // This fails only when the server has closed already, which the next read reports.
                let _ = stream.shutdown(Shutdown::Write);
                continue;
            }
            Next::Drain => {
                server.drain();
                continue;
            }
            Next::Receive => wait(stream, PollFlags::IN, player)?,
            Next::Done => return Ok(()),
        }
        let most = reads.next(buffer.len());
        match stream.read(&mut buffer[..most]) {
            Ok(0) => player.end()?,
            Ok(count) => player.receive(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                return Err(format!("{error} instead of {}", player.waiting_for()));
            }
        }
    }
}

fn wait(stream: &TcpStream, what: PollFlags, player: &Player<'_>) -> Result<(), String> {
    match poll(&mut [PollFd::new(stream, what)], Some(&TIMEOUT)) {
        Ok(0) => Err(format!("nothing came for a minute instead of {}", player.waiting_for())),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

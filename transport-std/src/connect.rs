//! Connecting, with a time limit and a way to give up.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use haul_core::client::Failure;
use haul_transport::addresses::{HEAD_START, check_zone, no_answer, resolve};
use haul_transport::socket::{prepare_connected, stream};
use haul_transport::{Clock, ConnectError, Unreached, Wake as _};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use socket2::Socket;

use crate::wait::{Wake, wait};

/// Of a thread that finds out addresses, in bytes: what the system does there is not known.
const STACK_SIZE: usize = 1 << 20;

/// A connected socket that is ready to be driven, unless `wake` was raised before.
///
/// All addresses are tried, each with a head start before the next.
pub(crate) fn connect(
    name: impl ToSocketAddrs + Send + 'static,
    timeout: Duration,
    wake: Option<&Wake>,
) -> Result<TcpStream, ConnectError> {
    let clock = Clock::start();
    let addresses = look_up(name, clock, timeout, wake)?;
    let mut race = Race { left: addresses.into(), under_way: Vec::new(), lost: Vec::new() };
    let mut next = Duration::ZERO;
    loop {
        if wake.is_some_and(Wake::is_raised) {
            return Err(Failure::Cancelled.into());
        }
        let now = clock.now();
        if now >= timeout {
            return Err(race.over());
        }
        if now >= next || race.under_way.is_empty() {
            match race.begin() {
                Some(socket) => return Ok(socket),
                None if race.under_way.is_empty() && race.left.is_empty() => {
                    return Err(race.over());
                }
                None => next = now + HEAD_START,
            }
        }
        let until = if race.left.is_empty() { timeout } else { next.min(timeout) };
        let mut fds: Vec<_> =
            race.under_way.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::OUT)).collect();
        fds.extend(wake.map(|wake| PollFd::new(wake, PollFlags::IN)));
        wait(&mut fds, Some(clock.until(until)))?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if let Some(socket) = race.look(&ready) {
            return Ok(socket);
        }
    }
}

/// The addresses of `name`. The system has no way to ask for them without waiting, so a thread waits.
fn look_up(
    name: impl ToSocketAddrs + Send + 'static,
    clock: Clock,
    timeout: Duration,
    wake: Option<&Wake>,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = Arc::new(Wake::new()?);
    let (sender, receiver) = channel();
    let tells = Arc::clone(&found);
    thread::Builder::new().stack_size(STACK_SIZE).spawn(move || {
        // Nobody may wait for it any more.
        let _ = sender.send(resolve(name));
        tells.raise();
    })?;
    loop {
        if let Ok(addresses) = receiver.try_recv() {
            return addresses;
        }
        if wake.is_some_and(Wake::is_raised) {
            return Err(Failure::Cancelled.into());
        }
        let left = clock.until(timeout);
        if left.is_zero() {
            return Err(ConnectError::Unknown(no_answer()));
        }
        let mut fds = vec![PollFd::new(&*found, PollFlags::IN)];
        fds.extend(wake.map(|wake| PollFd::new(wake, PollFlags::IN)));
        wait(&mut fds, Some(left))?;
    }
}

/// Addresses, of which one shall answer.
struct Race {
    left: VecDeque<SocketAddr>,
    under_way: Vec<(SocketAddr, Socket)>,
    lost: Vec<Unreached>,
}

impl Race {
    /// Tries the next address. There may be a connection at once.
    fn begin(&mut self) -> Option<TcpStream> {
        while let Some(address) = self.left.pop_front() {
            match begin(address) {
                Ok((socket, true)) => return Some(socket.into()),
                Ok((socket, false)) => {
                    self.under_way.push((address, socket));
                    return None;
                }
                Err(error) => self.lost.push(Unreached { address, error }),
            }
        }
        None
    }

    /// Looks at those that are ready. The next address is tried in place of one that has failed.
    fn look(&mut self, ready: &[bool]) -> Option<TcpStream> {
        let ready = ready.iter().copied().chain(std::iter::repeat(false));
        let under_way = std::mem::take(&mut self.under_way);
        let mut failed = false;
        for ((address, socket), ready) in under_way.into_iter().zip(ready) {
            match if ready { socket.take_error() } else { Ok(None) } {
                Ok(None) if ready => return Some(socket.into()),
                Ok(None) => self.under_way.push((address, socket)),
                Ok(Some(error)) | Err(error) => {
                    self.lost.push(Unreached { address, error });
                    failed = true;
                }
            }
        }
        if failed { self.begin() } else { None }
    }

    /// Nobody has answered.
    fn over(self) -> ConnectError {
        let Self { left, under_way, mut lost } = self;
        let late = under_way.into_iter().map(|(address, _)| address).chain(left);
        lost.extend(late.map(|address| Unreached { address, error: no_answer() }));
        ConnectError::Unreached(lost)
    }
}

/// A socket, and whether it is connected already.
fn begin(address: SocketAddr) -> io::Result<(Socket, bool)> {
    check_zone(address)?;
    let socket = stream(address)?;
    prepare_connected(&socket)?;
    match socket.connect(&address.into()) {
        Ok(()) => Ok((socket, true)),
        Err(error) if is_under_way(&error) => Ok((socket, false)),
        Err(error) => Err(error),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::INTR))
}

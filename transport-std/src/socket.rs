//! Sockets as this transport wants them.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::wait::{Clock, Wake, wait};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a server's bytes may go unacknowledged before its peer counts as gone.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(5))
        .with_retries(3)
}

fn stream(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
}

/// A nonblocking listener. The address can be taken again at once after the last listener on it is gone.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = stream(address)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Makes an accepted socket ready to be driven.
pub(crate) fn prepare_accepted(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(&keepalive())?;
    // Only a server's: its client may have to wait longer than this while a busy storage takes nothing.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// A connected socket that is ready to be driven, or `None` if `wake` was raised before.
pub(crate) fn connect(
    address: SocketAddr,
    timeout: Duration,
    wake: Option<&Wake>,
) -> io::Result<Option<TcpStream>> {
    let socket = stream(address)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive())?;
    match socket.connect(&address.into()) {
        Ok(()) => return Ok(Some(socket.into())),
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    let clock = Clock::start();
    loop {
        if wake.is_some_and(Wake::is_raised) {
            return Ok(None);
        }
        let rest = clock.until(timeout);
        let mut fds = vec![PollFd::new(&socket, PollFlags::OUT)];
        fds.extend(wake.map(|wake| PollFd::new(wake, PollFlags::IN)));
        wait(&mut fds, Some(rest))?;
        if !fds[0].revents().is_empty() {
            return match socket.take_error()? {
                None => Ok(Some(socket.into())),
                Some(error) => Err(error),
            };
        }
        if rest.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
        }
    }
}

fn is_under_way(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::INTR))
}

/// The first success among `addresses`, or the last failure.
pub(crate) fn first<T>(
    addresses: impl Iterator<Item = SocketAddr>,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match attempt(address) {
            Ok(value) => return Ok(value),
            Err(error) => last = error,
        }
    }
    Err(last)
}

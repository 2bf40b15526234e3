//! TCP: the only stream that can be spliced, and the setup of its sockets.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, acceptfrom_with, recv,
    sendmsg,
};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};

use crate::stream::{Interest, Stream, StreamError};

/// The number of connections that the system queues until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a client's host may leave data or keepalives unanswered before a server gives the client up, while places
/// are scarce.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// A connected nonblocking TCP socket.
#[derive(Debug)]
pub struct TcpStream(Arc<OwnedFd>);

impl TcpStream {
    /// The stream of a nonblocking socket. The socket is closed when its last owner is dropped.
    pub(crate) fn new(socket: Arc<OwnedFd>) -> Self {
        Self(socket)
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Stream for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        outcome(retry_on_intr(|| rustix::io::read(&self.0, &mut *buffer)), Interest::Readable)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        outcome(retry_on_intr(|| send(&self.0, slices)), Interest::Writable)
    }

    fn close_write(&mut self) -> Result<(), StreamError> {
        outcome(shutdown(&self.0), Interest::Writable)
    }
}

fn outcome<T>(outcome: Result<T, Errno>, interest: Interest) -> Result<T, StreamError> {
    outcome.map_err(|errno| match errno {
        Errno::AGAIN => StreamError::WouldBlock(interest),
        errno => StreamError::Io(errno.into()),
    })
}

/// Writes some of `slices`, from the first on. Unlike `write_vectored` it never raises SIGPIPE, whatever the
/// application does with that signal.
pub(crate) fn send(socket: impl AsFd, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
    sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
}

/// The next byte to read, which stays unread; `None` if there will be none.
pub(crate) fn peek(socket: impl AsFd) -> Result<Option<u8>, StreamError> {
    let mut first = [0];
    let peeked = retry_on_intr(|| recv(&socket, &mut first, RecvFlags::PEEK));
    let (count, _) = outcome(peeked, Interest::Readable)?;
    Ok((count > 0).then_some(first[0]))
}

/// Closes the sending half.
pub(crate) fn shutdown(socket: impl AsFd) -> Result<(), Errno> {
    rustix::net::shutdown(socket, Shutdown::Write)
}

/// Accepts a connection from a nonblocking listener. The connection is nonblocking too.
pub(crate) fn accept(listener: impl AsFd) -> Result<(OwnedFd, Option<SocketAddr>), Errno> {
    const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
    let (socket, peer) = retry_on_intr(|| acceptfrom_with(&listener, FLAGS))?;
    Ok((socket, peer.and_then(|peer| peer.try_into().ok())))
}

/// Starts to connect. The socket becomes writable when the attempt has ended.
pub(crate) fn begin_to_connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = stream(address)?;
    prepare_connected(&socket)?;
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::INTR))
}

/// The result of an attempt to connect, once its socket is writable.
pub(crate) fn is_connected(socket: impl AsFd) -> io::Result<()> {
    SockRef::from(&socket).take_error()?.map_or(Ok(()), Err)
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(5))
        .with_retries(3)
}

/// A nonblocking socket that is not connected yet.
fn stream(address: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A nonblocking listener. The address can be used again at once after its last listener is closed. A listener for IPv6
/// also takes IPv4, unless it is `only_ipv6`.
pub(crate) fn listen(address: SocketAddr, only_ipv6: bool) -> io::Result<TcpListener> {
    let socket = stream(address)?;
    if only_ipv6 {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets up a client's socket.
fn prepare_connected(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    let socket = SockRef::from(&socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive())
}

/// Sets up a socket that a server accepted.
pub(crate) fn prepare_accepted(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    prepare_connected(socket)?;
    // Only for a server: its client may have to wait longer than this while a busy storage accepts nothing.
    set_user_timeout(socket, SILENCE)
}

/// Sets how long the peer's host may be silent before the system breaks the connection. The limit covers unacknowledged
/// data, a closed window and, instead of the number of probes, unanswered keepalives; Linux has one limit for all
/// three.
pub(crate) fn set_user_timeout(socket: impl AsFd, limit: Duration) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return SockRef::from(&socket).set_tcp_user_timeout(Some(limit));
    #[cfg(not(target_os = "linux"))]
    return Ok(drop((socket, limit)));
}

/// Whether accept failed for one connection only. Linux reports earlier errors of a connection when it is accepted.
pub(crate) fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
        )
    )
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::{SILENCE, SockRef, listen, prepare_accepted};
    use std::time::Duration;

    #[test]
    fn a_silent_peer_is_found_out() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), false).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        prepare_accepted(&client).unwrap();
        let client = SockRef::from(&client);
        assert!(client.tcp_nodelay().unwrap() && client.keepalive().unwrap());
        // A peer is given up after these three: within 60 seconds.
        let keepalive = client.tcp_keepalive_time().unwrap()
            + client.tcp_keepalive_interval().unwrap() * client.tcp_keepalive_retries().unwrap();
        assert!(keepalive <= Duration::from_mins(1), "{keepalive:?}");
        #[cfg(target_os = "linux")]
        assert_eq!(client.tcp_user_timeout().unwrap(), Some(SILENCE));
    }
}

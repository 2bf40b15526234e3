//! Sockets as all transports want them.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// How long the host of a server's peer may be silent, be it asked by data or by a keepalive, before its peer counts as gone; while places are scarce.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// A stream to the peer, as the loop uses it.
///
/// No call waits. What is pending tells the waker of `cx` when it is worth another try, unless the transport waits in some other way.
pub trait Socket: AsFd {
    /// Reads into what `space` lends; it is called only when there may be something. 0 bytes say that the peer will send no more.
    fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Writes a first part of `pieces`.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Closes the sending half.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A nonblocking one. It wakes nobody: its owner waits for it by other means.
impl Socket for TcpStream {
    fn poll_read<'a>(
        &mut self,
        _: &mut Context<'_>,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>> {
        receive(self, space)
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        unless_it_would_block(send(self, pieces))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self))
    }
}

/// Reads by `read` into what `space` lends, but has it lend nothing before there is something: many sessions wait, and each would hold its room meanwhile.
pub(crate) fn read_once_there_is_something<'a>(
    space: impl FnOnce() -> &'a mut [u8],
    mut read: impl FnMut(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let mut first = [0];
    let count = ready!(read(&mut first))?;
    if count == 0 {
        return Poll::Ready(Ok(0));
    }
    let [here, rest @ ..] = space() else {
        return Poll::Ready(Err(io::Error::other("there was no room to read into")));
    };
    [*here] = first;
    // An end or a failure is there at the next read, too.
    let more = match read(rest) {
        Poll::Ready(Ok(more)) => more,
        Poll::Ready(Err(_)) | Poll::Pending => 0,
    };
    Poll::Ready(Ok(1 + more))
}

/// Reads from a nonblocking socket; nobody is woken.
pub(crate) fn receive<'a>(
    socket: impl AsFd,
    space: impl FnOnce() -> &'a mut [u8],
) -> Poll<io::Result<usize>> {
    read_once_there_is_something(space, |room| {
        unless_it_would_block(rustix::io::read(&socket, room).map_err(io::Error::from))
    })
}

pub(crate) fn unless_it_would_block<T>(outcome: io::Result<T>) -> Poll<io::Result<T>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        outcome => Poll::Ready(outcome),
    }
}

/// Writes a first part of `pieces`. Unlike `write_vectored` this raises no SIGPIPE, whatever the application does with that signal.
pub fn send(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut control = SendAncillaryBuffer::default();
    Ok(sendmsg(socket, pieces, &mut control, SendFlags::NOSIGNAL)?)
}

/// Closes the sending half.
pub fn shutdown(socket: impl AsFd) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket, rustix::net::Shutdown::Write)?)
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(5))
        .with_retries(3)
}

/// A nonblocking socket that is not yet connected.
pub fn stream(address: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A nonblocking listener. The address can be taken again at once after the last listener on it is gone. One for IPv6 takes IPv4 as well, unless it shall be `only_ipv6`.
pub fn listen(address: SocketAddr, only_ipv6: bool) -> io::Result<TcpListener> {
    let socket = stream(address)?;
    if only_ipv6 {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets a client's socket up.
pub fn prepare_connected(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    let socket = SockRef::from(&socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive())
}

/// Sets a server's accepted socket up.
pub fn prepare_accepted(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    prepare_connected(socket)?;
    // Only a server's: its client may have to wait longer than this while a busy storage takes nothing.
    bear_silence_for(socket, SILENCE)
}

/// Says how long the peer's host may be silent before the system breaks the connection. That covers data that is not acknowledged, a window that stays shut, and, in place of the
/// number of probes, keepalives that are not answered; Linux has one limit for all three.
pub(crate) fn bear_silence_for(socket: impl AsFd, limit: Duration) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return SockRef::from(&socket).set_tcp_user_timeout(Some(limit));
    #[cfg(not(target_os = "linux"))]
    return Ok(drop((socket, limit)));
}

/// Whether accept failed for one connection only. Linux reports by accept what had happened to the connection before.
pub fn is_of_the_connection(error: &io::Error) -> bool {
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
    use std::io::Read;
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn no_room_is_lent_before_there_is_something() {
        let mut room = [0; 4];
        let nothing = |_: &mut [u8]| Poll::Pending;
        assert!(read_once_there_is_something(|| panic!("it was lent"), nothing).is_pending());
        let end = |_: &mut [u8]| Poll::Ready(Ok(0));
        let read = read_once_there_is_something(|| panic!("it was lent"), end);
        assert!(matches!(read, Poll::Ready(Ok(0))));
        let mut bytes = &b"abcdef"[..];
        let some = |room: &mut [u8]| Poll::Ready(bytes.read(room));
        assert!(matches!(read_once_there_is_something(|| &mut room, some), Poll::Ready(Ok(4))));
        assert_eq!((&room, bytes), (b"abcd", &b"ef"[..]));
        let mut reads = [Poll::Ready(Ok(1)), Poll::Pending].into_iter();
        let one = |_: &mut [u8]| reads.next().unwrap();
        assert!(matches!(read_once_there_is_something(|| &mut room, one), Poll::Ready(Ok(1))));
    }

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

//! Payload that goes between a socket and a file without the machine.

use std::io;
use std::os::fd::BorrowedFd;

/// Where bytes wait on their way between a socket and one open file. Any store can offer it, by
/// [`Source::pass_through`](crate::Source::pass_through) and [`Staged::pass_through`](crate::Staged::pass_through); a
/// local directory does it by a pipe of the kernel, so that its bytes are not copied through this process.
///
/// Bytes go one way only. Those of a source come in by [`Source::prepare_send`](crate::Source::prepare_send) and go out
/// by [`send`](Self::send). Those for a staged file come in by [`receive`](Self::receive) and go out by
/// [`Staged::write_received`](crate::Staged::write_received). Each time all that came in goes out before more comes in.
/// An implementation bounds what it takes: it may take less than it is offered.
///
/// No method waits for the peer. The socket is a connected stream socket in nonblocking mode.
pub trait PassThrough {
    /// Takes up to `length` bytes, at least 1, from `socket`, while it is empty. Returns the number of bytes, 0 at
    /// the end of the stream.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there to read; any other error of the socket or of the
    /// memory that holds the bytes. After an error nothing was taken. The caller reads from the socket then as if there
    /// were no pass-through.
    fn receive(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize>;

    /// Sends up to `length` of the bytes in it, at least 1, to `socket`. Returns the number of bytes, at least
    /// 1. It raises no `SIGPIPE`, or only one that the process ignores.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the socket takes nothing now; any other error of the socket. After
    /// an error nothing was sent.
    fn send(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize>;
}

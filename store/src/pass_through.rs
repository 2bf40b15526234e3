//! Payload that passes between a socket and a file without the machine.

use std::io;
use std::os::fd::BorrowedFd;

/// A buffer between a socket and one open file. Any store can offer one, by
/// [`Source::pass_through`](crate::Source::pass_through) and [`Staged::pass_through`](crate::Staged::pass_through). A
/// local directory uses a pipe of the kernel, so that this process does not copy the bytes.
///
/// Bytes go one way only. For a source, [`Source::prepare_send`](crate::Source::prepare_send) fills the buffer and
/// [`send`](Self::send) empties it. For a staged file, [`receive`](Self::receive) fills it and
/// [`Staged::write_received`](crate::Staged::write_received) empties it. The buffer is emptied before it is filled
/// again. An implementation limits its size: it may take less than it is offered.
///
/// No method waits for the peer. The socket is a connected stream socket in nonblocking mode.
pub trait PassThrough {
    /// Takes up to `length` bytes, at least 1, from `socket`, while the buffer is empty. Returns the number of bytes, 0
    /// at the end of the stream.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is nothing to read; any other error of the socket or of the
    /// buffer. After an error nothing was taken, and the caller reads from the socket as if there were no pass-through.
    fn receive(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize>;

    /// Sends up to `length` bytes of the buffer, at least 1, to `socket`. Returns the number of bytes, which is at
    /// least 1. It does not raise `SIGPIPE`, unless the process ignores that signal.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the socket takes nothing now; any other error of the socket. After
    /// an error nothing was sent.
    fn send(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize>;
}

//! What leads to the peer: a stream that reads and writes without waiting, and says what it waits for.
//!
//! A stream has no descriptor. What a runtime waits with is a registration of the socket beneath, which is kept
//! [beside](crate::Runtime::register) the stream, so that the stream can move to another thread and back. A layer such
//! as TLS is a [`Stream`] over a [`TcpStream`](crate::TcpStream).

use std::io::{self, IoSlice};

/// A stream to the peer. No call waits.
///
/// What a [`write`](Self::write) took may still be within the stream. Every later call sends it on first; a
/// [`read`](Self::read) that finds nothing then waits for [either](Interest::Either), and a
/// [`close_write`](Self::close_write) is done when all is out.
pub trait Stream: Send + 'static {
    /// Reads up to as many bytes as `buffer` has room for. 0 says that the peer will send no more.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError>;

    /// Writes a first part of `slices`, at least one byte if they have any.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError>;

    /// Closes the sending half, after all that was written is out.
    fn close_write(&mut self) -> Result<(), StreamError>;
}

/// Why a stream did nothing.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It is worth another try when the socket beneath is ready for this. A stream that has bytes of its own to give
    /// never answers with it.
    #[error("it would have to wait")]
    WouldBlock(Interest),
    /// The stream is broken in this direction.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What the socket beneath a stream is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Readable,
    /// Room to write.
    Writable,
    /// The one or the other.
    Either,
}

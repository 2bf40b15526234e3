//! The stream to the peer, which reads and writes without waiting and reports what it waits for.
//!
//! A stream has no descriptor. The runtime waits with a registration of the socket beneath it, which is kept
//! [beside](crate::Runtime::register) the stream, so that the stream can move to another thread and back. A layer such
//! as TLS is a [`Stream`] over a [`TcpStream`](crate::TcpStream).

use std::io::{self, IoSlice};

use haul_accounts::Fingerprint;

/// A stream to the peer. No method waits.
///
/// A stream may buffer what [`write`](Self::write) took. Every later call sends it first; a [`read`](Self::read) that
/// finds nothing then waits for [either](Interest::Either), and a [`close_write`](Self::close_write) succeeds once
/// everything is sent.
pub trait Stream: Send + 'static {
    /// Completes the handshake; call it again when the socket is ready. Nothing is read or written before. A stream
    /// without a handshake has completed it.
    ///
    /// # Errors
    /// Why there is no connection: an [`Io`](StreamError::Io) that contains a
    /// [`HandshakeError`](crate::HandshakeError) if the peer is to blame.
    fn handshake(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    /// What is known about the peer and the channel, once the handshake is complete.
    fn security(&self) -> Security {
        Security::default()
    }

    /// Reads at most as many bytes as `buffer` can take. Returns 0 if the peer will send no more. A stream whose peer
    /// has to say that, and did not, fails with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) once everything that
    /// came whole was read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError>;

    /// Writes some of `slices`, from the first on, at least one byte if they have any. Returns how many bytes no longer
    /// wait on this side of the socket, so that a peer that does not read is noticed.
    ///
    /// After [`WouldBlock`](StreamError::WouldBlock) the next write has the same bytes, perhaps with more behind them:
    /// the stream may have taken them already.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError>;

    /// Closes the sending half, after everything written was sent.
    fn close_write(&mut self) -> Result<(), StreamError>;
}

/// What a stream knows about the peer and the channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Security {
    /// Whether nobody between the two sides can read or change what is sent.
    pub encrypted: bool,
    /// The public key that the peer has proven to hold; `None` if it showed none.
    pub peer_key: Option<Fingerprint>,
}

/// Why a stream made no progress.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Try again when the socket beneath is ready for this. A stream with buffered input never returns it from a read.
    #[error("it would have to wait")]
    WouldBlock(Interest),
    /// The stream failed in this direction.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What to wait for on the socket beneath a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Readable,
    /// Space to write.
    Writable,
    /// Either of them.
    Either,
}

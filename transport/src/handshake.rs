//! The handshake of a stream, and why it fails.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Poll, ready};

use haul_accounts::Fingerprint;

use crate::layer::PeerStream;
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::StreamError;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The server is not known to be the right one. It has received nothing but the hello.
    #[error("{0}")]
    Untrusted(#[from] Untrusted),
    /// The peer speaks, but not TLS.
    #[error("it answers in plain text: this port does not speak TLS")]
    PlainText,
    /// The peer ended the handshake with this alert of TLS.
    #[error("it refused the handshake: {0}")]
    Refused(String),
    /// The peer broke the rules of TLS, or offered nothing that this side accepts.
    #[error("the handshake failed: {0}")]
    Failed(String),
    /// The peer did not complete the handshake in time.
    #[error("it did not complete the handshake in time")]
    TimedOut,
    /// The connection was lost.
    #[error("the connection was lost during the handshake: {0}")]
    Io(#[source] io::Error),
}

/// Why a server is not known to be the right one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// Its key is not the pinned one.
    #[error("its key is {shown}, but it must be {}", any_of(.pinned))]
    WrongKey {
        /// The keys that it may have.
        pinned: Vec<Fingerprint>,
        /// The key that it showed.
        shown: Fingerprint,
    },
    /// Nothing is known about its key. It has not proven that it holds it: a connection that pins it requires that.
    #[error("its key {shown} is not known")]
    UnknownKey {
        /// The key that it showed.
        shown: Fingerprint,
    },
    /// No authority has certified its key for its name, or not for today.
    #[error("its key {shown} is not certified: {reason}")]
    Uncertified {
        /// The key that it showed.
        shown: Fingerprint,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// It showed a certificate, but did not prove that it holds the key.
    #[error("it does not hold the key {shown} of the certificate that it shows")]
    Unproven {
        /// The key that it showed.
        shown: Fingerprint,
    },
}

fn any_of(fingerprints: &[Fingerprint]) -> String {
    fingerprints.iter().map(Fingerprint::to_string).collect::<Vec<_>>().join(" or ")
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Io(error) => error,
            error => Self::new(ErrorKind::InvalidData, error),
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Io)
    }
}

/// Completes the handshake of a stream over `socket`.
pub(crate) async fn shake_hands<R: Runtime>(
    socket: &mut Socket<R>,
    stream: &mut PeerStream,
) -> Result<(), HandshakeError> {
    poll_fn(|cx| {
        loop {
            match stream.handshake() {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(StreamError::WouldBlock(interest)) => ready!(socket.poll_ready(cx, interest))?,
                Err(StreamError::Io(error)) => return Poll::Ready(Err(error.into())),
            }
        }
    })
    .await
}

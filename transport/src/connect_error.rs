//! Why there is no connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use haul_core::client::Failure;

use crate::handshake::HandshakeError;

/// An address that could not be used, and the reason.
#[derive(Debug)]
pub struct Unreached {
    /// The address.
    pub address: SocketAddr,
    /// The reason.
    pub error: io::Error,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

impl std::error::Error for Unreached {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be resolved.
    #[error("its address cannot be found: {0}")]
    Unknown(#[source] io::Error),
    /// None of the addresses could be reached; each has its reason.
    #[error("{}", each(.0))]
    Unreached(Vec<Unreached>),
    /// This side cannot connect at all.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A connection was made, but the handshake of its layer failed. Nothing was sent over it.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// The peer answered, but without a greeting; or the application cancelled.
    #[error("{0}")]
    Failed(#[from] Failure),
}

/// A single address is not named, because the user named it.
fn each(unreached: &[Unreached]) -> String {
    match unreached {
        [Unreached { error, .. }] => error.to_string(),
        several => several.iter().map(Unreached::to_string).collect::<Vec<_>>().join("; "),
    }
}

//! Who is at the other end of a session.

use std::net::SocketAddr;

use crate::stream::Security;

/// Who is at the other end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of the client, or of what stands before it.
    pub address: SocketAddr,
    /// What is known about the client and the channel.
    pub security: Security,
}

//! The configuration of a client.

use crate::limits::{Limits, Timing};

/// The configuration of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientConfig {
    /// Limits on memory.
    pub limits: Limits,
    /// Limits on time.
    pub timing: Timing,
    /// Whether a downloaded file is fsynced before its request is finished.
    pub durable: bool,
    /// Whether the transport can carry out [`Output::Receive`](crate::Output::Receive).
    pub pass_through: bool,
    /// Whether the command of the first request may be sent before the server's greeting arrives (R-CONN-3), which
    /// saves a round trip. Whoever listens at the address then sees the command, even if it is not a server of this
    /// protocol. An upload waits for the greeting in any case.
    pub early: bool,
}

//! How a client behaves.

use crate::limits::{Limits, Timing};

/// How a client behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientConfig {
    /// Bounds on memory.
    pub limits: Limits,
    /// Bounds on time.
    pub timing: Timing,
    /// Whether a downloaded file is brought to stable storage before its request is finished.
    pub durable: bool,
    /// Whether the transport can carry out [`Output::Receive`](crate::Output::Receive).
    pub pass_through: bool,
    /// Whether the command of the first request may go out before the server's greeting has come (R-CONN-3), which saves a round
    /// trip. Whoever listens at the address then sees the command, also if it is no server of this protocol. An upload waits
    /// for the greeting in any case.
    pub early: bool,
}

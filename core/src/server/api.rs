//! How a server behaves, and what it tells of its sessions.

use alloc::string::String;
use core::time::Duration;

use crate::effect::RequestId;
use crate::error::StoreError;
use crate::limits::{Limits, Timing};
use crate::message::{Refusal, Summary};
use crate::verb::Command;

/// How a server behaves. The same for all its sessions, so it is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Bounds on memory.
    pub limits: Limits,
    /// Bounds on time.
    pub timing: Timing,
    /// The text of the greeting, at most 1024 bytes without control characters; what does not fit is left out.
    pub banner: String,
    /// Whether an upload is brought to stable storage before its `OK`.
    pub durable: bool,
    /// Whether the transport can carry out [`Output::Receive`](crate::Output::Receive).
    pub pass_through: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timing: Timing::default(),
            banner: String::from("Welcome"),
            durable: true,
            pass_through: false,
        }
    }
}

/// What a server tells of a session, for logs and audits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// A command got its final reply.
    Answered {
        /// The number of the command in its session, from 1.
        id: RequestId,
        /// The command, if it was one.
        command: Option<Command>,
        /// What the reply says.
        reply: Result<Summary, Refusal>,
        /// The store's own words for a failure, which the peer is not told.
        cause: Option<StoreError>,
        /// When its line was read, on the clock of [`poll`](crate::Machine::poll).
        began: Duration,
        /// When its reply was made, on the same clock.
        ended: Duration,
    },
    /// The session ends early; the refusal was sent if the connection allowed it.
    CutOff {
        /// The command that was under way, if any: the refusal is its final reply.
        command: Option<Command>,
        /// What was said.
        refusal: Refusal,
        /// When its line was read, on the same clock; without a command when what ended the session was met.
        began: Duration,
        /// When that was over, on the same clock.
        ended: Duration,
    },
    /// The peer went away, or took nothing for too long.
    Disconnected {
        /// The command that was under way, if any: it got no reply.
        command: Option<Command>,
        /// When its line was read, on the same clock; without a command when what ended the session was met.
        began: Duration,
        /// When that was over, on the same clock.
        ended: Duration,
    },
}

impl ServerEvent {
    /// It is told at `now`: what it tells of has just ended.
    pub(super) fn ended_at(mut self, now: Duration) -> Self {
        match &mut self {
            Self::Answered { ended, .. }
            | Self::CutOff { ended, .. }
            | Self::Disconnected { ended, .. } => *ended = now,
        }
        self
    }
}

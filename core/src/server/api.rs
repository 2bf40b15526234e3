//! The configuration of a server, and what it reports about its sessions.

use alloc::string::String;
use core::time::Duration;

use crate::effect::RequestId;
use crate::error::StoreError;
use crate::limits::{Limits, Timing};
use crate::message::{Refusal, Summary};
use crate::verb::Command;

/// The configuration of a server, shared by all its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Limits on memory.
    pub limits: Limits,
    /// Limits on time.
    pub timing: Timing,
    /// The text of the greeting, at most 1024 bytes without control characters; a longer text is cut.
    pub banner: String,
    /// Whether an upload or change is fsynced before its `OK`.
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

/// What a server reports about a session, for logs and audits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most events are answers")]
pub enum ServerEvent {
    /// A command got its final reply.
    Answered {
        /// The number of the command in its session, from 1.
        id: RequestId,
        /// The command; `None` if the line was not a valid one.
        command: Option<Command>,
        /// The reply.
        reply: Result<Summary, Refusal>,
        /// The store's error, which the peer does not get.
        cause: Option<StoreError>,
        /// When its line was read, on the clock of [`poll`](crate::Machine::poll).
        began: Duration,
        /// When its reply was queued, on the same clock.
        ended: Duration,
    },
    /// The session ends early; the refusal was sent if the connection allowed it.
    CutOff {
        /// The command that was under way, if any: the refusal is its final reply.
        command: Option<Command>,
        /// The refusal.
        refusal: Refusal,
        /// When its line was read, on the same clock; without a command, when the cause of the end was noticed.
        began: Duration,
        /// When it ended, on the same clock.
        ended: Duration,
    },
    /// The peer disconnected, or read nothing for too long.
    Disconnected {
        /// The command that was under way, if any: it got no reply.
        command: Option<Command>,
        /// When its line was read, on the same clock; without a command, when the cause of the end was noticed.
        began: Duration,
        /// When it ended, on the same clock.
        ended: Duration,
    },
}

impl ServerEvent {
    /// Sets the end to `now`, because the event is reported at once.
    pub(super) fn ended_at(mut self, now: Duration) -> Self {
        match &mut self {
            Self::Answered { ended, .. }
            | Self::CutOff { ended, .. }
            | Self::Disconnected { ended, .. } => *ended = now,
        }
        self
    }
}

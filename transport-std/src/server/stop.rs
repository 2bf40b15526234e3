//! How a server stops.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use crate::wait::{Clock, Wake};

/// Whether and how a server stops; its sessions look at it before each step.
#[derive(Debug)]
pub(super) struct Stop {
    /// Of all sessions.
    pub(super) clock: Clock,
    /// Raised when the drain begins.
    pub(super) drain: Wake,
    /// Raised when all sessions are to end at once.
    pub(super) force: Wake,
    grace: Duration,
    drain_by: OnceLock<Duration>,
}

impl Stop {
    pub(super) fn new(grace: Duration) -> io::Result<Self> {
        Ok(Self {
            clock: Clock::start(),
            drain: Wake::new()?,
            force: Wake::new()?,
            grace,
            drain_by: OnceLock::new(),
        })
    }

    /// Begins the drain, once.
    pub(super) fn drain(&self) {
        self.drain_by.get_or_init(|| self.clock.now().saturating_add(self.grace));
        self.drain.raise();
    }

    /// When what still runs is cut off; `None` while the server is not stopping.
    pub(super) fn drain_by(&self) -> Option<Duration> {
        self.drain_by.get().copied()
    }
}

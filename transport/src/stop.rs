//! How a server stops.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::{Clock, Wake};

/// Whether and how a server stops; its sessions look at it before each step.
#[derive(Debug)]
pub struct Stop<W> {
    /// Of all sessions.
    pub clock: Clock,
    /// Raised when the drain begins.
    pub drain: W,
    /// Raised when all sessions are to end at once.
    pub force: W,
    grace: Duration,
    drain_by: OnceLock<Duration>,
}

impl<W: Wake> Stop<W> {
    /// A server that lets running commands go on for `grace`.
    pub fn new(grace: Duration) -> io::Result<Self> {
        Ok(Self {
            clock: Clock::start(),
            drain: W::new()?,
            force: W::new()?,
            grace,
            drain_by: OnceLock::new(),
        })
    }

    /// When what still runs is cut off; `None` while the server is not stopping.
    pub fn drain_by(&self) -> Option<Duration> {
        self.drain_by.get().copied()
    }

    fn begin_drain(&self) {
        self.drain_by.get_or_init(|| self.clock.now().saturating_add(self.grace));
        self.drain.raise();
    }
}

/// Stops a server. Clones stop the same one.
pub struct ServerHandle<W>(Arc<Stop<W>>);

impl<W: Wake> ServerHandle<W> {
    /// What stops the server of `stop`.
    pub fn new(stop: &Arc<Stop<W>>) -> Self {
        Self(Arc::clone(stop))
    }

    /// Begins the drain: the port is closed at once; each session finishes the command under way, for no longer than the grace, and then
    /// says `shutting-down`.
    pub fn shutdown(&self) {
        self.0.begin_drain();
    }

    /// Ends all sessions at once, whatever they are doing. What was not published is discarded; only file work that has begun is waited for.
    pub fn force(&self) {
        // In this order, so that no session takes it for a mere drain.
        self.0.force.raise();
        self.0.begin_drain();
    }
}

impl<W> Clone for ServerHandle<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for ServerHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}

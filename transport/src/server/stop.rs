//! Stops a server.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock::Clock;
use crate::event::Event;

/// How long file work may continue after all sessions should have ended.
const FILE_WORK_LIMIT: Duration = Duration::from_secs(5);
/// How long a session may take to end after the grace period.
const LINGER_LIMIT: Duration = Duration::from_secs(5);

/// Whether and how a server stops. Its sessions check it before each step.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The clock of all sessions.
    pub(crate) clock: Clock,
    /// Raised when the drain starts.
    pub(crate) drain: Event,
    /// Raised when all sessions must end at once.
    pub(crate) force: Event,
    grace: Duration,
    drain_by: OnceLock<Duration>,
    forced: OnceLock<Duration>,
}

impl Stop {
    /// A server whose running commands may continue for `grace`.
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            clock: Clock::start(),
            drain: Event::default(),
            force: Event::default(),
            grace,
            drain_by: OnceLock::new(),
            forced: OnceLock::new(),
        }
    }

    /// How long to wait for sessions to end; `None` while there is no limit. A session that exceeds it hangs in its
    /// storage, and is abandoned.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let cut_off = self.drain_by().map(|by| by.saturating_add(LINGER_LIMIT));
        let moment = self.forced.get().copied().into_iter().chain(cut_off).min()?;
        Some(self.clock.until(moment.saturating_add(FILE_WORK_LIMIT)))
    }

    /// When running sessions are disconnected; `None` while the server is not stopping.
    pub(crate) fn drain_by(&self) -> Option<Duration> {
        self.drain_by.get().copied()
    }

    fn begin_drain(&self) {
        self.drain_by.get_or_init(|| self.clock.now().saturating_add(self.grace));
        self.drain.raise();
    }
}

/// Stops a server. Clones stop the same one.
pub struct ServerHandle(Arc<Stop>);

impl ServerHandle {
    /// A handle of the server of `stop`.
    pub(crate) fn new(stop: &Arc<Stop>) -> Self {
        Self(Arc::clone(stop))
    }

    /// Starts the drain: the port is closed at once. Each session completes the running command, for at most the grace
    /// period, and then sends `shutting-down`.
    pub fn shutdown(&self) {
        self.0.begin_drain();
    }

    /// Ends all sessions at once, whatever they are doing. Unpublished files are discarded. It waits only for running
    /// file work, for at most five seconds: a hanging storage keeps its thread, and its staged files are swept at the
    /// next start.
    pub fn force(&self) {
        self.0.forced.get_or_init(|| self.0.clock.now());
        // In this order, so that no session takes it for a drain.
        self.0.force.raise();
        self.0.begin_drain();
    }
}

impl Clone for ServerHandle {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}

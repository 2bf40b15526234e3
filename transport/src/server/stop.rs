//! How a server stops.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock::Clock;
use crate::event::Event;

/// How long file work may go on once all sessions are to end.
const FILE_WORK_LIMIT: Duration = Duration::from_secs(5);
/// How long a session may take to end once the grace is over.
const LINGER_LIMIT: Duration = Duration::from_secs(5);

/// Whether and how a server stops; its sessions look at it before each step.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Of all sessions.
    pub(crate) clock: Clock,
    /// Raised when the drain begins.
    pub(crate) drain: Event,
    /// Raised when all sessions are to end at once.
    pub(crate) force: Event,
    grace: Duration,
    drain_by: OnceLock<Duration>,
    forced: OnceLock<Duration>,
}

impl Stop {
    /// A server that lets running commands go on for `grace`.
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

    /// How long to wait still for sessions to end, `None` while there is no bound. What goes on beyond it hangs in its
    /// storage, and is left behind.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let cut_off = self.drain_by().map(|by| by.saturating_add(LINGER_LIMIT));
        let moment = self.forced.get().copied().into_iter().chain(cut_off).min()?;
        Some(self.clock.until(moment.saturating_add(FILE_WORK_LIMIT)))
    }

    /// When what still runs is cut off; `None` while the server is not stopping.
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
    /// What stops the server of `stop`.
    pub(crate) fn new(stop: &Arc<Stop>) -> Self {
        Self(Arc::clone(stop))
    }

    /// Begins the drain: the port is closed at once; each session finishes the command under way, for no longer than
    /// the grace, and then says `shutting-down`.
    pub fn shutdown(&self) {
        self.0.begin_drain();
    }

    /// Ends all sessions at once, whatever they are doing. What was not published is discarded; only file work that has
    /// begun is waited for, and no longer than five seconds: a storage that hangs keeps its thread, and whatever it had
    /// staged is swept at the next start.
    pub fn force(&self) {
        self.0.forced.get_or_init(|| self.0.clock.now());
        // In this order, so that no session takes it for a mere drain.
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

//! Time spent waiting for the peer.

use core::time::Duration;

/// What a machine waits for, and for how long it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For ever: nothing is owed.
    Endless,
    /// For one thing to happen.
    Fixed { what: What, limit: Duration },
    /// For bytes to flow: so many in each window. The first window is twice as long, so that a slow start, or a person at a keyboard, is not cut off.
    Flow { window: Duration, min_bytes: u64 },
}

/// Tells fixed waits apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Idle,
    Line,
    Reply,
    Linger,
}

/// A clock that runs only while the peer is waited for.
#[derive(Debug)]
pub(crate) struct Timer {
    now: Duration,
    waited: Duration,
    waiting: bool,
    patience: Patience,
    ends: Duration,
    bytes: u64,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self {
            now: Duration::ZERO,
            waited: Duration::ZERO,
            waiting: false,
            patience: Patience::Endless,
            ends: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Moves on to `now`.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.waiting {
            self.waited += now.saturating_sub(self.now);
        }
        self.now = self.now.max(now);
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Says whether the time from now on is the peer's, and what it has it for.
    pub(crate) fn wait(&mut self, waiting: bool, patience: Patience) {
        self.waiting = waiting;
        if waiting && patience != self.patience {
            self.begin(patience);
        }
    }

    /// Begins the wait anew: what was waited for has come.
    pub(crate) fn restart(&mut self) {
        self.begin(self.patience);
    }

    fn begin(&mut self, patience: Patience) {
        self.patience = patience;
        self.bytes = 0;
        self.ends = match patience {
            Patience::Endless => Duration::MAX,
            Patience::Fixed { limit, .. } => self.waited.saturating_add(limit),
            Patience::Flow { window, .. } => self.waited.saturating_add(window.saturating_mul(2)),
        };
    }

    /// `count` bytes passed.
    pub(crate) fn flowed(&mut self, count: u64) {
        self.bytes = self.bytes.saturating_add(count);
    }

    /// Whether the peer's time is up.
    pub(crate) fn expired(&mut self) -> bool {
        if !self.waiting || self.waited < self.ends {
            return false;
        }
        match self.patience {
            Patience::Endless => false,
            Patience::Fixed { .. } => true,
            Patience::Flow { window, min_bytes } => {
                let too_slow = self.bytes < min_bytes;
                self.bytes = 0;
                self.ends = self.waited.saturating_add(window);
                too_slow
            }
        }
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if !self.waiting || self.ends == Duration::MAX {
            return None;
        }
        Some(self.now.saturating_add(self.ends.saturating_sub(self.waited)))
    }
}

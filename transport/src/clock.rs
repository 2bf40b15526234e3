//! The clock of the machines.

use std::time::{Duration, Instant};

/// The time since a fixed moment. It never goes back, even if the wall clock does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts a clock.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The time from now until `moment`; zero if it has passed.
    pub(crate) fn until(self, moment: Duration) -> Duration {
        moment.saturating_sub(self.now())
    }
}

//! The clock that machines are polled by.

use std::time::{Duration, Instant};

/// The time since a moment of its own; it never goes back, whatever happens to the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since it began.
    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The time from now until `moment`; nothing if it has passed.
    pub(crate) fn until(self, moment: Duration) -> Duration {
        moment.saturating_sub(self.now())
    }
}

//! Pauses after failed accepts.

use std::time::Duration;

/// The pause after a failed accept: without descriptors or memory the next one would fail too.
const PAUSE: Duration = Duration::from_millis(100);

/// Decides how long to accept nothing after a failure.
///
/// A closed connection frees resources for another one, which is accepted at once. If that fails too, another resource
/// is missing, and there is no further early attempt, so that there are no more failures than pauses.
#[derive(Debug, Default)]
pub(crate) struct AcceptBackoff(Option<Paused>);

#[derive(Debug)]
struct Paused {
    until: Duration,
    /// With this many open connections there is no room for one more.
    full: usize,
}

impl AcceptBackoff {
    /// Records that an accept failed with `open` connections. Returns whether the one before succeeded.
    pub(crate) fn failed(&mut self, now: Duration, open: usize) -> bool {
        let first = self.0.is_none();
        self.0 = Some(match self.0.take() {
            Some(Paused { until, .. }) if now < until => Paused { until: until + PAUSE, full: 0 },
            _ => Paused { until: now + PAUSE, full: open },
        });
        first
    }

    /// Records that an accept succeeded. Returns whether this ends a pause.
    pub(crate) fn succeeded(&mut self, now: Duration) -> bool {
        self.0.take_if(|paused| paused.until <= now).is_some()
    }

    /// How long to wait, with `open` connections; `None` if an attempt is worth it.
    pub(crate) fn left(&self, now: Duration, open: usize) -> Option<Duration> {
        let Paused { until, full } = self.0.as_ref()?;
        let left = until.checked_sub(now).filter(|left| !left.is_zero())?;
        (open >= *full).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn room_for_one_more_ends_the_pause() {
        let mut backoff = AcceptBackoff::default();
        assert_eq!(backoff.left(TICK, 7), None);
        assert!(backoff.failed(TICK, 7));
        assert_eq!(backoff.left(2 * TICK, 7), Some(99 * TICK));
        assert_eq!(backoff.left(2 * TICK, 6), None);
        assert!(!backoff.succeeded(2 * TICK), "that it goes well is seen after the pause");
        assert_eq!(backoff.left(2 * TICK, 7), Some(99 * TICK));
        assert_eq!(backoff.left(101 * TICK, 7), None);
        assert!(backoff.succeeded(101 * TICK));
        assert!(!backoff.succeeded(101 * TICK));
    }

    #[test]
    fn there_are_no_more_failures_than_pauses() {
        let mut backoff = AcceptBackoff::default();
        let mut failures = 0;
        // A client leaves before each attempt, and none succeeds.
        for tick in 0..10_000 {
            let now = TICK * tick;
            if backoff.left(now, 0).is_none() {
                backoff.failed(now, 1);
                failures += 1;
            }
        }
        assert!((99..=101).contains(&failures), "{failures} in 10 s");
    }
}

//! When accepting one more connection is worth a try.

use std::time::Duration;

/// The pause after a failed accept: without descriptors or memory the next one would fail too.
const PAUSE: Duration = Duration::from_millis(100);

/// How long nothing is accepted after it failed.
///
/// A connection that is closed makes room for another one, which is taken in at once. Only if that fails as well there
/// was another want, and nothing more is tried early, so that there are no more failures than pauses.
#[derive(Debug, Default)]
pub(crate) struct AcceptBackoff(Option<Paused>);

#[derive(Debug)]
struct Paused {
    until: Duration,
    /// With so many connections open there is no room for one more.
    full: usize,
}

impl AcceptBackoff {
    /// Accepting failed with so many connections open. Whether it had gone well before.
    pub(crate) fn failed(&mut self, now: Duration, open: usize) -> bool {
        let first = self.0.is_none();
        self.0 = Some(match self.0.take() {
            Some(Paused { until, .. }) if now < until => Paused { until: until + PAUSE, full: 0 },
            _ => Paused { until: now + PAUSE, full: open },
        });
        first
    }

    /// Accepting went well. Whether it goes well again.
    pub(crate) fn succeeded(&mut self, now: Duration) -> bool {
        self.0.take_if(|paused| paused.until <= now).is_some()
    }

    /// How long to wait, with so many connections open; `None` if accepting is worth a try.
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
        // Somebody leaves before each try, and none goes well.
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

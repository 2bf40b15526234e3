//! Which connections are open, and when accepting one more is worth a try.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::Wake;

/// The pause after a failed accept: without descriptors or memory the next one would fail too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections are open, those that are refused among them.
#[derive(Debug)]
pub struct Open<W> {
    count: AtomicUsize,
    /// Raised when one was closed.
    closed: W,
}

impl<W: Wake> Open<W> {
    /// None is.
    pub fn new() -> io::Result<Self> {
        Ok(Self { count: AtomicUsize::new(0), closed: W::new()? })
    }

    /// Counts a connection until what is returned is dropped, which is to be done when its socket is closed.
    pub fn count(self: &Arc<Self>) -> Counted<W> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(self))
    }

    /// How many there are, and what is raised as soon as there are fewer. It may be raised too early, so ask again.
    pub fn look(&self) -> (usize, &W) {
        // Before the look, so that whoever leaves after it is noticed.
        self.closed.lower();
        (self.count.load(Ordering::SeqCst), &self.closed)
    }

    /// What to wait for until none is open; `None` if none is. It may end too early, so ask again.
    pub fn until_none(&self) -> Option<&W> {
        let (count, closed) = self.look();
        (count > 0).then_some(closed)
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub struct Counted<W: Wake>(Arc<Open<W>>);

impl<W: Wake> Drop for Counted<W> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.closed.raise();
    }
}

/// How long nothing is accepted after it failed.
///
/// A connection that is closed makes room for another one, which is taken in at once. Only if that fails as well there was another want, and
/// nothing more is tried early, so that there are no more failures than pauses.
#[derive(Debug, Default)]
pub struct Pause(Option<Paused>);

#[derive(Debug)]
struct Paused {
    until: Duration,
    /// With so many connections open there is no room for one more.
    full: usize,
}

impl Pause {
    /// Accepting failed with so many connections open. Whether it had gone well before.
    pub fn failed(&mut self, now: Duration, open: usize) -> bool {
        let first = self.0.is_none();
        self.0 = Some(match self.0.take() {
            Some(Paused { until, .. }) if now < until => {
                Paused { until: until + ACCEPT_PAUSE, full: 0 }
            }
            _ => Paused { until: now + ACCEPT_PAUSE, full: open },
        });
        first
    }

    /// Accepting went well. Whether it goes well again.
    pub fn succeeded(&mut self, now: Duration) -> bool {
        self.0.take_if(|paused| paused.until <= now).is_some()
    }

    /// How long to wait, with so many connections open; `None` if accepting is worth a try.
    pub fn left(&self, now: Duration, open: usize) -> Option<Duration> {
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
        let mut pause = Pause::default();
        assert_eq!(pause.left(TICK, 7), None);
        assert!(pause.failed(TICK, 7));
        assert_eq!(pause.left(2 * TICK, 7), Some(99 * TICK));
        assert_eq!(pause.left(2 * TICK, 6), None);
        assert!(!pause.succeeded(2 * TICK), "that it goes well is seen after the pause");
        assert_eq!(pause.left(2 * TICK, 7), Some(99 * TICK));
        assert_eq!(pause.left(101 * TICK, 7), None);
        assert!(pause.succeeded(101 * TICK));
        assert!(!pause.succeeded(101 * TICK));
    }

    #[test]
    fn there_are_no_more_failures_than_pauses() {
        let mut pause = Pause::default();
        let mut failures = 0;
        // Somebody leaves before each try, and none goes well.
        for tick in 0..10_000 {
            let now = TICK * tick;
            if pause.left(now, 0).is_none() {
                pause.failed(now, 1);
                failures += 1;
            }
        }
        assert!((99..=101).contains(&failures), "{failures} in 10 s");
    }
}

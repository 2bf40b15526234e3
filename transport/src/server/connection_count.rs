//! How many connections are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event::Event;

/// How many connections are open, those that are refused among them.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCount {
    count: AtomicUsize,
    /// Raised when one was closed.
    closed: Event,
}

impl ConnectionCount {
    /// Counts a connection until what is returned is dropped, which is to be done when its socket is closed.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        self.count.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(self))
    }

    /// How many there are, and what is raised as soon as there are fewer. It may be raised too early, so ask again.
    pub(crate) fn get(&self) -> (usize, &Event) {
        // Before the look, so that whoever leaves after it is noticed.
        self.closed.lower();
        (self.count.load(Ordering::SeqCst), &self.closed)
    }

    /// What to wait for until none is open; `None` if none is. It may end too early, so ask again.
    pub(crate) fn until_none(&self) -> Option<&Event> {
        let (count, closed) = self.get();
        (count > 0).then_some(closed)
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct Counted(Arc<ConnectionCount>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.closed.raise();
    }
}

//! Counts the open connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event::Event;

/// The number of open connections, including those that are being refused.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCount {
    count: AtomicUsize,
    /// Raised when a connection was closed.
    closed: Event,
}

impl ConnectionCount {
    /// Counts a connection until the result is dropped. Drop it after closing the socket.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        self.count.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(self))
    }

    /// The number of connections, and the event that is raised when one is closed. It may be raised too early, so check
    /// again.
    pub(crate) fn get(&self) -> (usize, &Event) {
        // Lower it before reading the count, so that a connection that closes afterwards is noticed.
        self.closed.lower();
        (self.count.load(Ordering::SeqCst), &self.closed)
    }

    /// The event to wait for until none is open; `None` if none is. It may be raised too early, so check again.
    pub(crate) fn until_none(&self) -> Option<&Event> {
        let (count, closed) = self.get();
        (count > 0).then_some(closed)
    }
}

/// A counted connection.
#[derive(Debug)]
pub(crate) struct Counted(Arc<ConnectionCount>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.closed.raise();
    }
}

//! Cancels requests of a client from elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use haul_core::client::Failure;

use crate::event::Event;

/// Cancels what clients are doing, from another thread or from a [signal](crate::cancel_on_signals).
///
/// A cancelled request ends with [`Failure::Cancelled`], unless it was complete before it could be cancelled. Then the
/// next request is cancelled instead, so that a cancel is never lost between two requests. Clones refer to the same
/// cancel. All busy clients that share it are cancelled.
#[derive(Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    wake: Event,
    /// The number of clients with a request.
    busy: AtomicUsize,
    /// The cancel has ended a request, and is reset once no client is busy.
    settled: AtomicBool,
}

/// A request runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Cancel);

impl Drop for Busy {
    fn drop(&mut self) {
        let shared = &self.0.0;
        if shared.busy.fetch_sub(1, Ordering::SeqCst) == 1
            && shared.settled.swap(false, Ordering::SeqCst)
        {
            self.0.reset();
        }
    }
}

impl Cancel {
    /// A cancel that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the requests under way or, if there is none, the next one.
    pub fn cancel(&self) {
        self.0.wake.raise();
    }

    /// Resets a cancel that has not ended a request.
    pub fn reset(&self) {
        self.0.wake.lower();
    }

    /// Whether no request runs.
    pub fn is_idle(&self) -> bool {
        self.0.busy.load(Ordering::SeqCst) == 0
    }

    /// Whether there is a cancel that has not ended a request yet.
    pub fn is_raised(&self) -> bool {
        self.0.wake.is_raised()
    }

    /// Marks a request as running.
    pub(crate) fn busy(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }

    /// The event that ends the waits of a request.
    pub(crate) fn wake(&self) -> &Event {
        &self.0.wake
    }
}

/// Resets a cancel that has ended a request, as `failure` shows, as soon as no client is busy.
pub(crate) fn settle(cancel: Option<&Cancel>, failure: &Failure) {
    if let (Some(cancel), Failure::Cancelled) = (cancel, failure) {
        cancel.0.settled.store(true, Ordering::SeqCst);
    }
}

impl Clone for Cancel {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("busy", &self.0.busy).finish_non_exhaustive()
    }
}

//! Cancelling a client's request from outside.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haul_core::client::Failure;

use crate::Wake;

/// Cancels what a client is doing, from another thread or from a [signal](crate::cancel_on_signals).
///
/// A cancelled request ends with [`Failure::Cancelled`], unless it was done before it could be cancelled; then
/// the client's next request is the one that is cancelled, so that a cancel is never lost between two requests. Clones are handles of the same cancel, which belongs to one client.
pub struct Cancel<W> {
    wake: Arc<W>,
    /// No request runs.
    idle: Arc<AtomicBool>,
}

/// A request runs, until this is dropped.
#[derive(Debug)]
pub struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<W: Wake> Cancel<W> {
    /// A cancel for one client. It needs two file descriptors where sockets are blocking.
    pub fn new() -> io::Result<Self> {
        Ok(Self { wake: Arc::new(W::new()?), idle: Arc::new(AtomicBool::new(true)) })
    }

    /// Cancels the request under way or, if there is none, the next one.
    pub fn cancel(&self) {
        self.wake.raise();
    }

    /// Takes back a cancel that has not ended a request.
    pub fn reset(&self) {
        self.wake.lower();
    }

    /// Whether no request runs.
    pub fn is_idle(&self) -> bool {
        self.idle.load(Ordering::SeqCst)
    }

    /// Whether there is a cancel that has not yet ended a request.
    pub fn is_raised(&self) -> bool {
        self.wake.is_raised()
    }

    /// A request runs from now on.
    pub fn busy(&self) -> Busy {
        self.idle.store(false, Ordering::SeqCst);
        Busy(Arc::clone(&self.idle))
    }

    /// What ends a request's waits.
    pub fn wake(&self) -> &W {
        &self.wake
    }
}

/// Takes back a cancel that has done its work, since `failure` is what it was for.
pub fn settle<W: Wake>(cancel: Option<&Cancel<W>>, failure: &Failure) {
    if let (Some(cancel), Failure::Cancelled) = (cancel, failure) {
        cancel.reset();
    }
}

impl<W> Clone for Cancel<W> {
    fn clone(&self) -> Self {
        Self { wake: Arc::clone(&self.wake), idle: Arc::clone(&self.idle) }
    }
}

impl<W> fmt::Debug for Cancel<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("idle", &self.idle).finish_non_exhaustive()
    }
}

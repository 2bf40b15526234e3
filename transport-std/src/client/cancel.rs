//! Cancelling a client's request from outside.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::wait::Wake;

/// The exit code of a program that was interrupted by SIGINT, as shells give it.
const INTERRUPTED: i32 = 130;

/// Cancels what a [`Client`](crate::Client) is doing, from another thread or from a signal.
///
/// A cancelled request ends with [`Failure::Cancelled`](haul_core::client::Failure::Cancelled), unless it was done before it could be cancelled; then
/// the client's next request is the one that is cancelled, so that a cancel is never lost between two requests. Clones are handles of the same cancel, which belongs to one client.
#[derive(Debug, Clone)]
pub struct Cancel {
    wake: Arc<Wake>,
    /// No request runs.
    idle: Arc<AtomicBool>,
}

/// A request runs, until this is dropped.
pub(super) struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Cancel {
    /// A cancel for one client. It needs two file descriptors.
    pub fn new() -> io::Result<Self> {
        let wake = Arc::new(Wake::new()?);
        Ok(Self { wake, idle: Arc::new(AtomicBool::new(true)) })
    }

    /// Cancels the request under way or, if there is none, the next one.
    pub fn cancel(&self) {
        self.wake.raise();
    }

    /// Takes back a cancel that has not ended a request.
    pub fn reset(&self) {
        self.wake.lower();
    }

    /// Lets SIGINT and SIGTERM cancel the request that runs, for as long as the process lives. If none runs, or the one that does was cancelled already, they
    /// end the process with code 130.
    pub fn on_signals(&self) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            let idle = Arc::clone(&self.idle);
            signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, idle)?;
            self.wake.raise_on(signal, INTERRUPTED)?;
        }
        Ok(())
    }

    /// A request runs from now on.
    pub(super) fn busy(&self) -> Busy {
        self.idle.store(false, Ordering::SeqCst);
        Busy(Arc::clone(&self.idle))
    }

    pub(super) fn wake(&self) -> &Wake {
        &self.wake
    }
}

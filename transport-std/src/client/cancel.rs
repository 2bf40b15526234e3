//! Cancelling a client's request from outside.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::wait::Wake;

/// The exit code of a program that was interrupted by SIGINT, as shells give it.
const INTERRUPTED: i32 = 130;

/// Cancels what a [`Client`](crate::Client) is doing, from another thread or from a signal.
///
/// A cancelled request ends with [`Failure::Cancelled`](haul_core::client::Failure::Cancelled), unless it was done before it could be cancelled; then
/// the client's next request is the one that is cancelled, so that a cancel is never lost between two requests. Clones are handles of the same cancel, which belongs to one client.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<Wake>);

impl Cancel {
    /// A cancel for one client. It needs two file descriptors.
    pub fn new() -> io::Result<Self> {
        Wake::new().map(|wake| Self(Arc::new(wake)))
    }

    /// Cancels the request under way or, if there is none, the next one.
    pub fn cancel(&self) {
        self.0.raise();
    }

    /// Takes back a cancel that has not ended a request.
    pub fn reset(&self) {
        self.0.lower();
    }

    /// Lets SIGINT and SIGTERM cancel, for as long as the process lives. A signal that comes while a cancel has not yet ended a request
    /// ends the process with code 130.
    pub fn on_signals(&self) -> io::Result<()> {
        self.0.raise_on(SIGINT, INTERRUPTED)?;
        self.0.raise_on(SIGTERM, INTERRUPTED)
    }

    pub(super) fn wake(&self) -> &Wake {
        &self.0
    }
}

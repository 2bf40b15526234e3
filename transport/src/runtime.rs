//! The runtime of a server or client.
//!
//! A [`Runtime`] knows how to wait for a socket, to sleep, to spawn, and where work may block. A session is one task.
//! Where tasks may block, such as on threads of their own, they do file work themselves. Otherwise the runtime runs
//! file work where it may block, and everything that follows as long as the peer keeps up: machine, files and stream
//! move there and back, and the registration of the socket stays.
//!
//! # Dropped futures
//! All running work belongs to the connection and not to the future that drives it. Dropping the future of a client's
//! call cancels the call: its staged file is removed at once, no byte of the connection is lost, and the next call
//! first ends this one. Dropping the future of [`Server::run`](crate::Server::run) ends all sessions, as
//! [`ServerHandle::force`](crate::ServerHandle::force) does.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::event::{Event, Listener};
use crate::stream::Interest;

/// A runtime. Each call is made on one of its threads, if it has any.
pub trait Runtime: Sized + 'static {
    /// Whether tasks may block, so that they can do file work.
    const TASKS_MAY_BLOCK: bool = false;

    /// A registered socket.
    type Readiness: Readiness;

    /// Registers a nonblocking socket, until the result is dropped.
    ///
    /// # Errors
    /// If the system lacks a resource for it.
    fn register(socket: Arc<OwnedFd>) -> io::Result<Self::Readiness>;

    /// Starts the task that `task` creates from `input`. It runs to its end even if nobody waits for it.
    ///
    /// # Errors
    /// If it cannot be started; the error then contains the input.
    fn spawn<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        input: T,
        task: impl FnOnce(T) -> F + Send + 'static,
    ) -> Result<(), (io::Error, T)>;

    /// Runs work where it may block. It runs to its end even if the future is dropped, or not at all.
    ///
    /// # Errors
    /// If the runtime is ending, or lacks a resource for it.
    fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send + 'static;

    /// Waits. A duration that the runtime cannot represent never ends.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Whether `event` is raised; if not, the task is woken when it is. A runtime that waits with poll(2) waits for the
    /// [descriptor](Event::descriptor) of the event instead.
    fn poll_raised(cx: &mut Context<'_>, event: &Event, listener: &mut Listener) -> Poll<()> {
        event.poll_raised(cx, listener)
    }
}

/// A socket that is registered with a runtime.
pub trait Readiness: Send + Sync + 'static {
    /// Whether the socket is ready; if not, the waker of `cx` is woken when it may be. It may occasionally return too
    /// early, but not repeatedly.
    fn poll_ready(&mut self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>>;
}

/// Waits until `event` is raised.
pub(crate) async fn raised<R: Runtime>(event: &Event) {
    let mut listener = Listener::default();
    poll_fn(|cx| R::poll_raised(cx, event, &mut listener)).await;
}

/// The flags for poll(2). It reports a failed socket in any case.
pub fn poll_flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Readable => PollFlags::IN,
        Interest::Writable => PollFlags::OUT,
        Interest::Either => PollFlags::IN | PollFlags::OUT,
    }
}

/// Whether a socket is ready at this moment, for runtimes that cache its readiness.
pub fn is_ready(socket: &OwnedFd, interest: Interest) -> bool {
    let mut fds = [PollFd::new(socket, poll_flags(interest))];
    // If the call fails, the caller tries the operation.
    poll(&mut fds, Some(&Timespec::default())).map_or(true, |count| count > 0)
}

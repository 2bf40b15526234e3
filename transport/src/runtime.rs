//! What server and client need of a runtime.
//!
//! A [`Runtime`] says how to wait for a socket, to sleep, to spawn, and where work may block. A session is one task.
//! Where tasks may block, as on threads of their own, file work is done right there; elsewhere it runs where the
//! runtime lets it block, and so does whatever follows it as long as the peer keeps up: machine, files and stream move
//! there and back, while the registration of the socket stays.
//!
//! # Dropped futures
//! All that a connection has under way is kept in the connection and not in the future that drives it. Whoever drops
//! the future of a client's call cancels the call: what was staged is removed at once, no byte of the connection is
//! lost, and the next call first ends the one before. Whoever drops the future of [`Server::run`](crate::Server::run)
//! ends all sessions as [`ServerHandle::force`](crate::ServerHandle::force) does.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::event::{Event, Listener};
use crate::stream::Interest;

/// A runtime. Each call is made on a thread of it, if it has any.
pub trait Runtime: Sized + 'static {
    /// Whether tasks may block, so that file work can be done in them.
    const TASKS_MAY_BLOCK: bool = false;

    /// A registered socket.
    type Readiness: Readiness;

    /// Registers a nonblocking socket, for as long as what is returned lives.
    ///
    /// # Errors
    /// If the system has no room for it.
    fn register(socket: Arc<OwnedFd>) -> io::Result<Self::Readiness>;

    /// Starts the task that `task` makes of `input`; it runs to its end though nobody waits for it.
    ///
    /// # Errors
    /// If it cannot be started; then the input comes back.
    fn spawn<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        input: T,
        task: impl FnOnce(T) -> F + Send + 'static,
    ) -> Result<(), (io::Error, T)>;

    /// Runs work where it may block. It runs to its end even if the future is dropped, or not at all.
    ///
    /// # Errors
    /// If the runtime is ending, or cannot start what it needs for it.
    fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send + 'static;

    /// Waits. A duration beyond what the runtime can count is for ever.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Whether `event` is raised; if not, the task is woken when it is. A runtime that waits by poll(2) waits for the
    /// [descriptor](Event::descriptor) of the event instead.
    fn poll_raised(cx: &mut Context<'_>, event: &Event, listener: &mut Listener) -> Poll<()> {
        event.poll_raised(cx, listener)
    }
}

/// A socket that is registered with a runtime.
pub trait Readiness: Send + Sync + 'static {
    /// Whether the socket is ready; if not, the waker of `cx` is woken when it may be. Now and then it may say so too
    /// early, but not again and again.
    fn poll_ready(&mut self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>>;
}

/// Waits until `event` is raised.
pub(crate) async fn raised<R: Runtime>(event: &Event) {
    let mut listener = Listener::default();
    poll_fn(|cx| R::poll_raised(cx, event, &mut listener)).await;
}

/// What poll(2) is to wait for. That a socket has failed it tells in any case.
pub fn poll_flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Readable => PollFlags::IN,
        Interest::Writable => PollFlags::OUT,
        Interest::Either => PollFlags::IN | PollFlags::OUT,
    }
}

/// Whether a socket is ready at this moment: for runtimes that remember that it was.
pub fn is_ready(socket: &OwnedFd, interest: Interest) -> bool {
    let mut fds = [PollFd::new(socket, poll_flags(interest))];
    // If the system does not tell, a try does.
    poll(&mut fds, Some(&Timespec::default())).map_or(true, |count| count > 0)
}

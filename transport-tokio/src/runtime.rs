//! Tokio as what server and client run on.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use haul_transport::{Interest, Readiness, Runtime, is_ready};
use tokio::io::unix::AsyncFd;

/// Tokio, with its I/O and time drivers. What waits for files is on its blocking threads.
///
/// Server and client of this crate panic outside of a Tokio runtime, or in one without these drivers; `tokio::runtime::Runtime::new` has both.
#[derive(Debug)]
pub struct Tokio;

/// A socket that is registered with Tokio.
#[derive(Debug)]
pub struct Registered(AsyncFd<Arc<OwnedFd>>);

impl Runtime for Tokio {
    type Readiness = Registered;

    // What Tokio asks for in its place is unsafe. An `Arc<OwnedFd>` is what it is about: one descriptor, open as long as it lives.
    #[expect(deprecated)]
    fn register(socket: Arc<OwnedFd>) -> io::Result<Registered> {
        AsyncFd::new(socket).map(Registered)
    }

    fn spawn<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        input: T,
        task: impl FnOnce(T) -> F,
    ) -> Result<(), (io::Error, T)> {
        tokio::spawn(task(input));
        Ok(())
    }

    async fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Readiness for Registered {
    fn poll_ready(&mut self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        loop {
            let ready = match interest {
                Interest::Readable => self.0.poll_read_ready(cx),
                Interest::Writable => self.0.poll_write_ready(cx),
                Interest::Either => match self.0.poll_read_ready(cx) {
                    Poll::Pending => self.0.poll_write_ready(cx),
                    ready @ Poll::Ready(_) => ready,
                },
            };
            let mut ready = ready!(ready)?;
            if is_ready(self.0.get_ref(), interest) {
                return Poll::Ready(Ok(()));
            }
            // Tokio remembers that it was ready before the last try. What has come since is not forgotten by this.
            ready.clear_ready();
        }
    }
}

//! async-std as what server and client run on.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use async_std::task;
use haul_transport::{Interest, Readiness, Runtime};

/// async-std. What waits for files is on its blocking threads.
#[derive(Debug)]
pub struct AsyncStd;

/// A socket that is registered with `async-io`, which async-std waits by.
#[derive(Debug)]
pub struct Registered(Async<Arc<OwnedFd>>);

impl Runtime for AsyncStd {
    type Readiness = Registered;

    fn register(socket: Arc<OwnedFd>) -> io::Result<Registered> {
        Async::new_nonblocking(socket).map(Registered)
    }

    fn spawn<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        input: T,
        task: impl FnOnce(T) -> F,
    ) -> Result<(), (io::Error, T)> {
        task::spawn(task(input));
        Ok(())
    }

    async fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        Ok(task::spawn_blocking(work).await)
    }

    async fn sleep(duration: Duration) {
        task::sleep(duration).await;
    }
}

impl Readiness for Registered {
    fn poll_ready(&mut self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        match interest {
            Interest::Readable => self.0.poll_readable(cx),
            Interest::Writable => self.0.poll_writable(cx),
            Interest::Either => match self.0.poll_readable(cx) {
                Poll::Pending => self.0.poll_writable(cx),
                ready @ Poll::Ready(_) => ready,
            },
        }
    }
}

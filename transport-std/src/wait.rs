//! Waiting: for a socket, for a deadline, and for somebody who wants the waiting to end.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec};
use rustix::io::Errno;

/// The time since a moment of its own; it never goes back, whatever happens to the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The time from now until `moment`; nothing if it has passed.
    pub(crate) fn until(self, moment: Duration) -> Duration {
        moment.saturating_sub(self.now())
    }
}

/// Waits until one of `fds` is ready, the time is over or a signal came.
pub(crate) fn wait(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    // A time too long for the kernel is as good as none.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A flag that is also readable as a file descriptor while it is raised, so that [`wait`] ends. Any thread may raise it.
#[derive(Debug)]
pub(crate) struct Wake {
    raised: Arc<AtomicBool>,
    reader: UnixStream,
    writer: UnixStream,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { raised: Arc::default(), reader, writer })
    }

    pub(crate) fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            // This cannot fail: the flag was down, so the pair holds no more than the few bytes of signals.
            let _ = (&self.writer).write(&[0]);
        }
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Lowers the flag. If it is raised at the same time, it may stay raised without being readable, so the flag counts.
    pub(crate) fn lower(&self) {
        self.raised.store(false, Ordering::SeqCst);
        while matches!((&self.reader).read(&mut [0; 64]), Ok(1..)) {}
    }

    /// Raises the flag when `signal` comes, for as long as the process lives. If the flag is up already, the process ends with `exit_code`.
    pub(crate) fn raise_on(&self, signal: i32, exit_code: i32) -> io::Result<()> {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            exit_code,
            Arc::clone(&self.raised),
        )?;
        signal_hook::flag::register(signal, Arc::clone(&self.raised))?;
        signal_hook::low_level::pipe::register(signal, self.writer.try_clone()?)?;
        Ok(())
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

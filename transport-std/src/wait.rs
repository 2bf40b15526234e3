//! Waiting by poll(2): for a socket, for a deadline, and for somebody who wants the waiting to end.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use tracing::warn;

/// Before the next try when the system cannot wait.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Waits until one of `fds` is ready, the time is over or a signal came.
pub(crate) fn wait(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    // A time too long for the kernel is as good as none.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until one of `wakes` is raised, or may have been, or the time is over.
pub(crate) fn wait_for_any<'a>(wakes: impl Iterator<Item = &'a Wake>, timeout: Option<Duration>) {
    let mut fds: Vec<_> = wakes.map(|wake| PollFd::new(wake, PollFlags::IN)).collect();
    if let Err(error) = wait(&mut fds, timeout) {
        warn!(%error, "cannot wait");
        std::thread::sleep(PAUSE);
    }
}

/// A flag that is also readable as a file descriptor while it is raised, so that poll(2) returns.
#[derive(Debug)]
pub struct Wake {
    raised: AtomicBool,
    reader: UnixStream,
    writer: UnixStream,
}

impl haul_transport::Wake for Wake {
    fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { raised: AtomicBool::new(false), reader, writer })
    }

    fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            // This cannot fail: the flag was down, so the pair holds next to nothing.
            let _ = (&self.writer).write(&[0]);
        }
    }

    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    fn lower(&self) {
        self.raised.store(false, Ordering::SeqCst);
        while matches!((&self.reader).read(&mut [0; 64]), Ok(1..)) {}
        // What was just read may be from somebody who raised it meanwhile.
        if self.raised.load(Ordering::SeqCst) {
            let _ = (&self.writer).write(&[0]);
        }
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

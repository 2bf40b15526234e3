//! Running a future on the calling thread, which waits by poll(2) for what the future asked for.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use tracing::warn;

/// Before the next try where the system cannot wait, or has no descriptor to be woken by.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

thread_local! {
    static WAITS: RefCell<Waits> = RefCell::default();
}

/// What the future that runs on this thread waits for.
#[derive(Default)]
struct Waits {
    /// Counts polls of the future; what is asked for in one is asked for anew in the next.
    round: u64,
    sockets: Vec<(Arc<OwnedFd>, PollFlags)>,
    deadline: Option<Instant>,
    /// Which of the sockets of the round before were ready.
    ready: Vec<bool>,
}

/// A wait for a descriptor that was asked for, to look at its outcome in the next round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    round: u64,
    at: usize,
}

/// Whether a descriptor that was asked for in the round before is ready; if it was not, it is asked for.
pub(crate) fn poll_descriptor(
    asked: &mut Option<Asked>,
    descriptor: &Arc<OwnedFd>,
    flags: PollFlags,
) -> Poll<()> {
    WAITS.with_borrow_mut(|waits| {
        if let Some(Asked { round, at }) = asked.take()
            && round + 1 == waits.round
            && waits.ready.get(at) == Some(&true)
        {
            return Poll::Ready(());
        }
        *asked = Some(Asked { round: waits.round, at: waits.sockets.len() });
        waits.sockets.push((Arc::clone(descriptor), flags));
        Poll::Pending
    })
}

/// Has the thread wait no longer than until `deadline`.
pub(crate) fn wait_until(deadline: Instant) {
    WAITS.with_borrow_mut(|waits| {
        waits.deadline = Some(waits.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    });
}

/// Runs a future to its end, for [`Std`](crate::Std)'s server and client. The thread waits wherever the future does.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unparker = Arc::new(Unparker::default());
    let waker = Waker::from(Arc::clone(&unparker));
    let mut cx = Context::from_waker(&waker);
    let _outer = Outer(WAITS.take());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let mut waits = WAITS.take();
        unparker.park(&mut waits);
        waits.round += 1;
        waits.sockets.clear();
        waits.deadline = None;
        WAITS.set(waits);
    }
}

/// The waits of a future that runs further out on this thread, in a callback of which another one runs.
struct Outer(Waits);

impl Drop for Outer {
    fn drop(&mut self) {
        WAITS.set(std::mem::take(&mut self.0));
    }
}

/// Ends the wait of a thread.
#[derive(Default)]
struct Unparker {
    woken: AtomicBool,
    /// Readable when `woken`. Made when somebody else can wake the thread, which most threads never see.
    bell: OnceLock<Option<Arc<OwnedFd>>>,
}

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(Some(bell)) = self.bell.get() {
            // This fails only at a count that nobody reaches.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }
}

impl Unparker {
    /// Waits until something that was asked for is there, or the thread is woken.
    fn park(self: &Arc<Self>, waits: &mut Waits) {
        // One is the thread's own, and one is in its waker.
        if Arc::strong_count(self) > 2 {
            let make = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
            match self.bell.get_or_init(|| make().map(Arc::new)) {
                Some(bell) => waits.sockets.push((Arc::clone(bell), PollFlags::IN)),
                None => waits.end_within(PAUSE),
            }
        }
        // After the look at the count: whoever has woken the thread and let go of it since is noticed, too.
        fence(Ordering::SeqCst);
        waits.ready.clear();
        if !self.woken.swap(false, Ordering::SeqCst) {
            waits.wait();
        }
        if let Some(Some(bell)) = self.bell.get() {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
    }
}

impl Waits {
    fn end_within(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        self.deadline = Some(self.deadline.map_or(end, |earlier| earlier.min(end)));
    }

    /// Waits until one of the descriptors is ready, the deadline is over or a signal came.
    fn wait(&mut self) {
        // A time too long for the kernel is as good as none.
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds: Vec<_> =
            self.sockets.iter().map(|(socket, flags)| PollFd::new(socket, *flags)).collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => self.ready.extend(fds.iter().map(|fd| !fd.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(error) => {
                warn!(%error, "cannot wait for sockets");
                thread::sleep(PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// A future that another thread wakes.
    #[test]
    fn another_thread_ends_the_wait() {
        let (sender, receiver) = channel::<Waker>();
        let woken = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&woken);
        let waking = thread::spawn(move || {
            for waker in receiver {
                theirs.store(true, Ordering::SeqCst);
                waker.wake();
            }
        });
        for _ in 0..1000 {
            let mut asked = false;
            block_on(std::future::poll_fn(|cx| {
                if woken.swap(false, Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut asked, true) {
                    sender.send(cx.waker().clone()).unwrap();
                }
                Poll::Pending
            }));
        }
        drop(sender);
        waking.join().unwrap();
    }
}

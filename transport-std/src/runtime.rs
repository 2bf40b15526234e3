//! Threads as what server and client run on.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use haul_transport::{Event, Interest, Listener, Readiness, Runtime, poll_flags};
use rustix::event::PollFlags;

use crate::waits::{Asked, PAUSE, block_on, poll_descriptor, wait_until};

/// Of a task's thread, in bytes. What a session holds is on the heap: unoptimised, the tests pass with 96 KiB and overflow 64 KiB.
const STACK_SIZE: usize = 256 << 10;
/// Of a thread that finds out addresses, in bytes: what the system does there is not known.
const LOOKUP_STACK_SIZE: usize = 1 << 20;

/// A thread for each task, which waits by poll(2) and may block. Its futures run in [`block_on`] only.
#[derive(Debug)]
pub struct Std;

/// A socket that its thread waits for.
#[derive(Debug)]
pub struct Registered {
    socket: Arc<OwnedFd>,
    asked: Option<Asked>,
}

impl Runtime for Std {
    const TASKS_MAY_BLOCK: bool = true;

    type Readiness = Registered;

    fn register(socket: Arc<OwnedFd>) -> io::Result<Registered> {
        Ok(Registered { socket, asked: None })
    }

    fn spawn<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        input: T,
        task: impl FnOnce(T) -> F + Send + 'static,
    ) -> Result<(), (io::Error, T)> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // It waits for the input, which is still here if there is no thread.
        let run = move || receiver.recv().map_or((), |input| block_on(task(input)));
        let thread = thread::Builder::new().name("haul-session".into()).stack_size(STACK_SIZE);
        match thread.spawn(run) {
            Ok(_) => {
                // The thread is there to receive: if it is not, the input is dropped.
                let _ = sender.send(input);
                Ok(())
            }
            Err(error) => Err((error, input)),
        }
    }

    async fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let done = Arc::new((Event::default(), Mutex::new(None)));
        let theirs = Arc::clone(&done);
        thread::Builder::new().stack_size(LOOKUP_STACK_SIZE).spawn(move || {
            let (event, outcome) = &*theirs;
            let worked = catch_unwind(AssertUnwindSafe(work)).ok();
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = worked;
            event.raise();
        })?;
        let (event, outcome) = &*done;
        let mut listener = Listener::default();
        poll_fn(|cx| Self::poll_raised(cx, event, &mut listener)).await;
        let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.ok_or_else(|| io::Error::other("the work panicked"))
    }

    async fn sleep(duration: Duration) {
        let Some(until) = Instant::now().checked_add(duration) else {
            return std::future::pending().await;
        };
        poll_fn(|_| {
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            wait_until(until);
            Poll::Pending
        })
        .await;
    }

    fn poll_raised(_: &mut Context<'_>, event: &Event, _: &mut Listener) -> Poll<()> {
        let descriptor = event.descriptor();
        if event.is_raised() {
            return Poll::Ready(());
        }
        if let Some(descriptor) = descriptor {
            return poll_descriptor(&mut None, descriptor, PollFlags::IN);
        }
        // Without one the flag is looked at now and then.
        wait_until(Instant::now() + PAUSE);
        Poll::Pending
    }
}

impl Readiness for Registered {
    fn poll_ready(&mut self, _: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        poll_descriptor(&mut self.asked, &self.socket, poll_flags(interest)).map(Ok)
    }
}

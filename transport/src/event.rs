//! Flags that tasks wait for.

use std::fmt;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use event_listener::{Event as Listeners, EventListener};
use rustix::event::{EventfdFlags, eventfd};

/// A flag that tasks can wait for. Any thread may raise it.
#[derive(Default)]
pub struct Event {
    raised: AtomicBool,
    listeners: Listeners,
    /// Created for the first runtime that asks; contains `None` if no descriptor was free.
    descriptor: OnceLock<Option<Arc<OwnedFd>>>,
}

/// The state of a task that waits for an [`Event`].
#[derive(Debug, Default)]
pub struct Listener(Option<EventListener>);

impl Event {
    /// Raises the flag.
    pub fn raise(&self) {
        if self.raised.swap(true, Ordering::SeqCst) {
            return;
        }
        self.listeners.notify(usize::MAX);
        // A thread that creates the descriptor meanwhile checks the flag afterwards.
        fence(Ordering::SeqCst);
        self.signal();
    }

    /// Whether the flag is raised.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Lowers the flag.
    pub fn lower(&self) {
        if !self.raised.swap(false, Ordering::SeqCst) {
            return;
        }
        if let Some(Some(descriptor)) = self.descriptor.get() {
            let _ = rustix::io::read(descriptor, &mut [0; 8]);
            // Another thread may have raised it meanwhile, and this read its signal.
            if self.is_raised() {
                self.signal();
            }
        }
    }

    fn signal(&self) {
        if let Some(Some(descriptor)) = self.descriptor.get() {
            // This fails only at a count that is never reached.
            let _ = rustix::io::write(descriptor, &1_u64.to_ne_bytes());
        }
    }

    /// Whether the flag is raised; if not, the waker of `cx` is woken when it is. The listener belongs to the waiting
    /// task.
    pub fn poll_raised(&self, cx: &mut Context<'_>, listener: &mut Listener) -> Poll<()> {
        loop {
            if self.is_raised() {
                listener.0 = None;
                return Poll::Ready(());
            }
            if let Some(listening) = &mut listener.0
                && Pin::new(listening).poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            // The loop checks the flag again, so that either the check or the listener notices a flag that is raised
            // meanwhile.
            listener.0 = Some(self.listeners.listen());
        }
    }

    /// A descriptor that is readable while the flag is raised, for runtimes that wait with poll(2). `None` if no
    /// descriptor is free.
    ///
    /// Check the flag after this call: the descriptor does not show a flag that was raised before the first call.
    pub fn descriptor(&self) -> Option<&Arc<OwnedFd>> {
        let make = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok().map(Arc::new);
        let descriptor = self.descriptor.get_or_init(make).as_ref();
        fence(Ordering::SeqCst);
        descriptor
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("raised", &self.raised).finish_non_exhaustive()
    }
}

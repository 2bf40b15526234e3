//! What tasks wait for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::EventListener;

use crate::Wake;

/// A flag that tasks can wait for.
#[derive(Debug, Default)]
pub struct Event {
    raised: AtomicBool,
    listeners: event_listener::Event,
}

impl Event {
    /// Waits until the flag is raised.
    pub async fn raised(&self) {
        while let Some(listener) = self.listen() {
            listener.await;
        }
    }

    /// What to wait for; `None` if the flag is raised already.
    pub(super) fn listen(&self) -> Option<EventListener> {
        let listener = self.listeners.listen();
        // Looked at only now, so that what is raised meanwhile is noticed by one or the other.
        (!self.is_raised()).then_some(listener)
    }
}

impl Wake for Event {
    fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        self.listeners.notify(usize::MAX);
    }

    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    fn lower(&self) {
        self.raised.store(false, Ordering::SeqCst);
    }
}

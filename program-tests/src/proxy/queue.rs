//! Bytes under way.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the queue delivers.
#[derive(Debug)]
pub(super) enum Item {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// A queue of bounded size, which delivers its items when they are due.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// The most bytes in it; one piece may be larger.
    room: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<(Instant, Item)>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(room: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), room }
    }

    /// Adds an item when there is room; false if the queue is closed.
    pub(super) fn push(&self, due: Instant, item: Item) -> bool {
        let full = |state: &mut State| state.bytes >= self.room && !state.closed;
        let waited = self.changed.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if let Item::Bytes(bytes) = &item {
            state.bytes += bytes.len();
        }
        state.items.push_back((due, item));
        self.changed.notify_all();
        !state.closed
    }

    /// The next item, when it is due; nothing if the queue is closed.
    pub(super) fn pop(&self) -> Option<Item> {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            let due = state.items.front().map(|(due, _)| *due);
            state = match due {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => break,
            };
        }
        if state.closed {
            return None;
        }
        let (_, item) = state.items.pop_front()?;
        if let Item::Bytes(bytes) = &item {
            state.bytes -= bytes.len();
        }
        self.changed.notify_all();
        Some(item)
    }

    /// Delivers nothing more, and ends all waits.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn until_closed(&self) {
        drop(self.changed.wait_while(self.lock(), |state| !state.closed));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

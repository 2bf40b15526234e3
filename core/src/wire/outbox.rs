//! What waits to go out.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::output::Segments;

/// Lines and payload in the order in which they go out. Payload is queued, not copied.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
    /// Bytes that went out in all.
    written: u64,
}

impl Outbox {
    /// Appends what `encode` writes.
    pub(crate) fn line(&mut self, encode: impl FnOnce(&mut BytesMut)) {
        let before = self.tail.len();
        encode(&mut self.tail);
        self.length += self.tail.len() - before;
    }

    /// Appends payload.
    pub(crate) fn payload(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
        self.length += data.len();
        self.queue.push_back(data);
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn segments(&self) -> Segments<'_> {
        Segments { queue: &self.queue, tail: &self.tail }
    }

    /// Drops the first `count` bytes: they are out.
    pub(crate) fn sent(&mut self, count: usize) {
        let mut left = count.min(self.length);
        self.length -= left;
        self.written += left as u64;
        while left > 0 {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            let step = left.min(front.len());
            front.advance(step);
            left -= step;
            if front.is_empty() {
                self.queue.pop_front();
            }
        }
        self.tail.advance(left.min(self.tail.len()));
    }

    /// Drops everything: nobody will read it.
    pub(crate) fn clear(&mut self) {
        *self = Self { written: self.written, ..Self::default() };
    }

    /// Gives the memory back while nothing waits.
    pub(crate) fn release(&mut self) {
        if self.length == 0 {
            self.clear();
        }
    }
}

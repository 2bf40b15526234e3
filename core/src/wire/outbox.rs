//! The queued output.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use zeroize::Zeroize as _;

/// Lines and payload in the order in which they are sent. Payload is queued without a copy.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
    /// The total number of bytes sent.
    written: u64,
    /// A line has a secret, so that lines are overwritten once they are sent.
    has_secret: bool,
}

impl Outbox {
    /// Appends what `encode` writes.
    pub(crate) fn line(&mut self, encode: impl FnOnce(&mut BytesMut)) {
        let before = self.tail.len();
        encode(&mut self.tail);
        self.length += self.tail.len() - before;
    }

    /// The last line has a secret.
    pub(crate) fn has_secret(&mut self) {
        self.has_secret = true;
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

    /// Removes the first `count` bytes, which were sent.
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
        let lines = left.min(self.tail.len());
        if self.has_secret {
            self.tail[..lines].zeroize();
            self.has_secret = lines < self.tail.len();
        }
        self.tail.advance(lines);
    }

    /// Drops everything, because nobody will read it.
    pub(crate) fn clear(&mut self) {
        *self = Self { written: self.written, ..Self::default() };
    }

    /// Frees the buffers if nothing is queued.
    pub(crate) fn release(&mut self) {
        if self.length == 0 {
            self.clear();
        }
    }
}

/// Bytes for the socket, in pieces, in order; at least one byte.
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a> {
    pub(crate) queue: &'a VecDeque<Bytes>,
    pub(crate) tail: &'a [u8],
}

impl<'a> Segments<'a> {
    /// The pieces, none of which is empty.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.queue.iter().map(Bytes::chunk).chain((!self.tail.is_empty()).then_some(self.tail))
    }

    /// The pieces, to keep while they are being written. Payload is not copied.
    pub fn to_bytes(&self) -> impl Iterator<Item = Bytes> + use<'a> {
        let tail = (!self.tail.is_empty()).then(|| Bytes::copy_from_slice(self.tail));
        self.queue.iter().cloned().chain(tail)
    }

    /// The first piece.
    pub fn first(&self) -> &'a [u8] {
        self.queue.front().map_or(self.tail, Bytes::chunk)
    }
}

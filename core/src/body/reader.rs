//! Reads the payload of a body from the input and writes it to a file.

use bytes::{Bytes, BytesMut};

use crate::checksum::{Checksum, Hasher};
use crate::effect::{Effect, Handle};
use crate::limits::Limits;
use crate::message::body::DataLine;
use crate::wire::inbox::Inbox;

/// Gathered pieces are written together once they have this many bytes.
const GATHERED: usize = 64 << 10;
/// If this many bytes of a body are left, it is worth reading the line of a `DATA` alone.
const BULK: u64 = 64 << 10;
/// The room for the line of an unknown `DATA`, in bytes.
const DATA_LINE: usize = 32;

/// Takes the payload of a body from the input and requests that it be written to a file.
#[derive(Debug)]
pub(crate) struct BodyReader {
    /// The file.
    handle: Handle,
    /// The payload of the current `DATA` that has not arrived yet.
    left: u64,
    /// The length of the current or last `DATA`.
    chunk: u64,
    announced: u64,
    written: u64,
    /// Small pieces that are not written yet.
    gathered: BytesMut,
    /// Bytes that passed from the socket to the store and are not in the file yet.
    passed: usize,
    hasher: Hasher,
}

impl BodyReader {
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            left: 0,
            chunk: 0,
            announced: 0,
            written: 0,
            gathered: BytesMut::new(),
            passed: 0,
            hasher: Hasher::new(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    /// A `DATA` with `length` bytes begins.
    pub(crate) fn announce(&mut self, length: u64) {
        self.left = length;
        self.chunk = length;
        self.announced = self.announced.saturating_add(length);
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether the current `DATA` is incomplete.
    pub(crate) fn is_under_way(&self) -> bool {
        self.left > 0 || self.passed > 0
    }

    /// The payload announced so far.
    pub(crate) fn announced(&self) -> u64 {
        self.announced
    }

    /// The payload received so far.
    pub(crate) fn received(&self) -> u64 {
        self.announced - self.left
    }

    pub(crate) fn checksum(&self) -> Checksum {
        self.hasher.checksum()
    }

    /// Takes what has arrived of the current `DATA`; returns an effect if something has to be written.
    pub(crate) fn take(&mut self, inbox: &mut Inbox) -> Option<Effect> {
        let piece = usize::try_from(self.left).unwrap_or(usize::MAX).min(inbox.len());
        if piece >= Limits::GATHER {
            if !self.gathered.is_empty() {
                return self.flush();
            }
            let data = inbox.take(piece);
            self.left -= piece as u64;
            self.hasher.update(&data);
            return Some(self.write(data));
        }
        let bytes = inbox.peek(piece);
        self.hasher.update(bytes);
        self.gathered.extend_from_slice(bytes);
        inbox.consume(piece);
        self.left -= piece as u64;
        if self.gathered.len() >= GATHERED { self.flush() } else { None }
    }

    /// Drops what has arrived of the current `DATA`.
    pub(crate) fn skip(&mut self, inbox: &mut Inbox) {
        let piece = usize::try_from(self.left).unwrap_or(usize::MAX).min(inbox.len());
        inbox.consume(piece);
        self.left -= piece as u64;
    }

    /// Writes the gathered pieces.
    pub(crate) fn flush(&mut self) -> Option<Effect> {
        if self.gathered.is_empty() {
            return None;
        }
        let data = self.gathered.split().freeze();
        Some(self.write(data))
    }

    fn write(&mut self, data: Bytes) -> Effect {
        let offset = self.written;
        self.written += data.len() as u64;
        Effect::Write { handle: self.handle, offset, data }
    }

    /// How much of the current `DATA` may pass by the machine at once, if it is worth it.
    pub(crate) fn bypass(&self, limits: &Limits) -> Option<usize> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left >= Limits::GATHER).then_some(left.min(limits.pass_through_chunk.max(1)))
    }

    /// The room for the next line alone, if it probably announces payload that may pass by the machine; the whole
    /// payload is `expected` bytes. The next `DATA` of a peer is as long as its last one, or all the rest.
    pub(crate) fn room_for_line(&self, expected: Option<u64>) -> Option<usize> {
        let more = match expected {
            Some(expected) => expected.saturating_sub(self.announced),
            None => self.announced,
        };
        if self.left > 0 || more < BULK {
            return None;
        }
        match self.chunk {
            0 => Some(DATA_LINE),
            chunk if chunk < Limits::GATHER as u64 => None,
            chunk => Some(DataLine(chunk.min(more)).len()),
        }
    }

    /// `count` bytes passed from the socket to the store.
    pub(crate) fn passed_in(&mut self, count: usize) {
        self.left -= count as u64;
        self.passed = count;
    }

    /// The effect that writes the bytes that passed to the store.
    pub(crate) fn write_received(&self) -> Option<Effect> {
        let Self { handle, written: offset, passed: length, .. } = *self;
        (length > 0).then_some(Effect::WriteReceived { handle, offset, length })
    }

    /// The bytes that passed to the store are in the file.
    pub(crate) fn received_written(&mut self, checksum: Checksum) {
        let count = core::mem::take(&mut self.passed) as u64;
        self.written += count;
        self.hasher.append(checksum, count);
    }
}

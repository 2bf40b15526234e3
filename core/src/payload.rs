//! Payload on its way through a machine: in from the socket to a staged file, out from a file to the socket. Both sides do both.

use bytes::{Bytes, BytesMut};

use crate::checksum::{Checksum, Hasher};
use crate::effect::Effect;
use crate::limits::Limits;
use crate::message::ClientLine;
use crate::wire::inbox::Inbox;
use crate::wire::outbox::Outbox;

/// Small pieces are written together once they are this many bytes.
const GATHERED: usize = 64 << 10;

/// Payload that comes in.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Payload of the current `DATA` that is still to come in.
    left: u64,
    announced: u64,
    written: u64,
    /// Small pieces that are not written yet.
    gathered: BytesMut,
    hasher: Hasher,
}

impl Intake {
    /// A `DATA` with `length` bytes begins.
    pub(crate) fn announce(&mut self, length: u64) {
        self.left = length;
        self.announced = self.announced.saturating_add(length);
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// All payload announced so far.
    pub(crate) fn announced(&self) -> u64 {
        self.announced
    }

    /// All payload that came in so far.
    pub(crate) fn received(&self) -> u64 {
        self.announced - self.left
    }

    pub(crate) fn checksum(&self) -> Checksum {
        self.hasher.checksum()
    }

    /// Takes what is there of the current `DATA`; `Some` is to be written to the file.
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

    /// Drops what is there of the current `DATA`.
    pub(crate) fn skip(&mut self, inbox: &mut Inbox) {
        let piece = usize::try_from(self.left).unwrap_or(usize::MAX).min(inbox.len());
        inbox.consume(piece);
        self.left -= piece as u64;
    }

    /// The pieces that are not written yet.
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
        Effect::Write { offset, data }
    }

    /// Where the rest of the current `DATA` may pass by the machine, and how much of it, if it is worth it.
    pub(crate) fn bypass(&self) -> Option<(u64, u64)> {
        let worth_it = self.gathered.is_empty() && self.left >= Limits::GATHER as u64;
        worth_it.then_some((self.written, self.left))
    }

    /// `count` bytes passed by.
    pub(crate) fn passed(&mut self, count: u64, checksum: Checksum) {
        self.left -= count;
        self.written += count;
        self.hasher.append(checksum, count);
    }
}

/// Payload that goes out.
#[derive(Debug)]
pub(crate) struct Outflow {
    sent: u64,
    held: usize,
    /// `None` once bytes passed by without a checksum.
    hasher: Option<Hasher>,
}

impl Outflow {
    pub(crate) fn new() -> Self {
        Self { sent: 0, held: 0, hasher: Some(Hasher::new()) }
    }

    /// All payload announced so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that were announced and stay below until they go out.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn checksum(&self) -> Option<Checksum> {
        self.hasher.as_ref().map(Hasher::checksum)
    }

    /// Announces `data` and queues it.
    pub(crate) fn send(&mut self, data: Bytes, outbox: &mut Outbox) {
        self.announce(data.len(), outbox);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&data);
        }
        outbox.payload(data);
    }

    /// Announces `length` bytes that stay below.
    pub(crate) fn hold(&mut self, length: usize, checksum: Option<Checksum>, outbox: &mut Outbox) {
        self.announce(length, outbox);
        self.held = length;
        match (checksum, &mut self.hasher) {
            (Some(checksum), Some(hasher)) => hasher.append(checksum, length as u64),
            _ => self.hasher = None,
        }
    }

    fn announce(&mut self, length: usize, outbox: &mut Outbox) {
        self.sent += length as u64;
        outbox.line(|out| ClientLine::Data(length as u64).encode(out));
    }

    /// `count` of the held bytes went out.
    pub(crate) fn sent_held(&mut self, count: usize) {
        self.held = self.held.saturating_sub(count);
    }
}

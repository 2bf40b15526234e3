//! Reads a file and writes it to the output as the payload of a body.

use bytes::Bytes;

use crate::checksum::{Checksum, Hasher};
use crate::effect::{Effect, Handle};
use crate::limits::Limits;
use crate::message::body::DataLine;
use crate::wire::outbox::Outbox;

/// Reads a file and queues it in the output as the payload of a body.
#[derive(Debug)]
pub(crate) struct BodyWriter {
    /// The file.
    handle: Handle,
    sent: u64,
    /// Bytes that were announced, and that the store has prepared and the socket has not taken yet.
    prepared: usize,
    /// The checksum of the whole payload, if it is known in advance.
    known: Option<Checksum>,
    hasher: Hasher,
}

impl BodyWriter {
    /// `known` is the checksum of the whole payload, if it is known in advance.
    pub(crate) fn new(handle: Handle, known: Option<Checksum>) -> Self {
        Self { handle, sent: 0, prepared: 0, known, hasher: Hasher::new() }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    /// The effect that gets more payload: at most `chunk` bytes through the machine, or more past it.
    pub(crate) fn ask(
        &self,
        offset: u64,
        left: u64,
        peer_max: u64,
        limits: &Limits,
        pass_through: bool,
    ) -> Effect {
        let handle = self.handle;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let read = left.min(Limits::outgoing(limits.chunk, peer_max));
        if pass_through {
            let length = left.min(Limits::outgoing(limits.pass_through_chunk, peer_max));
            Effect::PrepareSend { handle, offset, length, read, checksum: self.known.is_none() }
        } else {
            Effect::Read { handle, offset, length: read }
        }
    }

    /// The payload announced so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that were announced and still pass from the store to the socket.
    pub(crate) fn prepared(&self) -> usize {
        self.prepared
    }

    /// The checksum of the payload, once all of it was sent.
    pub(crate) fn checksum(&self) -> Checksum {
        self.known.unwrap_or_else(|| self.hasher.checksum())
    }

    /// Announces `data` and queues it.
    pub(crate) fn send(&mut self, data: Bytes, outbox: &mut Outbox) {
        self.announce(data.len(), outbox);
        if self.known.is_none() {
            self.hasher.update(&data);
        }
        outbox.payload(data);
    }

    /// Announces `length` bytes that the store has prepared to pass to the socket.
    pub(crate) fn send_prepared(
        &mut self,
        length: usize,
        checksum: Option<Checksum>,
        outbox: &mut Outbox,
    ) {
        self.announce(length, outbox);
        self.prepared = length;
        if let Some(checksum) = checksum {
            self.hasher.append(checksum, length as u64);
        }
    }

    fn announce(&mut self, length: usize, outbox: &mut Outbox) {
        self.sent += length as u64;
        outbox.line(|out| DataLine(length as u64).encode(out));
    }

    /// The socket took `count` of the prepared bytes.
    pub(crate) fn passed_out(&mut self, count: usize) {
        self.prepared = self.prepared.saturating_sub(count);
    }
}

//! Two streams without sockets, over bytes that a test can look at and change.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard};

use haul_transport::{Interest, Stream, StreamError};

/// One direction: what was sent and not received yet.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) bytes: VecDeque<u8>,
    /// The number of bytes that were ever sent.
    pub(crate) sent: usize,
    pub(crate) closed: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SharedWire(Arc<Mutex<Wire>>);

impl SharedWire {
    pub(crate) fn get(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }
}

/// One end of two wires.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) incoming: SharedWire,
    pub(crate) outgoing: SharedWire,
    /// The most bytes that the outgoing wire holds.
    capacity: usize,
    /// The most bytes to read at once.
    step: usize,
}

impl Pipe {
    /// Both ends of two wires that hold `capacity` bytes each, of which a read gets at most `step`.
    pub(crate) fn pair(capacity: usize, step: usize) -> (Self, Self) {
        let wires = [SharedWire::default(), SharedWire::default()];
        let end = |incoming: usize, outgoing: usize| Self {
            incoming: wires[incoming].clone(),
            outgoing: wires[outgoing].clone(),
            capacity,
            step,
        };
        (end(0, 1), end(1, 0))
    }
}

impl Stream for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let mut wire = self.incoming.get();
        let count = buffer.len().min(self.step).min(wire.bytes.len());
        if count == 0 && !wire.closed {
            return Err(StreamError::WouldBlock(Interest::Readable));
        }
        for (to, from) in buffer.iter_mut().zip(wire.bytes.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        let mut wire = self.outgoing.get();
        assert!(!wire.closed, "nothing is written after the end");
        let free = self.capacity - wire.bytes.len();
        let before = wire.bytes.len();
        wire.bytes.extend(slices.iter().flat_map(|slice| slice.iter().copied()).take(free));
        let count = wire.bytes.len() - before;
        wire.sent += count;
        if count == 0 { Err(StreamError::WouldBlock(Interest::Writable)) } else { Ok(count) }
    }

    fn close_write(&mut self) -> Result<(), StreamError> {
        self.outgoing.get().closed = true;
        Ok(())
    }
}

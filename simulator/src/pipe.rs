//! One direction of a connection.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use haul_harness::Random;

/// The result of a read or a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Io {
    /// So many bytes; 0 from a read is the end of the stream.
    Moved(usize),
    Blocked,
    Failed,
}

/// Bytes on their way, then bytes that have arrived. `room` limits both together.
#[derive(Debug)]
pub(super) struct Pipe {
    flying: VecDeque<u8>,
    arrived: VecDeque<u8>,
    room: usize,
    /// Nothing more is written.
    ended: bool,
    /// Nobody reads any more.
    reader_gone: bool,
    broken: bool,
    held_until: Duration,
    /// Bits to flip in what arrives next.
    flips: u32,
}

impl Pipe {
    pub(super) fn new(room: usize) -> Self {
        Self {
            flying: VecDeque::new(),
            arrived: VecDeque::new(),
            room,
            ended: false,
            reader_gone: false,
            broken: false,
            held_until: Duration::ZERO,
            flips: 0,
        }
    }

    pub(super) fn read(&mut self, space: &mut [u8]) -> Io {
        let count = space.len().min(self.arrived.len());
        if count > 0 {
            return self
                .arrived
                .read_exact(&mut space[..count])
                .map_or(Io::Failed, |()| Io::Moved(count));
        }
        if self.broken {
            Io::Failed
        } else if self.ended && self.flying.is_empty() {
            Io::Moved(0)
        } else {
            Io::Blocked
        }
    }

    /// How many bytes can be written now.
    pub(super) fn room(&self) -> Io {
        if self.broken || self.reader_gone || self.ended {
            return Io::Failed;
        }
        match self.room.saturating_sub(self.flying.len() + self.arrived.len()) {
            0 => Io::Blocked,
            room => Io::Moved(room),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.flying.extend(bytes);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The reader is gone.
    pub(super) fn close_reader(&mut self) {
        self.reader_gone = true;
        self.flying.clear();
        self.arrived.clear();
    }

    /// A reset: bytes on their way are lost, and bytes that have arrived may be.
    pub(super) fn reset(&mut self, random: &mut Random) {
        self.broken = true;
        self.flying.clear();
        if random.one_in(2) {
            self.arrived.clear();
        }
    }

    pub(super) fn hold(&mut self, until: Duration) {
        self.held_until = self.held_until.max(until);
    }

    pub(super) fn flip(&mut self) {
        self.flips += 1;
    }

    /// When bytes that are held back go on, if there are any.
    pub(super) fn held_until(&self, now: Duration) -> Option<Duration> {
        (!self.flying.is_empty() && self.held_until > now).then_some(self.held_until)
    }

    pub(super) fn can_deliver(&self, now: Duration) -> bool {
        !self.flying.is_empty() && self.held_until <= now
    }

    /// Lets some bytes arrive. Returns how many of their bits were flipped.
    pub(super) fn deliver(&mut self, random: &mut Random) -> u32 {
        let count = random.size(self.flying.len());
        let from = self.arrived.len();
        self.arrived.extend(self.flying.drain(..count));
        let flips = std::mem::take(&mut self.flips);
        for _ in 0..flips {
            let at = from + random.below(count);
            if let Some(byte) = self.arrived.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        flips
    }
}

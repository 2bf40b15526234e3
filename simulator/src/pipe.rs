//! One direction of a connection.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use haul_harness::Random;

/// What came of a read or a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Io {
    /// So many bytes; 0 from a read is the end of the stream.
    Moved(usize),
    Blocked,
    Failed,
}

/// Bytes on their way, then bytes that have arrived; as many in all as there is room for.
#[derive(Debug)]
pub(super) struct Pipe {
    flying: VecDeque<u8>,
    arrived: VecDeque<u8>,
    room: usize,
    /// No more goes in.
    ended: bool,
    /// Nobody takes anything out.
    deserted: bool,
    broken: bool,
    held_until: Duration,
    /// Bits to turn over in what arrives next.
    flips: u32,
}

impl Pipe {
    pub(super) fn new(room: usize) -> Self {
        Self {
            flying: VecDeque::new(),
            arrived: VecDeque::new(),
            room,
            ended: false,
            deserted: false,
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
        if self.broken || self.deserted || self.ended {
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
    pub(super) fn desert(&mut self) {
        self.deserted = true;
        self.flying.clear();
        self.arrived.clear();
    }

    /// A reset: what was on its way is lost, and what had arrived may be.
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

    /// When bytes that are held go on, if there are any.
    pub(super) fn held_until(&self, now: Duration) -> Option<Duration> {
        (!self.flying.is_empty() && self.held_until > now).then_some(self.held_until)
    }

    pub(super) fn can_deliver(&self, now: Duration) -> bool {
        !self.flying.is_empty() && self.held_until <= now
    }

    /// Lets some bytes arrive. Answers how many bits of them were turned over.
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

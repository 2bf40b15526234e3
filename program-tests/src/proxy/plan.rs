//! What happens to a connection.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haul_harness::Random;

/// What happens to a connection, each way.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// From the client to the server.
    pub up: Way,
    /// From the server to the client.
    pub down: Way,
}

/// What happens to the bytes that go one way.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// From the moment that a byte is on the link until it is delivered.
    pub delay: Duration,
    /// Bytes per second that the link takes; without a limit if there is none.
    pub rate: Option<u64>,
    /// Bytes are delivered in pieces of at most these many, in turn; as they come if there are none. No size is 0.
    pub pieces: Vec<usize>,
    /// The fault, and how many bytes pass before it.
    pub fault: Option<(u64, Fault)>,
    /// Keeps what passed, as it was sent.
    pub tap: Option<Tap>,
}

/// What goes wrong at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes this way any more, and nobody is told.
    Stall,
    /// The receiver sees the end (FIN). What is still sent is dropped; the other way goes on.
    End,
    /// Both sides see a reset (RST).
    Reset,
    /// The bit of this value, 0 to 7, is the other one. What follows passes.
    Flip(u8),
}

impl Fault {
    /// A way on which it happens after so many bytes.
    pub fn at(self, byte: u64) -> Way {
        Way { fault: Some((byte, self)), ..Way::default() }
    }
}

impl Plan {
    /// One that a seed decides: odd pieces, and one fault within so many bytes of one way.
    pub fn random(seed: u64, within: usize) -> Self {
        let mut random = Random::new(seed);
        let bit = u8::try_from(random.below(8)).unwrap_or(0);
        let fault = random.pick(&[Fault::Stall, Fault::End, Fault::Reset, Fault::Flip(bit)]);
        let mut faulty = fault.at(random.below(within) as u64);
        faulty.pieces = (0..random.below(4)).map(|_| random.size(5_000)).collect();
        let mut plan = Self { up: faulty, ..Self::default() };
        if random.one_in(2) {
            std::mem::swap(&mut plan.up, &mut plan.down);
        }
        plan
    }

    /// The same plan with this delay each way.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        (self.up.delay, self.down.delay) = (delay, delay);
        self
    }

    /// The same plan with so many bytes per second each way.
    #[must_use]
    pub fn limited(mut self, rate: u64) -> Self {
        (self.up.rate, self.down.rate) = (Some(rate), Some(rate));
        self
    }
}

/// Keeps the bytes that pass.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Tap {
    /// What has passed so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.kept().clone()
    }

    /// Waits until so many bytes have passed; false if they have not when the time is over.
    pub fn wait_for(&self, count: usize, patience: Duration) -> bool {
        let few = |kept: &mut Vec<u8>| kept.len() < count;
        let waited = self.0.1.wait_timeout_while(self.kept(), patience, few);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn keep(&self, bytes: &[u8]) {
        self.kept().extend_from_slice(bytes);
        self.0.1.notify_all();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What happens to a connection.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haul_harness::Random;

/// What happens to a connection, in each direction.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// From the client to the server.
    pub up: Way,
    /// From the server to the client.
    pub down: Way,
}

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// The time from the moment that a byte enters the link until it is delivered.
    pub delay: Duration,
    /// The rate of the link, in bytes per second; unlimited if there is none.
    pub rate: Option<u64>,
    /// The sizes of the pieces that bytes are delivered in, at most, in turn. No size is 0. Without any, bytes are
    /// delivered as they come.
    pub pieces: Vec<usize>,
    /// The fault, and how many bytes pass before it.
    pub fault: Option<(u64, Fault)>,
    /// Records what passed, as it was sent.
    pub tap: Option<Tap>,
}

/// What goes wrong at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes any more in this direction, and nobody gets an error.
    Stall,
    /// The receiver sees the end (FIN). Later bytes are dropped; the other direction goes on.
    End,
    /// Both sides see a reset (RST).
    Reset,
    /// The bit of this number, 0 to 7, is inverted. Later bytes pass.
    Flip(u8),
}

impl Fault {
    /// A direction in which the fault happens after `byte` bytes.
    pub fn at(self, byte: u64) -> Way {
        Way { fault: Some((byte, self)), ..Way::default() }
    }
}

impl Plan {
    /// A plan that a seed decides: odd pieces, and one fault within the first `within` bytes of one direction.
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

    /// The same plan with this delay in each direction.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        (self.up.delay, self.down.delay) = (delay, delay);
        self
    }

    /// The same plan with `rate` bytes per second in each direction.
    #[must_use]
    pub fn limited(mut self, rate: u64) -> Self {
        (self.up.rate, self.down.rate) = (Some(rate), Some(rate));
        self
    }
}

/// Records the bytes that pass.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Tap {
    /// The bytes so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.kept().clone()
    }

    /// Waits until `count` bytes have passed; false if they have not when `timeout` is over.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        let few = |kept: &mut Vec<u8>| kept.len() < count;
        let waited = self.0.1.wait_timeout_while(self.kept(), timeout, few);
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

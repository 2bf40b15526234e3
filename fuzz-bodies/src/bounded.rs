//! A machine whose buffers are checked.

use std::time::Duration;

use haul_core::{Done, Machine, Misuse, Output, StoreError};

/// Wraps a machine. Panics when it wants to read more, or has more bytes waiting to be sent, than it may.
#[derive(Debug)]
pub(super) struct Bounded<M> {
    pub(super) machine: M,
    /// The most bytes to read at once.
    pub(super) incoming: usize,
    /// The most bytes that wait to be sent.
    pub(super) outgoing: usize,
}

impl<M: Machine> Machine for Bounded<M> {
    type Event = M::Event;

    fn poll(&mut self, now: Duration) -> Output<'_, M::Event> {
        let output = self.machine.poll(now);
        if let Output::Write(segments) = &output {
            let waiting: usize = segments.iter().map(<[u8]>::len).sum();
            assert!(waiting > 0, "it wants to write nothing");
            assert!(waiting <= self.outgoing, "{waiting} bytes wait to go out");
        }
        output
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    fn read_space(&mut self) -> &mut [u8] {
        let space = self.machine.read_space();
        assert!(space.len() <= self.incoming, "there is room for {} bytes", space.len());
        space
    }

    fn received(&mut self, count: usize) -> Result<(), Misuse> {
        self.machine.received(count)
    }

    fn would_block(&mut self) -> Result<(), Misuse> {
        self.machine.would_block()
    }

    fn sent(&mut self, count: usize) -> Result<(), Misuse> {
        self.machine.sent(count)
    }

    fn passed_through(&mut self, count: usize) -> Result<(), Misuse> {
        self.machine.passed_through(count)
    }

    fn read_failed(&mut self) -> Result<(), Misuse> {
        self.machine.read_failed()
    }

    fn write_failed(&mut self) -> Result<(), Misuse> {
        self.machine.write_failed()
    }

    fn performed(&mut self, outcome: Result<Done, StoreError>) -> Result<(), Misuse> {
        self.machine.performed(outcome)
    }

    fn acknowledge(&mut self) -> Result<(), Misuse> {
        self.machine.acknowledge()
    }

    fn write_closed(&mut self) -> Result<(), Misuse> {
        self.machine.write_closed()
    }
}

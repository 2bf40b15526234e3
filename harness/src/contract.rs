//! A checker of a machine's contract with its driver.

use std::fmt::Debug;
use std::time::Duration;

use haul_core::{
    Checksum, Done, Effect, Machine, Misuse, Output, StoreError, StoreErrorKind, Wait,
};

/// Wraps a machine and checks at each poll that a second poll returns the same, that reports which do not fit are a
/// [`Misuse`] and change nothing, and that a read may be abandoned after the buffer was written to.
#[derive(Debug)]
pub struct ContractChecker<M>(pub M);

/// The reports that fit an output.
fn fitting<E>(output: &Output<'_, E>) -> &'static [&'static str] {
    match output {
        Output::Read(Wait::Never) => &["received", "end", "would_block", "read_failed"],
        Output::Read(Wait::UntilDeadline) => &["received", "end", "read_failed"],
        Output::Write(_) | Output::Send { .. } => &["sent", "write_failed"],
        Output::Receive { .. } => &["received", "end", "passed_through", "read_failed"],
        Output::Perform(_) => &["performed", "file_failed"],
        Output::Event(_) => &["acknowledge"],
        Output::CloseWrite => &["write_closed"],
        Output::Closed => &[],
    }
}

/// An output as text, for comparison.
fn shown<E: Debug>(output: &Output<'_, E>) -> String {
    match output {
        // Payload may be large, so its length and checksum stand for it.
        Output::Write(segments) => {
            let pieces = segments.iter().map(|piece| (piece.len(), Checksum::of(piece)));
            format!("Write({:?})", pieces.collect::<Vec<_>>())
        }
        Output::Perform(Effect::Write { handle, offset, data }) => {
            format!("Perform(Write({handle:?}, {offset}, {}, {}))", data.len(), Checksum::of(data))
        }
        other => format!("{other:?}"),
    }
}

impl<M: Machine<Event: Debug>> ContractChecker<M> {
    fn check(&mut self, now: Duration) {
        let machine = &mut self.0;
        let output = machine.poll(now);
        let fitting = fitting(&output);
        let before = shown(&output);
        if fitting.contains(&"received") {
            machine.read_space().fill(b'\n');
        }
        let refused = |report: &str, outcome: Result<(), Misuse>| {
            assert!(outcome.is_err(), "{report} was taken for an answer to {before}");
        };
        macro_rules! wrong {
            ($($report:literal: $call:expr;)*) => {
                $(if !fitting.contains(&$report) {
                    refused($report, $call);
                })*
            };
        }
        let error = StoreError::new(StoreErrorKind::Io, "probe");
        wrong! {
            "received": machine.received(1);
            "end": machine.received(0);
            "would_block": machine.would_block();
            "sent": machine.sent(0);
            "passed_through": machine.passed_through(1);
            "read_failed": machine.read_failed();
            "write_failed": machine.write_failed();
            "performed": machine.performed(Ok(Done::Discarded));
            "file_failed": machine.performed(Err(error));
            "acknowledge": machine.acknowledge();
            "write_closed": machine.write_closed();
            // Reports with impossible numbers.
            "received too much": machine.received(usize::MAX);
            "sent too much": machine.sent(usize::MAX);
            "passed_through none": machine.passed_through(0);
            "passed_through too much": machine.passed_through(usize::MAX);
            "send-prepared of nothing": machine.performed(Ok(Done::SendPrepared { length: 0, checksum: None }));
        }
        let after = shown(&machine.poll(now));
        assert_eq!(before, after, "a second poll or a misuse changed something");
    }
}

/// Wraps a machine and abandons a read at each poll that asks for one, but does nothing else that [`ContractChecker`]
/// does: how much is read at once depends on what room was asked for before.
#[derive(Debug)]
pub struct Abandoning<M>(pub M);

/// Implements `Machine` by the machine within, but for `poll`.
macro_rules! wrap {
    ($wrapper:ident, $poll:item) => {
        impl<M: Machine<Event: Debug>> Machine for $wrapper<M> {
            type Event = M::Event;

            $poll

            fn deadline(&self) -> Option<Duration> {
                self.0.deadline()
            }

            fn read_space(&mut self) -> &mut [u8] {
                self.0.read_space()
            }

            fn received(&mut self, count: usize) -> Result<(), Misuse> {
                self.0.received(count)
            }

            fn would_block(&mut self) -> Result<(), Misuse> {
                self.0.would_block()
            }

            fn sent(&mut self, count: usize) -> Result<(), Misuse> {
                self.0.sent(count)
            }

            fn passed_through(&mut self, count: usize) -> Result<(), Misuse> {
                self.0.passed_through(count)
            }

            fn read_failed(&mut self) -> Result<(), Misuse> {
                self.0.read_failed()
            }

            fn write_failed(&mut self) -> Result<(), Misuse> {
                self.0.write_failed()
            }

            fn performed(&mut self, outcome: Result<Done, StoreError>) -> Result<(), Misuse> {
                self.0.performed(outcome)
            }

            fn acknowledge(&mut self) -> Result<(), Misuse> {
                self.0.acknowledge()
            }

            fn write_closed(&mut self) -> Result<(), Misuse> {
                self.0.write_closed()
            }
        }
    };
}

wrap!(
    ContractChecker,
    fn poll(&mut self, now: Duration) -> Output<'_, M::Event> {
        self.check(now);
        self.0.poll(now)
    }
);

wrap!(
    Abandoning,
    fn poll(&mut self, now: Duration) -> Output<'_, M::Event> {
        let reads = matches!(self.0.poll(now), Output::Read(_) | Output::Receive { .. });
        if reads {
            self.0.read_space().fill(b'\n');
        }
        self.0.poll(now)
    }
);

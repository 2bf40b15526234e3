//! Carries out one output of a machine over a simulated socket.

use std::time::Duration;

use bytes::Bytes;
use haul_core::{Checksum, Done, Effect, Limits, Machine, Misuse, Output, StoreError, Wait};
use haul_harness::{Handles, Random};

use crate::fault::{Fault, Tally};
use crate::pipe::{Io, Pipe};
use crate::planted::Planted;

/// The most bytes that pass by a machine in one step.
const PASSED_AT_ONCE: usize = 8 << 10;
/// A line of a listing is shorter than this.
const LISTED: usize = 1 << 10;

/// The result of a machine's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Acted,
    Blocked,
    Over,
}

/// How the driver of one machine behaves.
#[derive(Debug, Default)]
pub(super) struct DriverState {
    pub(super) short_reads: u32,
    pub(super) short_writes: u32,
    pub(super) would_block: u32,
    /// Held bytes on their way to the socket, and from the socket to the file.
    held: Bytes,
    received: Bytes,
    most_in: usize,
    most_out: usize,
    /// What the machine has open.
    handles: Handles,
}

impl DriverState {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            // A client reads lines in units of 64 KiB.
            most_in: limits.chunk + (64 << 10),
            most_out: Limits::HIGH_WATER
                + Limits::MAX_PIPELINED_BYTES
                + limits.chunk.max(limits.list_batch * LISTED),
            ..Self::default()
        }
    }
}

fn spend(budget: &mut u32) -> bool {
    let spent = *budget > 0;
    *budget = budget.saturating_sub(1);
    spent
}

/// Both directions as one side has them, and what else a turn needs.
pub(super) struct TurnContext<'a> {
    pub(super) incoming: &'a mut Pipe,
    pub(super) outgoing: &'a mut Pipe,
    pub(super) random: &'a mut Random,
    pub(super) tally: &'a mut Tally,
    pub(super) planted: Option<Planted>,
    pub(super) now: Duration,
}

/// What machines ask for beside their socket.
pub(super) trait Application<E> {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError>;
    fn event(&mut self, event: &E);
}

impl TurnContext<'_> {
    fn read(&mut self, driver: &mut DriverState, space: &mut [u8]) -> Io {
        let most = if spend(&mut driver.short_reads) {
            self.tally.note(Fault::ShortReads);
            self.random.between(1, space.len().min(3))
        } else {
            self.random.size(space.len())
        };
        self.incoming.read(&mut space[..most])
    }

    /// How many of `wanted` bytes are sent now.
    fn room(&mut self, driver: &mut DriverState, wanted: usize) -> Io {
        match self.outgoing.room() {
            Io::Moved(room) if spend(&mut driver.short_writes) => {
                self.tally.note(Fault::ShortWrites);
                Io::Moved(room.min(wanted).min(3))
            }
            Io::Moved(room) => Io::Moved(self.random.size(wanted).min(room)),
            other => other,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        match self.planted {
            Some(Planted::ReplyAltered) if self.random.one_in(4) => {
                let at = self.random.below(bytes.len());
                bytes[at] ^= 2;
            }
            Some(Planted::ReplyRepeated) if self.random.one_in(16) => self.outgoing.write(&bytes),
            _ => {}
        }
        self.outgoing.write(&bytes);
    }
}

/// Lets `machine` take one turn. An error is a broken invariant.
pub(super) fn turn<M: Machine>(
    machine: &mut M,
    driver: &mut DriverState,
    mut bench: TurnContext<'_>,
    application: &mut impl Application<M::Event>,
) -> Result<Turn, String> {
    let bench = &mut bench;
    match machine.poll(bench.now) {
        Output::Read(wait) => {
            if spend(&mut driver.would_block) {
                bench.tally.note(Fault::WouldBlock);
                // A wait that is woken without cause polls again and reports nothing.
                return if wait == Wait::Never {
                    acted(machine.would_block())
                } else {
                    Ok(Turn::Acted)
                };
            }
            let space = machine.read_space();
            if space.is_empty() || space.len() > driver.most_in {
                return Err(format!("there is room to read {} bytes", space.len()));
            }
            match bench.read(driver, space) {
                Io::Moved(count) => acted(machine.received(count)),
                Io::Blocked if wait == Wait::Never => acted(machine.would_block()),
                Io::Blocked => Ok(Turn::Blocked),
                Io::Failed => acted(machine.read_failed()),
            }
        }
        Output::Write(segments) => {
            let wanted: usize = segments.iter().map(<[u8]>::len).sum();
            if wanted == 0 || wanted > driver.most_out {
                return Err(format!("{wanted} bytes wait to go out"));
            }
            match bench.room(driver, wanted) {
                Io::Moved(room) => {
                    let mut left = room;
                    for piece in segments.iter() {
                        let part = piece.len().min(left);
                        if part > 0 {
                            bench.write(&piece[..part]);
                        }
                        left -= part;
                    }
                    acted(machine.sent(room))
                }
                Io::Blocked => Ok(Turn::Blocked),
                Io::Failed => acted(machine.write_failed()),
            }
        }
        Output::Receive { handle, length } => {
            driver.handles.receives(handle)?;
            receive(machine, driver, bench, length)
        }
        Output::Send { handle, length } => {
            driver.handles.sends(handle)?;
            if length != driver.held.len() {
                return Err(String::from("not what is held is asked for"));
            }
            match bench.room(driver, length) {
                Io::Moved(count) => {
                    let bytes = driver.held.split_to(count);
                    bench.write(&bytes);
                    acted(machine.sent(count))
                }
                Io::Blocked => Ok(Turn::Blocked),
                Io::Failed => acted(machine.write_failed()),
            }
        }
        Output::Perform(effect) => {
            let outcome = perform(effect, driver, bench.random, application);
            driver.handles.note(effect, &outcome)?;
            acted(machine.performed(outcome))
        }
        Output::Event(event) => {
            application.event(event);
            acted(machine.acknowledge())
        }
        Output::CloseWrite => {
            bench.outgoing.end();
            acted(machine.write_closed())
        }
        Output::Closed if driver.handles.is_empty() => Ok(Turn::Over),
        Output::Closed => Err(format!("it is over and leaves open: {:?}", driver.handles)),
    }
}

/// Held bytes are read and written as other bytes are, so the application need not know of them.
fn perform<E>(
    effect: &Effect,
    driver: &mut DriverState,
    random: &mut Random,
    application: &mut impl Application<E>,
) -> Result<Done, StoreError> {
    match effect {
        Effect::PrepareSend { handle, offset, length, read, checksum } => {
            let holds = random.one_in(2);
            let length = if holds { *length } else { *read };
            let (handle, offset) = (*handle, *offset);
            match application.perform(&Effect::Read { handle, offset, length })? {
                Done::Read(data) if holds && !data.is_empty() => {
                    let checksum = checksum.then(|| Checksum::of(&data));
                    let length = data.len();
                    driver.held = data;
                    Ok(Done::SendPrepared { length, checksum })
                }
                done => Ok(done),
            }
        }
        Effect::WriteReceived { handle, offset, length: _ } => {
            let data = std::mem::take(&mut driver.received);
            let checksum = Checksum::of(&data);
            let (handle, offset) = (*handle, *offset);
            application.perform(&Effect::Write { handle, offset, data })?;
            Ok(Done::ReceivedWritten { checksum })
        }
        effect => application.perform(effect),
    }
}

/// Payload goes from the socket to where it is held for the file.
fn receive<M: Machine>(
    machine: &mut M,
    driver: &mut DriverState,
    bench: &mut TurnContext<'_>,
    length: usize,
) -> Result<Turn, String> {
    let mut buffer = vec![0; PASSED_AT_ONCE.min(length)];
    match bench.read(driver, &mut buffer) {
        Io::Moved(0) => acted(machine.received(0)),
        Io::Moved(count) => {
            driver.received = Bytes::copy_from_slice(&buffer[..count]);
            acted(machine.passed_through(count))
        }
        Io::Blocked => Ok(Turn::Blocked),
        Io::Failed => acted(machine.read_failed()),
    }
}

fn acted(reported: Result<(), Misuse>) -> Result<Turn, String> {
    reported.map(|()| Turn::Acted).map_err(|misuse| misuse.to_string())
}

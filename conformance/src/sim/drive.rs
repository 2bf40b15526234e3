//! One output of a machine, carried out over a simulated socket.

use std::time::Duration;

use bytes::Bytes;
use haul_core::{Checksum, Done, Effect, Limits, Machine, Misuse, Output, StoreError, Wait};

use super::fault::{Fault, Tally};
use super::pipe::{Io, Pipe};
use super::planted::Planted;
use crate::random::Random;

/// The most that passes by a machine in one step.
const PASSED_AT_ONCE: usize = 8 << 10;
/// A line of a listing is shorter.
const LISTED: usize = 1 << 10;

/// What a machine did with its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Acted,
    Blocked,
    Over,
}

/// How the driver of one machine behaves.
#[derive(Debug, Default)]
pub(super) struct Habits {
    pub(super) short_reads: u32,
    pub(super) short_writes: u32,
    pub(super) would_block: u32,
    /// Whether payload that was read may be held back from the machine.
    hold: bool,
    held: Bytes,
    /// Bytes were taken from the socket and their file failed: told when the file is next asked for.
    failed: Option<StoreError>,
    most_in: usize,
    most_out: usize,
}

impl Habits {
    pub(super) fn new(limits: &Limits, pass_through: bool) -> Self {
        Self {
            hold: pass_through,
            // A client reads lines by the 64 KiB.
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

/// Both directions as one side sees them, and whatever else a turn needs.
pub(super) struct Bench<'a> {
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

impl Bench<'_> {
    fn read(&mut self, habits: &mut Habits, space: &mut [u8]) -> Io {
        let most = if spend(&mut habits.short_reads) {
            self.tally.note(Fault::ShortReads);
            self.random.between(1, space.len().min(3))
        } else {
            self.random.size(space.len())
        };
        self.incoming.read(&mut space[..most])
    }

    /// How many of `wanted` bytes go out now.
    fn room(&mut self, habits: &mut Habits, wanted: usize) -> Io {
        match self.outgoing.room() {
            Io::Moved(room) if spend(&mut habits.short_writes) => {
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
    habits: &mut Habits,
    mut bench: Bench<'_>,
    application: &mut impl Application<M::Event>,
) -> Result<Turn, String> {
    let bench = &mut bench;
    match machine.poll(bench.now) {
        Output::Read(wait) => {
            if spend(&mut habits.would_block) {
                bench.tally.note(Fault::WouldBlock);
                // A wait that is woken for nothing polls again and reports nothing.
                return if wait == Wait::Never {
                    acted(machine.would_block())
                } else {
                    Ok(Turn::Acted)
                };
            }
            let space = machine.read_space();
            if space.is_empty() || space.len() > habits.most_in {
                return Err(format!("there is room to read {} bytes", space.len()));
            }
            match bench.read(habits, space) {
                Io::Moved(count) => acted(machine.received(count)),
                Io::Blocked if wait == Wait::Never => acted(machine.would_block()),
                Io::Blocked => Ok(Turn::Blocked),
                Io::Failed => acted(machine.read_failed()),
            }
        }
        Output::Write(segments) => {
            let wanted: usize = segments.iter().map(<[u8]>::len).sum();
            if wanted == 0 || wanted > habits.most_out {
                return Err(format!("{wanted} bytes wait to go out"));
            }
            match bench.room(habits, wanted) {
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
        Output::Receive { offset, length } => {
            receive(machine, habits, bench, application, offset, length)
        }
        Output::SendHeld { length } => {
            if length != habits.held.len() {
                return Err(String::from("not what is held is asked for"));
            }
            match bench.room(habits, length) {
                Io::Moved(count) => {
                    let bytes = habits.held.split_to(count);
                    bench.write(&bytes);
                    acted(machine.sent(count))
                }
                Io::Blocked => Ok(Turn::Blocked),
                Io::Failed => acted(machine.write_failed()),
            }
        }
        Output::Perform(effect) => {
            let late = habits.failed.take().filter(|_| *effect != Effect::Discard);
            let mut outcome = match late {
                None => application.perform(effect),
                Some(error) => {
                    if matches!(effect, Effect::Sync { .. } | Effect::Publish { .. }) {
                        // After their failure the machine has nothing to discard any more.
                        let _ = application.perform(&Effect::Discard);
                    }
                    Err(error)
                }
            };
            if let Ok(Done::Read(data)) = &outcome
                && !data.is_empty()
                && habits.hold
                && bench.random.one_in(2)
            {
                habits.held = data.clone();
                let checksum = Some(Checksum::of(data));
                outcome = Ok(Done::Held { length: data.len(), checksum });
            }
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
        Output::Closed => Ok(Turn::Over),
    }
}

/// Payload goes from the socket to the file without the machine.
fn receive<M: Machine>(
    machine: &mut M,
    habits: &mut Habits,
    bench: &mut Bench<'_>,
    application: &mut impl Application<M::Event>,
    offset: u64,
    length: u64,
) -> Result<Turn, String> {
    if let Some(error) = habits.failed.take() {
        return acted(machine.performed(Err(error)));
    }
    let mut buffer = vec![0; PASSED_AT_ONCE.min(usize::try_from(length).unwrap_or(usize::MAX))];
    match bench.read(habits, &mut buffer) {
        Io::Moved(0) => acted(machine.received(0)),
        Io::Moved(count) => {
            let data = Bytes::copy_from_slice(&buffer[..count]);
            let checksum = Checksum::of(&data);
            // Taken is taken: though the file fails, the machine must know how much of the payload is still to come.
            habits.failed = application.perform(&Effect::Write { offset, data }).err();
            acted(machine.passed(count as u64, checksum))
        }
        Io::Blocked => Ok(Turn::Blocked),
        Io::Failed => acted(machine.read_failed()),
    }
}

fn acted(reported: Result<(), Misuse>) -> Result<Turn, String> {
    reported.map(|()| Turn::Acted).map_err(|misuse| misuse.to_string())
}

//! Carries out one output of a machine.

use std::time::Duration;

use haul_core::{Machine, Misuse, Output, Wait};

use crate::Choices;
use crate::Handles;
use crate::files::Files;

/// The maximum number of bytes that pass by a machine in one step.
const PASSED_AT_ONCE: usize = 8 << 10;

/// The result of a read or a write.
pub(super) enum Io {
    /// This many bytes; 0 from a read is the end of the stream.
    Moved(usize),
    Blocked,
    Failed,
}

/// A socket.
pub(super) trait Wire {
    fn read(&mut self, space: &mut [u8]) -> Io;
    /// How many bytes can be written now.
    fn room(&mut self) -> Io;
    /// Writes bytes for which there is room.
    fn write(&mut self, bytes: &[u8]);
    fn close_write(&mut self);
}

/// The result of a machine's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It moved this many bytes over the socket, possibly none.
    Moved(usize),
    /// It waits for the peer to send.
    WaitsToRead,
    /// It waits for the peer to read.
    WaitsToWrite,
    /// It has ended.
    Over,
}

/// What a turn needs besides the machine.
pub(super) struct Context<'a, 'c, F, W> {
    pub(super) files: &'a mut F,
    pub(super) handles: &'a mut Handles,
    pub(super) wire: &'a mut W,
    pub(super) choices: &'a mut Choices<'c>,
    pub(super) now: &'a mut Duration,
    /// How long each effect takes.
    pub(super) storage: Duration,
}

pub(super) fn turn<M: Machine, F: Files, W: Wire>(
    machine: &mut M,
    context: Context<'_, '_, F, W>,
    on_event: impl FnOnce(&M::Event),
) -> Result<Turn, Misuse> {
    let Context { files, handles, wire, choices, now, storage } = context;
    match machine.poll(*now) {
        Output::Read(wait) => {
            if wait == Wait::Never && choices.flip() {
                machine.would_block()?;
                return Ok(Turn::Moved(0));
            }
            let space = machine.read_space();
            assert!(!space.is_empty(), "there is no room to read into");
            let most = choices.size(space.len());
            match wire.read(&mut space[..most]) {
                Io::Moved(count) => {
                    machine.received(count)?;
                    return Ok(Turn::Moved(count));
                }
                Io::Blocked if wait == Wait::Never => machine.would_block()?,
                Io::Blocked => return Ok(Turn::WaitsToRead),
                Io::Failed => machine.read_failed()?,
            }
        }
        Output::Write(segments) => {
            let room = match wire.room() {
                Io::Moved(room) => room,
                Io::Blocked => return Ok(Turn::WaitsToWrite),
                Io::Failed => {
                    machine.write_failed()?;
                    return Ok(Turn::Moved(0));
                }
            };
            let most = choices.size(room);
            let mut count = 0;
            for piece in segments.iter() {
                let part = piece.len().min(most - count);
                wire.write(&piece[..part]);
                count += part;
                if count == most {
                    break;
                }
            }
            machine.sent(count)?;
            return Ok(Turn::Moved(count));
        }
        Output::Receive { handle, length } => {
            insist(handles.receives(handle));
            let mut buffer = vec![0; choices.size(PASSED_AT_ONCE.min(length))];
            match wire.read(&mut buffer) {
                Io::Moved(0) => machine.received(0)?,
                Io::Moved(count) => {
                    let space = machine.read_space();
                    if choices.flip() && count <= space.len() {
                        space[..count].copy_from_slice(&buffer[..count]);
                        machine.received(count)?;
                    } else {
                        files.receive(handle, &buffer[..count]);
                        machine.passed_through(count)?;
                    }
                    return Ok(Turn::Moved(count));
                }
                Io::Blocked => return Ok(Turn::WaitsToRead),
                Io::Failed => machine.read_failed()?,
            }
        }
        Output::Send { handle, length } => match wire.room() {
            Io::Moved(room) => {
                insist(handles.sends(handle));
                let bytes = files.send(handle, choices.size(length).min(room));
                wire.write(&bytes);
                machine.sent(bytes.len())?;
                return Ok(Turn::Moved(bytes.len()));
            }
            Io::Blocked => return Ok(Turn::WaitsToWrite),
            Io::Failed => machine.write_failed()?,
        },
        Output::Perform(effect) => {
            let outcome = files.perform(effect);
            insist(handles.note(effect, &outcome));
            *now += storage;
            machine.performed(outcome)?;
        }
        Output::Event(event) => {
            on_event(event);
            machine.acknowledge()?;
        }
        Output::CloseWrite => {
            wire.close_write();
            machine.write_closed()?;
        }
        Output::Closed => {
            assert!(handles.is_empty(), "a machine is over and leaves something open: {handles:?}");
            return Ok(Turn::Over);
        }
    }
    Ok(Turn::Moved(0))
}

fn insist(kept: Result<(), String>) {
    kept.unwrap_or_else(|broken| panic!("the contract of handles is broken: {broken}"));
}

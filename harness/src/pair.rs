//! A client and a server against each other.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use haul_core::Machine;
use haul_core::client::ClientEvent;
use haul_core::server::ServerEvent;

use crate::Choices;
use crate::Handles;
use crate::local_files::LocalFiles;
use crate::memory_files::MemoryFiles;
use crate::turn::{Context, Io, Turn, Wire, turn};

/// Rounds without moving a byte, and further rounds for each byte moved. More are a hang.
const STEPS: usize = 20_000;
const STEPS_PER_BYTE: usize = 40;

/// Two machines joined by two pipes.
#[derive(Debug)]
pub struct Pair<'a, C, S> {
    /// The client's side.
    pub client: C,
    /// The client's files.
    pub local: LocalFiles,
    /// The server's side.
    pub server: S,
    /// The server's files.
    pub shared: MemoryFiles,
    /// The client's events.
    pub client_events: Vec<ClientEvent>,
    /// The server's events.
    pub server_events: Vec<ServerEvent>,
    /// The time of both.
    pub now: Duration,
    choices: Choices<'a>,
    client_handles: Handles,
    server_handles: Handles,
    up: Pipe,
    down: Pipe,
    budget: usize,
    client_is_over: bool,
    server_is_over: bool,
}

/// Why nothing happens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standstill {
    /// Both have ended.
    Over,
    /// Both wait for the other to send, without a deadline: the client has nothing to do.
    Idle,
}

/// One direction of a connection.
#[derive(Debug)]
struct Pipe {
    bytes: BytesMut,
    room: usize,
    /// Nothing more is written.
    ended: bool,
    /// Nobody reads any more.
    reader_gone: bool,
    /// The connection breaks after this many bytes.
    breaks_after: Option<u64>,
    passed: u64,
}

impl Pipe {
    fn new(room: usize) -> Self {
        Self {
            bytes: BytesMut::new(),
            room,
            ended: false,
            reader_gone: false,
            breaks_after: None,
            passed: 0,
        }
    }

    fn is_broken(&self) -> bool {
        self.breaks_after.is_some_and(|after| self.passed >= after)
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= self.room
    }
}

struct Ends<'a> {
    incoming: &'a mut Pipe,
    outgoing: &'a mut Pipe,
}

impl Wire for Ends<'_> {
    fn read(&mut self, space: &mut [u8]) -> Io {
        let count = space.len().min(self.incoming.bytes.len());
        if count == 0 {
            return if self.incoming.is_broken() {
                Io::Failed
            } else if self.incoming.ended {
                Io::Moved(0)
            } else {
                Io::Blocked
            };
        }
        self.incoming.bytes.copy_to_slice(&mut space[..count]);
        Io::Moved(count)
    }

    fn room(&mut self) -> Io {
        let pipe = &self.outgoing;
        if pipe.reader_gone || pipe.is_broken() {
            Io::Failed
        } else if pipe.is_full() {
            Io::Blocked
        } else {
            let left = pipe.breaks_after.map_or(u64::MAX, |after| after - pipe.passed);
            Io::Moved(
                (pipe.room - pipe.bytes.len()).min(usize::try_from(left).unwrap_or(usize::MAX)),
            )
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.outgoing.bytes.extend_from_slice(bytes);
        self.outgoing.passed += bytes.len() as u64;
    }

    fn close_write(&mut self) {
        self.outgoing.ended = true;
    }
}

impl<'a, C, S> Pair<'a, C, S>
where
    C: Machine<Event = ClientEvent>,
    S: Machine<Event = ServerEvent>,
{
    /// Joins both by pipes that hold `room` bytes each.
    pub fn new(
        client: C,
        local: LocalFiles,
        server: S,
        shared: MemoryFiles,
        room: usize,
        choices: &'a [u8],
    ) -> Self {
        Self {
            client,
            local,
            server,
            shared,
            client_events: Vec::new(),
            server_events: Vec::new(),
            now: Duration::ZERO,
            choices: Choices::new(choices),
            client_handles: Handles::default(),
            server_handles: Handles::default(),
            up: Pipe::new(room),
            down: Pipe::new(room),
            budget: STEPS,
            client_is_over: false,
            server_is_over: false,
        }
    }

    /// Breaks the connection after this many bytes from the client, or from the server.
    pub fn break_after(&mut self, up: Option<u64>, down: Option<u64>) {
        (self.up.breaks_after, self.down.breaks_after) = (up, down);
    }

    /// Continues until nothing happens any more.
    ///
    /// # Panics
    /// As [`step`](Self::step) does.
    pub fn play(&mut self) -> Standstill {
        loop {
            if let Some(standstill) = self.step() {
                return standstill;
            }
        }
    }

    /// Lets a side that can take a turn do so. If none can, time passes.
    ///
    /// # Panics
    /// When both sides block in writing, or a machine takes a correct report for a misuse, breaks the contract of
    /// effects, or makes steps without moving a byte.
    pub fn step(&mut self) -> Option<Standstill> {
        self.budget = self.budget.checked_sub(1).expect("the machines go on without getting on");
        let server_first = self.choices.flip();
        let first = if server_first { self.server_turn() } else { self.client_turn() };
        if let Turn::Moved(count) = first {
            self.budget += count * STEPS_PER_BYTE;
            return None;
        }
        let second = if server_first { self.client_turn() } else { self.server_turn() };
        if let Turn::Moved(count) = second {
            self.budget += count * STEPS_PER_BYTE;
            return None;
        }
        assert!(
            (first, second) != (Turn::WaitsToWrite, Turn::WaitsToWrite),
            "both sides are stuck in writing"
        );
        if self.client_is_over && self.server_is_over {
            return Some(Standstill::Over);
        }
        let client = self.client.deadline().filter(|_| !self.client_is_over);
        let server = self.server.deadline().filter(|_| !self.server_is_over);
        match client.into_iter().chain(server).min() {
            // A client without requests is left alone; the server's idle timeout is for other tests.
            _ if client.is_none() && !self.client_is_over => Some(Standstill::Idle),
            Some(moment) => {
                self.now = self.now.max(moment);
                None
            }
            None => Some(Standstill::Idle),
        }
    }

    fn client_turn(&mut self) -> Turn {
        if self.client_is_over {
            return Turn::Over;
        }
        let context = Context {
            files: &mut self.local,
            handles: &mut self.client_handles,
            wire: &mut Ends { incoming: &mut self.down, outgoing: &mut self.up },
            choices: &mut self.choices,
            now: &mut self.now,
            storage: Duration::ZERO,
        };
        let client_events = &mut self.client_events;
        let turn = turn(&mut self.client, context, |event| client_events.push(event.clone()))
            .expect("the report is right");
        if turn == Turn::Over {
            self.client_is_over = true;
            (self.up.ended, self.down.reader_gone) = (true, true);
        }
        turn
    }

    fn server_turn(&mut self) -> Turn {
        if self.server_is_over {
            return Turn::Over;
        }
        let context = Context {
            files: &mut self.shared,
            handles: &mut self.server_handles,
            wire: &mut Ends { incoming: &mut self.up, outgoing: &mut self.down },
            choices: &mut self.choices,
            now: &mut self.now,
            storage: Duration::ZERO,
        };
        let server_events = &mut self.server_events;
        let turn = turn(&mut self.server, context, |event| server_events.push(event.clone()))
            .expect("the report is right");
        if turn == Turn::Over {
            self.server_is_over = true;
            (self.down.ended, self.up.reader_gone) = (true, true);
        }
        turn
    }

    /// Lets the client take turns again, after it had ended and got another request.
    pub fn wake_client(&mut self) {
        self.client_is_over = false;
    }
}

//! One machine against given bytes.

use std::time::Duration;

use haul_core::Machine;

use crate::Choices;
use crate::Handles;
use crate::files::Files;
use crate::turn::{Context, Io, Turn, Wire, turn};

/// Steps without moving a byte, and further steps for each byte moved. More are a hang.
const STEPS: usize = 2_000_000;
const STEPS_PER_BYTE: usize = 40;

/// What the peer does when all its bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It closes its sending half.
    HangUp,
    /// It sends nothing more.
    Silence,
    /// The connection breaks.
    Broken,
}

/// How to drive a machine against a peer that sends `input` whatever it receives.
#[derive(Debug, Clone)]
pub struct Single<'a> {
    /// What the peer sends.
    pub input: &'a [u8],
    /// What it does then.
    pub end: End,
    /// How reads and writes are cut.
    pub choices: &'a [u8],
    /// A read returns at most one line, as from somebody who waits for each reply.
    pub by_line: bool,
    /// After this many bytes from the machine the peer reads no more: writes fail, reads do not.
    pub reads_at_most: Option<usize>,
    /// The time between two reads that return something.
    pub pace: Duration,
    /// The time between two writes that accept something.
    pub taking: Duration,
    /// How long each effect takes.
    pub storage: Duration,
}

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Run<E> {
    /// What the machine sent.
    pub output: Vec<u8>,
    /// Its events.
    pub events: Vec<E>,
    /// Whether it ended. Otherwise it waits for the peer without a deadline.
    pub over: bool,
    /// The number of bytes of the input that it read.
    pub taken: usize,
    /// The number of outputs that were carried out.
    pub steps: usize,
    /// The time at the end.
    pub now: Duration,
}

impl<E> Run<E> {
    /// What the machine sent, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

impl<'a> Single<'a> {
    /// All of `input` at once, then the end of the stream.
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            end: End::HangUp,
            choices: &[],
            by_line: false,
            reads_at_most: None,
            pace: Duration::ZERO,
            taking: Duration::ZERO,
            storage: Duration::ZERO,
        }
    }

    /// With reads and writes cut like this.
    #[must_use]
    pub fn cut(self, choices: &'a [u8]) -> Self {
        Self { choices, ..self }
    }

    /// With at most one line for each read.
    #[must_use]
    pub fn by_line(self) -> Self {
        Self { by_line: true, ..self }
    }

    /// With this end.
    #[must_use]
    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Drives `machine` to its end, or until it waits without a deadline.
    ///
    /// # Panics
    /// When the machine takes a correct report for a misuse, breaks the contract of effects, or makes steps without
    /// moving a byte.
    pub fn play<M: Machine, F: Files>(&self, machine: &mut M, files: &mut F) -> Run<M::Event>
    where
        M::Event: Clone,
    {
        self.play_with(machine, files, |_, _, _| {})
    }

    /// Like [`play`](Self::play). `before` is called before each step, with the machine, the files and the step's
    /// number.
    ///
    /// # Panics
    /// As [`play`](Self::play) does.
    pub fn play_with<M: Machine, F: Files>(
        &self,
        machine: &mut M,
        files: &mut F,
        mut before: impl FnMut(&mut M, &mut F, usize),
    ) -> Run<M::Event>
    where
        M::Event: Clone,
    {
        let mut wire = Script {
            single: self,
            at: 0,
            output: Vec::new(),
            now: Duration::ZERO,
            next_read: Duration::ZERO,
            next_write: Duration::ZERO,
        };
        let mut choices = Choices::new(self.choices);
        let mut handles = Handles::default();
        let mut events = Vec::new();
        let mut now = Duration::ZERO;
        let mut budget = STEPS;
        let mut steps = 0;
        let over = loop {
            before(machine, files, steps);
            steps += 1;
            budget = budget.checked_sub(1).expect("the machine goes on without getting on");
            wire.now = now;
            let context = Context {
                files,
                handles: &mut handles,
                wire: &mut wire,
                choices: &mut choices,
                now: &mut now,
                storage: self.storage,
            };
            let next = match turn(machine, context, |event| events.push(event.clone()))
                .expect("the report is right")
            {
                Turn::Moved(count) => {
                    budget += count * STEPS_PER_BYTE;
                    continue;
                }
                Turn::WaitsToRead => wire.next_read,
                Turn::WaitsToWrite => wire.next_write,
                Turn::Over => break true,
            };
            let next = (next > now).then_some(next);
            match next.into_iter().chain(machine.deadline()).min() {
                Some(moment) => now = now.max(moment),
                None => break false,
            }
        };
        Run { output: wire.output, events, over, taken: wire.at, steps, now }
    }
}

struct Script<'a> {
    single: &'a Single<'a>,
    at: usize,
    output: Vec<u8>,
    now: Duration,
    next_read: Duration,
    next_write: Duration,
}

impl Wire for Script<'_> {
    fn read(&mut self, space: &mut [u8]) -> Io {
        let rest = &self.single.input[self.at..];
        if rest.is_empty() {
            return match self.single.end {
                End::HangUp => Io::Moved(0),
                End::Silence => Io::Blocked,
                End::Broken => Io::Failed,
            };
        }
        if self.now < self.next_read {
            return Io::Blocked;
        }
        let within = &rest[..rest.len().min(space.len())];
        let line = || within.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        let count = self.single.by_line.then(line).flatten().unwrap_or(within.len());
        space[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        self.next_read = self.now + self.single.pace;
        Io::Moved(count)
    }

    fn room(&mut self) -> Io {
        let left = self.single.reads_at_most.map_or(usize::MAX, |most| most - self.output.len());
        if left == 0 {
            return Io::Failed;
        }
        if self.now < self.next_write {
            return Io::Blocked;
        }
        self.next_write = self.now + self.single.taking;
        Io::Moved(left)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    fn close_write(&mut self) {}
}

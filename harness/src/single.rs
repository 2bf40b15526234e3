//! One machine against bytes.

use std::time::Duration;

use haul_core::Machine;

use crate::Choices;
use crate::Handles;
use crate::memory_files::Files;
use crate::turn::{Bench, Io, Turn, Wire, turn};

/// Steps that a machine may take without moving a byte, and for each byte moved: more is a hang.
const STEPS: usize = 20_000;
const STEPS_PER_BYTE: usize = 40;

/// What the peer does when all its bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It closes its sending half.
    HangUp,
    /// It says nothing more.
    Silence,
    /// The connection breaks.
    Broken,
}

/// How a machine is driven against a peer that sends `input` whatever it is told.
#[derive(Debug, Clone)]
pub struct Solo<'a> {
    /// What the peer sends.
    pub input: &'a [u8],
    /// What it does then.
    pub end: End,
    /// How reads and writes are cut.
    pub choices: &'a [u8],
    /// A read brings one line at most, as from somebody who waits for what is said to it.
    pub by_line: bool,
    /// After so many bytes of the machine's the peer takes no more: writes fail, reads do not.
    pub deaf_after: Option<usize>,
    /// The time between two reads that bring something.
    pub pace: Duration,
    /// The time between two writes that take something.
    pub taking: Duration,
    /// What each effect takes.
    pub storage: Duration,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Run<E> {
    /// What the machine sent.
    pub output: Vec<u8>,
    /// What it told.
    pub events: Vec<E>,
    /// Whether it came to its end; else it waits for the peer without a deadline.
    pub over: bool,
    /// Bytes of the input that it took.
    pub taken: usize,
    /// Outputs that were carried out.
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

impl<'a> Solo<'a> {
    /// All of `input` at once, then the end of the stream.
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            end: End::HangUp,
            choices: &[],
            by_line: false,
            deaf_after: None,
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

    /// With one line at most for each read.
    #[must_use]
    pub fn by_line(self) -> Self {
        Self { by_line: true, ..self }
    }

    /// With this end.
    #[must_use]
    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Drives `machine` to its end, or until it waits for ever.
    ///
    /// # Panics
    /// When the machine calls a right report a misuse, breaks the contract of effects, or goes on without getting on.
    pub fn play<M: Machine, F: Files>(&self, machine: &mut M, files: &mut F) -> Run<M::Event>
    where
        M::Event: Clone,
    {
        self.play_with(machine, files, |_, _, _| {})
    }

    /// As [`play`](Self::play); `before` sees machine and files before each step, with the step's number.
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
            solo: self,
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
            let bench = Bench {
                files,
                handles: &mut handles,
                wire: &mut wire,
                choices: &mut choices,
                now: &mut now,
                storage: self.storage,
            };
            let next = match turn(machine, bench, |event| events.push(event.clone()))
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
    solo: &'a Solo<'a>,
    at: usize,
    output: Vec<u8>,
    now: Duration,
    next_read: Duration,
    next_write: Duration,
}

impl Wire for Script<'_> {
    fn read(&mut self, space: &mut [u8]) -> Io {
        let rest = &self.solo.input[self.at..];
        if rest.is_empty() {
            return match self.solo.end {
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
        let count = self.solo.by_line.then(line).flatten().unwrap_or(within.len());
        space[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        self.next_read = self.now + self.solo.pace;
        Io::Moved(count)
    }

    fn room(&mut self) -> Io {
        let left = self.solo.deaf_after.map_or(usize::MAX, |most| most - self.output.len());
        if left == 0 {
            return Io::Failed;
        }
        if self.now < self.next_write {
            return Io::Blocked;
        }
        self.next_write = self.now + self.solo.taking;
        Io::Moved(left)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    fn close_write(&mut self) {}
}

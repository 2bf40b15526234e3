//! Walks every cell of the table with the real machine, and compares the table with the one in `docs/PROTOCOL.md`.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::Server;
use super::api::ServerConfig;
use super::table::{self, State};
use crate::checksum::Checksum;
use crate::effect::{Done, Effect, Opened};
use crate::error::{StoreError, StoreErrorKind};
use crate::limits::Limits;
use crate::machine::Machine;
use crate::output::{Output, Wait};
use crate::table::walk::{Visited, assert_on_page};

/// An input of a machine.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// The client sends this, once the machine reads.
    Sends(&'static str),
    /// The client closes its sending half.
    Ends,
    /// The socket breaks.
    Breaks,
    /// Nothing happens until the deadline.
    Silence,
    /// The server drains; a running command may continue.
    Drains,
    /// The server stops at once.
    Stops,
    /// This input, when the machine writes, and nothing is written.
    AtWrite(&'static Happens),
    /// This input, when the machine sends prepared payload, and nothing is sent.
    AtSend(&'static Happens),
}

use Happens::{AtSend, AtWrite, Breaks, Drains, Ends, Sends, Silence, Stops};
use State::{Body, Busy, Discarding, Lingering, Over, Ready};

/// A machine and its inputs.
struct Play {
    server: Server,
    now: Duration,
    happens: VecDeque<Happens>,
    /// The effects that fail, once each.
    fails: Vec<&'static str>,
    said: String,
}

impl Play {
    fn new(happens: &[Happens], fails: &[&'static str]) -> Self {
        let limits = Limits { max_data: 64, max_discard: 64, ..Limits::default() };
        let config = ServerConfig { limits, pass_through: true, ..ServerConfig::default() };
        let server = Server::new(Arc::new(config));
        let (happens, fails) = (happens.iter().copied().collect(), fails.to_vec());
        Self { server, now: Duration::ZERO, happens, fails, said: String::new() }
    }

    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        if let Some(at) = self.fails.iter().position(|name| *name == effect.name()) {
            self.fails.remove(at);
            return Err(StoreError::new(StoreErrorKind::Io, "it was to fail"));
        }
        Ok(match effect {
            Effect::List { .. } | Effect::Create { .. } => Done::Started,
            Effect::NextEntries { .. } => Done::Entries { entries: Vec::new(), skipped: 0 },
            Effect::Open { .. } => Done::Opened(Opened { size: Some(1), ..Opened::default() }),
            Effect::PrepareSend { .. } => {
                Done::SendPrepared { length: 1, checksum: Some(Checksum::of(b"y")) }
            }
            Effect::FinishReading { .. } => Done::Finished,
            Effect::Write { .. } => Done::Written,
            Effect::Sync { .. } | Effect::SyncDirectories { .. } => Done::Synced,
            Effect::Publish { .. } => Done::Published { version: None },
            Effect::Close { .. } => Done::Closed,
            Effect::Discard { .. } => Done::Discarded,
            Effect::Delete { .. } | Effect::MakeDirectory { .. } | Effect::Move { .. } => {
                Done::Changed
            }
            Effect::Read { .. }
            | Effect::WriteReceived { .. }
            | Effect::Copy { .. }
            | Effect::Identify { .. }
            | Effect::WhoAmI { .. } => panic!("{effect:?}"),
        })
    }

    /// Lets the machine wait in vain, or stops it.
    fn happen(&mut self, happens: Happens) {
        match happens {
            Silence => self.now = self.server.deadline().expect("it waits"),
            Drains => self.server.shut_down(self.now + Duration::from_secs(1)),
            Stops => self.server.shut_down(self.now),
            Sends(_) | Ends | Breaks | AtWrite(_) | AtSend(_) => panic!("not now: {happens:?}"),
        }
    }

    /// Plays until there are no more inputs and the machine waits, or is over.
    fn play(&mut self) {
        loop {
            let next = self.happens.front().copied();
            match self.server.poll(self.now) {
                Output::Write(segments) => {
                    let bytes: Vec<u8> = segments.iter().flatten().copied().collect();
                    if let Some(AtWrite(happens)) = next {
                        self.happens.pop_front();
                        match happens {
                            Breaks => self.server.write_failed().expect("it writes"),
                            happens => self.happen(*happens),
                        }
                        continue;
                    }
                    self.said.push_str(core::str::from_utf8(&bytes).expect("it says text"));
                    self.server.sent(bytes.len()).expect("it writes");
                }
                Output::Send { length, .. } => {
                    if let Some(AtSend(happens)) = next {
                        self.happens.pop_front();
                        self.happen(*happens);
                        continue;
                    }
                    self.said.push('y');
                    self.server.sent(length).expect("it sends");
                }
                Output::Read(wait) => {
                    let Some(happens) = self.happens.pop_front() else {
                        if wait == Wait::UntilDeadline {
                            return;
                        }
                        self.server.would_block().expect("it looks");
                        continue;
                    };
                    match happens {
                        Sends(text) => {
                            let space = self.server.read_space();
                            let (now, later) = text.split_at(text.len().min(space.len()));
                            space[..now.len()].copy_from_slice(now.as_bytes());
                            self.server.received(now.len()).expect("it reads");
                            if !later.is_empty() {
                                self.happens.push_front(Sends(later));
                            }
                        }
                        Ends => self.server.received(0).expect("it reads"),
                        Breaks => self.server.read_failed().expect("it reads"),
                        AtWrite(_) | AtSend(_) | Silence if wait == Wait::Never => {
                            self.happens.push_front(happens);
                            self.server.would_block().expect("it looks");
                        }
                        happens => self.happen(happens),
                    }
                }
                Output::Perform(effect) => {
                    let effect = effect.clone();
                    let outcome = self.perform(&effect);
                    self.server.performed(outcome).expect("it was asked");
                }
                Output::Event(_) => self.server.acknowledge().expect("it is one"),
                Output::CloseWrite => self.server.write_closed().expect("it was asked"),
                Output::Receive { .. } => panic!("no body here is large enough"),
                Output::Closed => return,
            }
        }
    }
}

type Case = (&'static [Happens], &'static [&'static str], &'static str, State);

const TWO: &str = "UPLOAD a\nDATA 1\nxEND\nUPLOAD b\nDATA 1\nxEND\n";
const ONE_AND_A_HALF: &str = "UPLOAD a\nDATA 1\nxEND\nUPLOAD b\n";
const ONE_AND_A_FAULT: &str = "UPLOAD a\nDATA 1\nxEND\nUPLOAD b\nX\n";
const STORED_AND_DELETED: &str = "UPLOAD a\nDATA 1\nxEND\nDELETE a\n";
const UNKNOWN_TWICE: &str = "ERR outcome-unknown|ERR outcome-unknown";
const REFUSED_AND_MUCH: &str = concat!(
    "X\nDATA 64\n",
    "0123456789012345678901234567890123456789012345678901234567890123",
    "DATA 1\n"
);
const UNKNOWN: &str = "ERR unknown-command \"X is not a command; HELP lists them\"";
const NO_BODY: &str = "ERR protocol \"DATA and END belong to an UPLOAD\"";
const CONTROL: &str = "ERR protocol \"a line has no control characters\"";
const HALF: &str = "ERR protocol \"the connection ended inside a line\"";
const STOPPING: &str = "ERR shutting-down \"the server is stopping; try again later\"";
const SLOW: &str = "ERR timeout \"you were too slow\"";
const CANCELLED: &str = "ERR aborted \"cancelled\"";
const LISTED: &str = "OK entries=0";

/// The inputs, the effects that fail, the beginnings of the replies separated by `|`, and the final state.
const CASES: &[Case] = &[
    // Ready.
    (&[Sends("LIST\n")], &[], LISTED, Ready),
    (&[Sends("EXIT\n"), Ends], &[], "OK \"bye\"", Over),
    (&[Sends("UPLOAD a\n")], &[], "READY", Body),
    (&[Sends("X\n")], &[], UNKNOWN, Discarding),
    (&[Sends("DATA 1\n")], &[], NO_BODY, Lingering),
    (&[Sends("DATA 65\n")], &[], NO_BODY, Lingering),
    (&[Sends("END\n")], &[], NO_BODY, Lingering),
    (&[Sends("ABORT\n")], &[], "", Ready),
    (&[Sends("\u{1}\n")], &[], CONTROL, Lingering),
    (&[Ends], &[], "", Over),
    (&[Sends("LI"), Ends], &[], HALF, Over),
    (&[Drains], &[], STOPPING, Lingering),
    (&[Sends("LIST\n"), AtWrite(&Stops)], &[], "OK|ERR shutting-down", Lingering),
    (&[Silence], &[], SLOW, Lingering),
    (&[Breaks], &[], "", Over),
    // Discarding.
    (&[Sends("X\nLIST\n")], &[], "ERR|OK", Ready),
    (&[Sends("X\nUPLOAD a\n")], &[], "ERR|READY", Body),
    (&[Sends("X\nX\n")], &[], "ERR|ERR unknown-command", Discarding),
    (&[Sends("X\nDATA 1\nxEND\n")], &[], "ERR", Discarding),
    (&[Sends("X\nDATA 65\n")], &[], "ERR|ERR protocol \"a DATA is", Lingering),
    (&[Sends(REFUSED_AND_MUCH)], &[], "ERR|ERR protocol \"too much", Lingering),
    (&[Sends("X\nABORT\n")], &[], "ERR", Discarding),
    (&[Sends("X\n\u{1}\n")], &[], "ERR|ERR protocol \"a line has", Lingering),
    (&[Sends("X\n"), Ends], &[], "ERR", Over),
    (&[Sends("X\nLI"), Ends], &[], "ERR|ERR protocol \"the conn", Over),
    (&[Sends("X\n"), Drains], &[], "ERR|ERR shutting-down", Lingering),
    (&[Sends("X\n"), AtWrite(&Stops)], &[], "ERR|ERR shutting-down", Lingering),
    (&[Sends("X\n"), Silence], &[], "ERR|ERR timeout", Lingering),
    (&[Sends("X\n"), Breaks], &[], "ERR", Over),
    // Busy.
    (&[Sends("LIST\nLIST\n")], &[], "OK|OK", Ready),
    (&[Sends("LIST\nUPLOAD a\n")], &[], "OK|READY", Body),
    (&[Sends("LIST\nX\n")], &[], "OK|ERR unknown-command", Discarding),
    (&[Sends("LIST\nLIST\nX\nABORT\n")], &[], "ERR aborted|ERR aborted|ERR aborted", Discarding),
    (&[Sends("LIST\nDATA 1\n")], &[], "OK|ERR protocol \"DATA and", Lingering),
    (&[Sends("LIST\nEND\n")], &[], "OK|ERR protocol \"DATA and", Lingering),
    (&[Sends("LIST\nABORT\n")], &[], CANCELLED, Discarding),
    (&[Sends("LIST\n\u{1}\n")], &[], "OK|ERR protocol \"a line has", Lingering),
    (&[Sends("LIST\n"), Stops], &[], STOPPING, Lingering),
    (&[Sends("DOWNLOAD f\n"), Breaks], &[], "", Over),
    (&[Sends("DOWNLOAD f\n"), AtSend(&Silence)], &[], "SENDING|DATA 1", Over),
    (&[Sends("LIST\n")], &["list"], "ERR io", Discarding),
    // Body.
    (&[Sends("UPLOAD a\nDATA 1\nxEND\n")], &[], "READY|OK size=1", Ready),
    (&[Sends("UPLOAD a\nLIST\n")], &[], "READY|ERR protocol \"the body", Lingering),
    (&[Sends("UPLOAD a\nUPLOAD b\n")], &[], "READY|ERR protocol \"the body", Lingering),
    (&[Sends("UPLOAD a\nX\n")], &[], "READY|ERR protocol \"the body", Lingering),
    (&[Sends("UPLOAD a\nDATA 65\n")], &[], "READY|ERR protocol \"a DATA is", Lingering),
    (&[Sends("UPLOAD a\nABORT\n")], &[], "READY|ERR aborted", Discarding),
    (&[Sends("UPLOAD a\n\u{1}\n")], &[], "READY|ERR protocol \"a line has", Lingering),
    (&[Sends("UPLOAD a\n"), Ends], &[], "READY", Over),
    (&[Sends("UPLOAD a\nEN"), Ends], &[], "READY", Over),
    (&[Sends("UPLOAD a\n"), Stops], &[], "READY|ERR shutting-down", Lingering),
    (&[Sends("UPLOAD a\n"), Silence], &[], "READY|ERR timeout", Lingering),
    (&[Sends("UPLOAD a\n"), Breaks], &[], "READY", Over),
    (&[Sends("UPLOAD a\nDATA 1\nxEND\n")], &["create"], "ERR io", Discarding),
    // Commits.
    (&[Sends("UPLOAD a\nDATA 1\nxEND\n")], &["sync"], "READY|ERR io", Discarding),
    (&[Sends(TWO)], &[], "READY|OK|READY|OK", Ready),
    (&[Sends(TWO)], &["publish"], "READY|ERR io|READY|OK", Ready),
    (&[Sends(TWO)], &["sync"], "READY|ERR io|READY|ERR io", Discarding),
    (&[Sends(ONE_AND_A_HALF)], &[], "READY|OK|READY", Body),
    (&[Sends(ONE_AND_A_HALF)], &["sync"], "READY|ERR io|READY", Body),
    (&[Sends(ONE_AND_A_FAULT)], &[], "READY|OK|READY|ERR protocol", Lingering),
    (&[Sends(ONE_AND_A_FAULT)], &["sync"], "READY|ERR io|READY|ERR protocol", Lingering),
    (&[Sends("DELETE a\n")], &[], "OK", Ready),
    (&[Sends("DELETE a\n")], &["delete"], "ERR io", Discarding),
    (&[Sends(STORED_AND_DELETED)], &[], "READY|OK size|OK", Ready),
    (&[Sends(STORED_AND_DELETED)], &["sync"], "READY|ERR io|OK", Ready),
    (&[Sends("DELETE a\nMKDIR b\n")], &["sync-directory"], UNKNOWN_TWICE, Discarding),
    // Closing.
    (&[Sends("EXIT\n"), AtWrite(&Breaks)], &[], "", Over),
    (&[Sends("EXIT\n"), Breaks], &[], "OK \"bye\"", Over),
    (&[Sends("EXIT\n"), Silence], &[], "OK \"bye\"", Over),
];

#[test]
fn every_cell_is_what_the_machine_does() {
    let mut visited = Visited::default();
    for (happens, fails, replies, then) in CASES {
        let mut play = Play::new(happens, fails);
        play.play();
        let mut lines = play.said.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("HAUL/1")), "{happens:?}");
        let lines: Vec<&str> = lines.collect();
        let expected: Vec<&str> = replies.split('|').filter(|reply| !reply.is_empty()).collect();
        let matches = lines.iter().zip(&expected).all(|(line, reply)| line.starts_with(reply));
        assert!(lines.len() == expected.len() && matches, "{happens:?}: {lines:?}, not {replies}");
        assert_eq!(play.server.current.get(), *then, "{happens:?}: {lines:?}");
        visited.add(&play.server.current);
    }
    visited.assert_complete(&STATES, &table::all());
}

/// The states, in the order of the columns.
const STATES: [State; State::COUNT] =
    [Ready, Discarding, Busy, Body, State::Ending, State::Flushing, Lingering, Over];

#[test]
fn the_protocol_page_has_this_table() {
    assert_on_page(&STATES, &table::all());
}

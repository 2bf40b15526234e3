//! Walks every cell of the table with the real machine, and compares the table with the one in `docs/PROTOCOL.md`.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::api::ClientConfig;
use super::table::{self, State};
use super::{Client, ClientEvent, Failure, Request};
use crate::effect::{Done, Effect, Opened};
use crate::machine::Machine;
use crate::message::{Depth, Mode};
use crate::name::FilePath;
use crate::output::{Output, Wait};
use crate::table::walk::{Visited, assert_on_page};

/// An input of a machine.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// The application requests a listing before the greeting.
    ListsEarly,
    /// The application requests a listing.
    Lists,
    /// The application requests an upload of two pieces.
    Uploads,
    /// The application requests the end.
    Exits,
    /// The server sends this.
    Says(&'static str),
    /// The server closes its sending half.
    Ends,
    /// The socket breaks, when the machine reads.
    Breaks,
    /// The socket breaks, when the machine writes.
    BreaksAtWrite,
    /// Nothing happens until the deadline.
    Silence,
}

use Happens::{Breaks, BreaksAtWrite, Ends, Exits, Lists, ListsEarly, Says, Silence, Uploads};
use State::{Early, Idle, Over, Start, Waiting};

const HELLO: Happens = Says("HAUL/1 \"\" max-data=65536 pipeline=8\n");

/// The inputs, what the application is told after the greeting, and the final state.
type Case = (&'static [Happens], &'static str, State);

const CASES: &[Case] = &[
    // Start.
    (&[], "", Start),
    (&[HELLO], "", Idle),
    (&[Says("READY\n")], "lost: violation it does not begin", Over),
    (&[Says("OK\n")], "lost: violation it does not begin", Over),
    (&[Says("ERR denied \"\"\n")], "lost: refused denied", Over),
    (&[Says("ERR busy \"\"\n")], "lost: refused busy", Over),
    (&[Says("NO\n")], "lost: violation a line is none", Over),
    (&[Ends], "lost: disconnected", Over),
    (&[Breaks], "lost: disconnected", Over),
    (&[Silence], "lost: no greeting", Over),
    // Early.
    (&[ListsEarly], "", Early),
    (&[ListsEarly, HELLO], "", Waiting),
    (&[ListsEarly, HELLO, Says("OK entries=0\n")], "1: ok", Idle),
    (&[ListsEarly, Says("DIR d\n")], "1: violation it does not begin|lost: violation", Over),
    (&[ListsEarly, Says("OK entries=0\n")], "1: violation it does not begin|lost: violation", Over),
    (&[ListsEarly, Says("ERR denied \"\"\n")], "1: refused denied|lost: refused denied", Over),
    (&[ListsEarly, Says("ERR busy \"\"\n")], "1: refused busy|lost: refused busy", Over),
    (&[ListsEarly, Says("NO\n")], "1: violation a line is none|lost: violation", Over),
    (&[ListsEarly, Ends], "1: disconnected|lost: disconnected", Over),
    (&[ListsEarly, Breaks], "1: disconnected|lost: disconnected", Over),
    (&[ListsEarly, BreaksAtWrite, Says("ERR busy \"\"\n")], "1: refused busy|lost: refused", Over),
    (&[ListsEarly, Silence], "1: no greeting|lost: no greeting", Over),
    // Idle.
    (&[HELLO, HELLO], "lost: violation it speaks without", Over),
    (&[HELLO, Says("READY\n")], "lost: violation it speaks without", Over),
    (&[HELLO, Says("OK\n")], "lost: violation it speaks without", Over),
    (&[HELLO, Says("ERR denied \"\"\n")], "lost: violation it speaks without", Over),
    (&[HELLO, Says("ERR timeout \"\"\n")], "lost: refused timeout", Over),
    (&[HELLO, Says("NO\n")], "lost: violation a line is none", Over),
    (&[HELLO, Ends], "lost: disconnected", Over),
    (&[HELLO, Breaks], "lost: disconnected", Over),
    (&[HELLO, Lists], "", Waiting),
    // Waiting.
    (&[HELLO, Lists, HELLO], "1: violation a line is not|lost: violation a line is not", Over),
    (&[HELLO, Lists, Says("DIR d\n")], "1: entry", Waiting),
    (&[HELLO, Lists, Says("READY\n")], "1: violation a line is not|lost: violation", Over),
    (&[HELLO, Lists, Says("OK entries=0\n")], "1: ok", Idle),
    (&[HELLO, Lists, Says("OK entries=1\n")], "1: violation a listing|lost: violation", Over),
    (&[HELLO, Lists, Says("ERR denied \"\"\n")], "1: refused denied", Idle),
    (&[HELLO, Lists, Says("ERR busy \"\"\n")], "1: refused busy|lost: refused busy", Over),
    (&[HELLO, Lists, Says("NO\n")], "1: violation a line is none|lost: violation", Over),
    (&[HELLO, Lists, Ends], "1: disconnected|lost: disconnected", Over),
    (&[HELLO, Lists, Breaks], "1: disconnected|lost: disconnected", Over),
    (&[HELLO, Lists, BreaksAtWrite, Ends], "1: disconnected|lost: disconnected", Over),
    (&[HELLO, Lists, BreaksAtWrite, Says("ERR busy \"\"\n")], "1: refused|lost: refused", Over),
    (&[HELLO, Lists, Silence], "1: timed out|lost: timed out", Over),
    (&[HELLO, Lists, Exits, Says("OK entries=0\n")], "1: ok", Waiting),
    // A body is refused or cancelled, and the server reads no more.
    (
        &[HELLO, Uploads, Says("READY\nERR denied \"\"\n"), BreaksAtWrite, Silence],
        "1: progress|1: refused denied|lost: timed out",
        Over,
    ),
    // The end.
    (&[HELLO, Exits, Says("OK \"bye\"\n"), Ends], "1: ok", Over),
    (&[HELLO, Exits, Says("OK \"bye\"\n"), Breaks], "1: ok", Over),
    (&[HELLO, Exits, Says("OK \"bye\"\n"), Silence], "1: ok", Over),
    (&[HELLO, Exits, Says("OK \"bye\"\n")], "1: ok", State::Lingering),
];

/// A machine and its inputs.
struct Play {
    client: Client,
    now: Duration,
    happens: VecDeque<Happens>,
    reported: Vec<String>,
}

impl Play {
    /// Carries out an input that needs no output of the machine. Returns whether it did.
    fn asks(&mut self) -> bool {
        let path = FilePath::parse("f").expect("it is one");
        let request = match self.happens.front() {
            Some(Lists | ListsEarly) => {
                Request::List { path: None, depth: Depth::ONE, omitted: false }
            }
            Some(Uploads) => Request::Upload { path, mode: Mode::Replace, if_match: None },
            Some(Exits) => Request::Exit,
            _ => return false,
        };
        self.happens.pop_front();
        self.client.request(request);
        true
    }

    /// Plays until there are no more inputs and the machine waits, or is over.
    fn play(&mut self) {
        loop {
            let may_ask = self.client.greeting().is_some()
                || matches!(self.happens.front(), Some(ListsEarly));
            if may_ask && self.asks() {
                continue;
            }
            match self.client.poll(self.now) {
                Output::Write(segments) => {
                    let count = segments.iter().map(<[u8]>::len).sum();
                    if let Some(BreaksAtWrite) = self.happens.front() {
                        self.happens.pop_front();
                        self.client.write_failed().expect("it writes");
                    } else {
                        self.client.sent(count).expect("it writes");
                    }
                }
                Output::Read(wait) => match self.happens.pop_front() {
                    Some(Says(text)) => {
                        self.client.read_space()[..text.len()].copy_from_slice(text.as_bytes());
                        self.client.received(text.len()).expect("it reads");
                    }
                    Some(Ends) => self.client.received(0).expect("it reads"),
                    Some(Breaks) => self.client.read_failed().expect("it reads"),
                    Some(Silence) if wait == Wait::UntilDeadline => {
                        self.now = self.client.deadline().expect("it waits");
                    }
                    Some(happens) => {
                        self.happens.push_front(happens);
                        self.client.would_block().expect("it looks");
                    }
                    None if wait == Wait::Never => self.client.would_block().expect("it looks"),
                    None => return,
                },
                Output::Perform(effect) => {
                    let done = match effect {
                        Effect::Open { .. } => {
                            Done::Opened(Opened { size: Some(2 << 16), ..Opened::default() })
                        }
                        Effect::Read { length, .. } => Done::Read(vec![b'x'; *length].into()),
                        Effect::Close { .. } => Done::Closed,
                        effect => panic!("{effect:?}"),
                    };
                    self.client.performed(Ok(done)).expect("it was asked");
                }
                Output::Event(event) => {
                    self.reported.extend(words(event));
                    self.client.acknowledge().expect("it is one");
                }
                Output::CloseWrite => self.client.write_closed().expect("it was asked"),
                Output::Receive { .. } | Output::Send { .. } => panic!("pass-through is off"),
                Output::Closed => return,
            }
        }
    }
}

fn words(event: &ClientEvent) -> Option<String> {
    Some(match event {
        ClientEvent::Greeted(_) => return None,
        ClientEvent::Entry { id, .. } => format!("{}: entry", id.0),
        ClientEvent::Progress { id, .. } => format!("{}: progress", id.0),
        ClientEvent::Finished { id, result: Ok(_) } => format!("{}: ok", id.0),
        ClientEvent::Finished { id, result: Err(failure) } => {
            format!("{}: {}", id.0, reason(failure))
        }
        ClientEvent::Lost(failure) => format!("lost: {}", reason(failure)),
        ClientEvent::Info { .. } | ClientEvent::Grant { .. } | ClientEvent::Sending { .. } => {
            panic!("{event:?}")
        }
    })
}

fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Refused(refusal) => format!("refused {}", refusal.word),
        Failure::Violation(text) => format!("violation {text}"),
        Failure::NoGreeting => "no greeting".into(),
        Failure::TimedOut => "timed out".into(),
        Failure::Disconnected => "disconnected".into(),
        failure => panic!("{failure:?}"),
    }
}

#[test]
fn every_cell_is_what_the_machine_does() {
    let mut visited = Visited::default();
    for (happens, reported, then) in CASES {
        let client = Client::new(ClientConfig { early: true, ..ClientConfig::default() });
        let happens = happens.iter().copied().collect();
        let mut play = Play { client, now: Duration::ZERO, happens, reported: Vec::new() };
        play.play();
        let expected: Vec<&str> = reported.split('|').filter(|text| !text.is_empty()).collect();
        let matches =
            play.reported.iter().zip(&expected).all(|(text, begin)| text.starts_with(begin));
        assert!(
            play.reported.len() == expected.len() && matches,
            "{:?}, not {reported}",
            play.reported
        );
        assert_eq!(play.client.current.get(), *then, "{reported}");
        visited.add(&play.client.current);
    }
    visited.assert_complete(&STATES, &table::all());
}

/// The states, in the order of the columns.
const STATES: [State; State::COUNT] =
    [Start, Early, Idle, Waiting, State::Leaving, State::Lingering, Over];

#[test]
fn the_protocol_page_has_this_table() {
    assert_on_page(&STATES, &table::all());
}

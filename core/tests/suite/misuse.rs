//! A transport that reports something that was not requested gets an error, and the machine does not change.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haul_core::client::{Client, ClientConfig, Request};
use haul_core::server::{Server, ServerConfig};
use haul_core::{
    Checksum, Depth, Done, Effect, Entry, FilePath, Machine, Misuse, Mode, Opened, Output,
    StoreError, StoreErrorKind, Wait,
};
use haul_harness::{Faults, LocalFiles, PassThrough, Single};

use crate::sessions::{config, shared};

/// A request of a machine, with the limits of a correct answer.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Read(Wait),
    Write(usize),
    Receive(usize),
    Send(usize),
    Perform(Effect),
    Event,
    CloseWrite,
    Closed,
}

impl Asked {
    fn of<E>(output: &Output<'_, E>) -> Self {
        match output {
            Output::Read(wait) => Self::Read(*wait),
            Output::Write(segments) => Self::Write(segments.iter().map(<[u8]>::len).sum()),
            Output::Receive { length, .. } => Self::Receive(*length),
            Output::Send { length, .. } => Self::Send(*length),
            Output::Perform(effect) => Self::Perform((*effect).clone()),
            Output::Event(_) => Self::Event,
            Output::CloseWrite => Self::CloseWrite,
            Output::Closed => Self::Closed,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Write(_) => "write",
            Self::Receive(_) => "receive",
            Self::Send(_) => "send",
            Self::Perform(effect) => effect.name(),
            Self::Event => "event",
            Self::CloseWrite => "close-write",
            Self::Closed => "nothing: it is closed",
        }
    }
}

/// Answers that do not fit `effect`, or exceed its limits.
fn wrong_outcomes(effect: &Effect) -> Vec<Done> {
    let entries = |count| Done::Entries {
        entries: vec![
            Entry::Directory {
                path: FilePath::parse("a").unwrap(),
                error: None,
                link: false,
            };
            count
        ],
        skipped: 0,
    };
    let prepared = |length| Done::SendPrepared { length, checksum: Some(Checksum::EMPTY) };
    let all = vec![
        ("list create", Done::Started),
        ("create", Done::Full),
        ("next-entries", entries(0)),
        ("open", Done::Opened(Opened::default())),
        ("read prepare-send", Done::Read(Bytes::new())),
        ("prepare-send", prepared(1)),
        ("finish-reading", Done::Finished),
        ("write", Done::Written),
        ("write-received", Done::ReceivedWritten { checksum: Checksum::EMPTY }),
        ("sync sync-directory", Done::Synced),
        ("publish", Done::Published { version: None }),
        ("close", Done::Closed),
        ("discard", Done::Discarded),
    ];
    let others = all.into_iter().filter(|(of, _)| of.split(' ').all(|of| of != effect.name()));
    let beyond = match effect {
        Effect::NextEntries { max, .. } => vec![entries(max + 1)],
        Effect::Read { length, .. } => vec![Done::Read(vec![0; length + 1].into())],
        Effect::PrepareSend { length, read, checksum: true, .. } => vec![
            Done::Read(vec![0; read + 1].into()),
            prepared(0),
            prepared(length + 1),
            Done::SendPrepared { length: 1, checksum: None },
        ],
        _ => vec![],
    };
    others.map(|(_, done)| done).chain(beyond).collect()
}

type Report<M> = (&'static str, bool, Box<dyn FnOnce(&mut M) -> Result<(), Misuse>>);

/// Everything that can be reported, with numbers at the limits and beyond, and whether it answers the request.
fn reports<M: Machine + 'static>(asked: &Asked, room: usize) -> Vec<Report<M>> {
    let read = matches!(asked, Asked::Read(_) | Asked::Receive(_));
    let (mut write, mut prepared, mut receive) = (None, None, None);
    match asked {
        Asked::Write(length) => write = Some(*length),
        Asked::Send(length) => prepared = Some(*length),
        Asked::Receive(length) => receive = Some(*length),
        _ => {}
    }
    let sendable = write.or(prepared);
    let failing = matches!(asked, Asked::Perform(_));
    let failed = || Err(StoreError::new(StoreErrorKind::Io, "failed"));
    let mut all: Vec<Report<M>> = vec![
        ("received", read, Box::new(|m| m.received(0))),
        ("received", read, Box::new(|m| m.received(1))),
        ("received", false, Box::new(move |m| m.received(room + 1))),
        ("would_block", *asked == Asked::Read(Wait::Never), Box::new(M::would_block)),
        ("sent", sendable.is_some(), Box::new(|m| m.sent(0))),
        ("sent", false, Box::new(move |m| m.sent(sendable.unwrap_or(0) + 1))),
        ("passed_through", false, Box::new(|m| m.passed_through(0))),
        ("passed_through", receive.is_some(), Box::new(|m| m.passed_through(1))),
        ("passed_through", false, Box::new(move |m| m.passed_through(receive.unwrap_or(0) + 1))),
        ("read_failed", read, Box::new(M::read_failed)),
        ("write_failed", sendable.is_some(), Box::new(M::write_failed)),
        ("performed", failing, Box::new(move |m| m.performed(failed()))),
        ("acknowledge", *asked == Asked::Event, Box::new(M::acknowledge)),
        ("write_closed", *asked == Asked::CloseWrite, Box::new(M::write_closed)),
    ];
    if let Asked::Perform(effect) = asked {
        for done in wrong_outcomes(effect) {
            all.push((done.name(), false, Box::new(move |m| m.performed(Ok(done)))));
        }
    } else {
        all.push(("performed", false, Box::new(|m| m.performed(Ok(Done::Written)))));
    }
    all
}

/// Makes all reports that are wrong now.
fn misuse<M: Machine + 'static>(machine: &mut M, seen: &mut Vec<&'static str>)
where
    M::Event: Debug,
{
    let output = machine.poll(Duration::ZERO);
    let (asked, before) = (Asked::of(&output), format!("{output:?}"));
    let reads = matches!(asked, Asked::Read(_) | Asked::Receive(_));
    let room = if reads { machine.read_space().len() } else { 0 };
    for (reported, _, report) in reports::<M>(&asked, room).into_iter().filter(|(_, fits, _)| !fits)
    {
        let expected = Misuse { reported, waiting_for: asked.name() };
        assert_eq!(report(machine), Err(expected), "{before}");
        assert_eq!(format!("{:?}", machine.poll(Duration::ZERO)), before, "{reported}");
    }
    seen.push(asked.name());
}

#[test]
fn of_a_server() {
    let data = "x".repeat(9000);
    let input = format!(
        "UPLOAD a\nDATA 9000\n{data}DATA 1\n!END\nLIST\nUPLOAD b\nDATA 1\nxABORT\nDOWNLOAD photos/sea.jpg\nEXIT\n"
    );
    let mut seen = Vec::new();
    for (passes, pass_through) in [(false, None), (true, Some(PassThrough::WithChecksum))] {
        let mut files = shared().with_faults(Faults { pass_through, ..Faults::default() });
        let config = Arc::new(ServerConfig { pass_through: passes, ..(*config(20_000)).clone() });
        let right = Single::new(input.as_bytes()).by_line();
        let misused =
            right.play_with(&mut Server::new(config.clone()), &mut files, |server, _, _| {
                misuse(server, &mut seen);
            });
        let mut files = shared().with_faults(Faults { pass_through, ..Faults::default() });
        assert_eq!(misused, right.play(&mut Server::new(config), &mut files));
    }
    seen.sort_unstable();
    seen.dedup();
    let all = [
        "close-write",
        "create",
        "discard",
        "event",
        "finish-reading",
        "list",
        "next-entries",
        "nothing: it is closed",
        "open",
        "prepare-send",
        "publish",
        "read",
        "receive",
        "send",
        "sync",
        "sync-directory",
        "write",
        "write-received",
    ];
    assert_eq!(seen, all);
}

#[test]
fn of_a_client() {
    let path = || FilePath::parse("a").unwrap();
    let data = "x".repeat(9000);
    let said = format!(
        "HAUL/1 \"\" max-data=9 pipeline=9\nOK entries=0\nSENDING size=9000 offset=0 length=9000 modified=1970-01-01T00:00:00Z\nDATA 9000\n{data}OK length=9000 crc64nvme={}\nOK \"bye\"\n",
        Checksum::of(data.as_bytes())
    );
    let client = || {
        let mut client = Client::new(ClientConfig {
            pass_through: true,
            durable: true,
            ..ClientConfig::default()
        });
        client.request(Request::List { path: None, depth: Depth::ONE, omitted: false });
        client.request(Request::Download {
            path: path(),
            offset: 0,
            length: None,
            mode: Mode::Create,
            if_match: None,
        });
        client.request(Request::Exit);
        client
    };
    let mut seen = Vec::new();
    let right = Single::new(said.as_bytes()).by_line();
    let misused = right.play_with(&mut client(), &mut LocalFiles::default(), |client, _, _| {
        misuse(client, &mut seen);
    });
    assert_eq!(misused, right.play(&mut client(), &mut LocalFiles::default()));
    seen.sort_unstable();
    seen.dedup();
    let all = [
        "close-write",
        "create",
        "event",
        "nothing: it is closed",
        "publish",
        "read",
        "receive",
        "sync",
        "sync-directory",
        "write",
        "write-received",
    ];
    assert_eq!(seen, all);
}

/// A machine that was not polled has requested nothing.
#[test]
fn before_the_first_poll() {
    let mut machine = Client::new(ClientConfig::default());
    let expected = Misuse { reported: "received", waiting_for: "poll" };
    assert_eq!(machine.received(1), Err(expected));
}

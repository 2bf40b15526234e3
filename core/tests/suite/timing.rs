//! Only time spent waiting for the peer counts: slow peers are disconnected, slow storage never matters.

use std::sync::Arc;
use std::time::Duration;

use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{Depth, ErrorCode, FilePath, Machine, Mode, Output, Timing, Wait};
use haul_harness::{End, Files, LocalFiles, MemoryFiles, Single};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::sessions::{config, ops, session, shared};
use crate::strategies::choices;
use crate::transcript::{Reply, replies, whole_replies};

const SECOND: Duration = Duration::from_secs(1);
/// One byte for each read.
const SINGLE: &[u8] = &[0];

fn codes(output: &[u8]) -> Vec<Option<ErrorCode>> {
    whole_replies(output).iter().map(Reply::code).collect()
}

#[test]
fn a_silent_client_is_sent_away() {
    let timing = Timing::default();
    for (input, code, limit) in [
        ("", Some(ErrorCode::Timeout), timing.idle),
        ("LI", Some(ErrorCode::Timeout), timing.line),
        ("UPLOAD a\nDATA 100\nabc", Some(ErrorCode::Timeout), 2 * timing.window),
        ("UPLOAD a\n", Some(ErrorCode::Timeout), 2 * timing.window),
        ("NO\nDATA 100\nabc", Some(ErrorCode::Timeout), 2 * timing.window),
        ("EXIT\n", None, Duration::ZERO),
    ] {
        let mut files = shared();
        let run = Single::new(input.as_bytes())
            .ending(End::Silence)
            .play(&mut Server::new(config(1000)), &mut files);
        assert!(run.over);
        assert_eq!(codes(&run.output).pop(), Some(code), "{input:?}");
        assert_eq!(run.now, limit + timing.linger, "{input:?}");
        assert!(!files.has_open());
    }
}

/// Each of several running commands has its own start.
#[test]
fn the_beginning_of_each_command_is_told() {
    let uploads = "UPLOAD a\nDATA 1\nxEND\nUPLOAD b\nDATA 100\nabc";
    let single = Single { storage: SECOND, ..Single::new(uploads.as_bytes()).ending(End::Silence) };
    let run = single.play(&mut Server::new(config(1000)), &mut shared());
    let [ServerEvent::Answered { began: first, .. }, ServerEvent::CutOff { began: second, .. }] =
        &run.events[..]
    else {
        panic!("{:?}", run.events);
    };
    assert_eq!((*first, second.as_secs()), (Duration::ZERO, 2), "`a` is created and written first");
}

/// A command takes as long as its work; the end of a session between commands takes no time, whenever it comes.
#[test]
fn the_end_of_each_command_is_told() {
    for (input, times) in [
        // The file is opened, read and finished.
        ("DOWNLOAD notes.txt\nHELP\nDOWNLOAD nothing\n", &[(0, 3), (5, 5), (10, 11)][..]),
        ("LIST\n\u{1}\n", &[(0, 4), (5, 5)]),
        ("LIST\nHE", &[(0, 4), (5, 5)]),
    ] {
        let single = Single { storage: SECOND, pace: 5 * SECOND, ..Single::new(input.as_bytes()) };
        let run = single.by_line().play(&mut Server::new(config(1000)), &mut shared());
        assert_eq!(times_of(&run.events), times, "{input:?}");
    }
    // The first byte comes at once.
    let single = Single { pace: 5 * SECOND, ..Single::new(b"H\x01").cut(SINGLE) };
    let run = single.play(&mut Server::new(config(1000)), &mut shared());
    assert_eq!(times_of(&run.events), [(5, 5)]);
}

/// When each command started and ended, in seconds.
fn times_of(events: &[ServerEvent]) -> Vec<(u64, u64)> {
    let times = events.iter().map(|event| match event {
        ServerEvent::Answered { began, ended, .. }
        | ServerEvent::CutOff { began, ended, .. }
        | ServerEvent::Disconnected { began, ended, .. } => (began.as_secs(), ended.as_secs()),
    });
    times.collect()
}

/// Bytes keep coming, but too few.
#[test]
fn drip_fed_input_is_cut() {
    let body = format!("UPLOAD a\nDATA 5000\n{}END\n", "x".repeat(5000));
    let refused = format!("UPLOAD ..\nDATA 5000\n{}END\n", "x".repeat(5000));
    let tiny = format!("UPLOAD a\n{}END\n", "DATA 1\nx".repeat(3000));
    let line = format!("LIST {}\n", "x".repeat(200));
    for input in [body, refused, tiny, line] {
        let mut files = shared();
        let single = Single { pace: SECOND, ..Single::new(input.as_bytes()).cut(SINGLE) };
        let run = single.play(&mut Server::new(config(1000)), &mut files);
        assert_eq!(codes(&run.output).pop(), Some(Some(ErrorCode::Timeout)), "{}", &input[..20]);
        assert!(files.file("a").is_none() && !files.has_open());
    }
}

/// A person at a pager, a pipe with a slow source, a stopped process: a client that keeps nobody waiting has any time,
/// as long as a byte comes now and then.
#[test]
fn a_slow_client_that_keeps_nobody_waiting_is_served() {
    let body = format!("UPLOAD a\nDATA 500\n{}END\n", "x".repeat(500));
    let refused = format!("UPLOAD ..\nDATA 500\n{}END\n", "x".repeat(500));
    let line = format!("LIST {}\n", "x".repeat(200));
    let takes = "HELP\n".repeat(10);
    for (input, last) in [
        (body, None),
        (refused, Some(ErrorCode::BadName)),
        (line, Some(ErrorCode::NotFound)),
        (takes, None),
    ] {
        let mut server = Server::new(config(1000));
        server.set_scarce(false);
        // Far below the rate, and each byte within the idle time.
        let single = Single {
            pace: 100 * SECOND,
            taking: 100 * SECOND,
            ..Single::new(input.as_bytes()).cut(SINGLE)
        };
        let run = single.play(&mut server, &mut shared());
        assert_eq!(codes(&run.output).pop(), Some(last), "{}", &input[..20]);
    }
}

#[test]
fn a_client_that_is_silent_for_the_idle_time_is_sent_away_though_it_keeps_nobody_waiting() {
    let timing = Timing::default();
    for input in ["", "LI", "UPLOAD a\nDATA 100\nabc", "UPLOAD a\n", "NO\nDATA 100\nabc"] {
        let mut files = shared();
        let mut server = Server::new(config(1000));
        server.set_scarce(false);
        let run = Single::new(input.as_bytes()).ending(End::Silence).play(&mut server, &mut files);
        assert!(run.over && !files.has_open());
        assert_eq!(codes(&run.output).pop(), Some(Some(ErrorCode::Timeout)), "{input:?}");
        assert_eq!(run.now, timing.idle + timing.linger, "{input:?}");
    }
}

/// A client that was slow while that did no harm gets a whole window to catch up from the moment when others wait.
#[test]
fn a_slow_client_that_begins_to_keep_others_waiting_has_a_window_to_make_good() {
    let Timing { window, line, .. } = Timing::default();
    for (input, limit) in [("UPLOAD a\nDATA 100\nabc", window), ("LI", line)] {
        let mut server = Server::new(config(1000));
        server.set_scarce(false);
        let mut files = shared();
        settle(&mut server, &mut files, input.as_bytes(), Duration::ZERO);
        server.set_scarce(true);
        let just_before = |moment: Duration| moment.saturating_sub(SECOND);
        for now in [just_before(limit), limit, just_before(2 * limit)] {
            assert_eq!(settle(&mut server, &mut files, b"", now), "", "{input:?} after {now:?}");
        }
        let said = settle(&mut server, &mut files, b"", 2 * limit);
        assert!(said.starts_with("ERR timeout "), "{input:?}: {said}");
    }
}

/// Continues until the server waits for more than `input`, and returns its output after the greeting and the first
/// reply.
fn settle(server: &mut Server, files: &mut MemoryFiles, mut input: &[u8], now: Duration) -> String {
    let mut said = String::new();
    loop {
        match server.poll(now) {
            Output::Read(Wait::UntilDeadline) if input.is_empty() => return said,
            Output::Read(wait) if input.is_empty() => {
                assert_eq!(wait, Wait::Never);
                server.would_block().unwrap();
            }
            Output::Read(_) => {
                let space = server.read_space();
                let count = space.len().min(input.len());
                space[..count].copy_from_slice(&input[..count]);
                input = &input[count..];
                server.received(count).unwrap();
            }
            Output::Write(segments) => {
                let bytes = segments.first();
                said += &String::from_utf8_lossy(bytes);
                let count = bytes.len();
                server.sent(count).unwrap();
            }
            Output::Perform(effect) => {
                let effect = effect.clone();
                let outcome = files.perform(&effect);
                server.performed(outcome).unwrap();
            }
            Output::Event(_) => server.acknowledge().unwrap(),
            Output::CloseWrite => return said,
            output => panic!("{output:?}"),
        }
    }
}

/// 64 kbit/s is slow and honest.
#[test]
fn a_slow_honest_client_is_served() {
    let input = format!("UPLOAD a\nDATA 200000\n{}END\nDOWNLOAD a\n", "x".repeat(200_000));
    // 122 bytes at a time.
    let single = Single {
        pace: SECOND / 64,
        taking: SECOND / 64,
        ..Single::new(input.as_bytes()).cut(&[97])
    };
    let run = single.play(&mut Server::new(config(1000)), &mut shared());
    assert_eq!(codes(&run.output), [None, None]);
}

/// A client that reads almost nothing is disconnected without a reply: it could not be sent.
#[test]
fn a_client_that_does_not_read_is_cut() {
    for (input, passes) in [
        ("DOWNLOAD photos/sea.jpg\n", false),
        ("DOWNLOAD photos/sea.jpg\n", true),
        (&"HELP\n".repeat(100), false),
    ] {
        let mut files = shared();
        if passes {
            files = files.with_faults(haul_harness::Faults {
                pass_through: Some(haul_harness::PassThrough::WithChecksum),
                ..Default::default()
            });
        }
        let single = Single {
            taking: SECOND,
            ..Single::new(input.as_bytes()).cut(SINGLE).ending(End::Silence)
        };
        let config = Arc::new(ServerConfig { pass_through: passes, ..(*config(10_000)).clone() });
        let run = single.play(&mut Server::new(config), &mut files);
        assert!(run.over && !files.has_open());
        assert!(run.output.len() < 5000);
        assert!(
            matches!(run.events.last(), Some(ServerEvent::Disconnected { .. })),
            "{:?}",
            run.events.last()
        );
    }
}

proptest! {
    /// Each effect may take a day.
    #[test]
    fn slow_storage_cuts_nobody_off(ops in ops(), choices in choices()) {
        let input = session(&ops);
        let plain = Single::new(&input).cut(&choices).play(&mut Server::new(config(5000)), &mut shared());
        let slow = Single { storage: Duration::from_hours(24), ..Single::new(&input).cut(&choices) };
        let slow = slow.play(&mut Server::new(config(5000)), &mut shared());
        prop_assert_eq!(plain.text(), slow.text());
    }

    /// Wherever a client falls silent, the server ends in bounded time, and its replies are valid.
    #[test]
    fn silence_ends_every_session(ops in ops(), at in any::<Index>(), choices in choices()) {
        let input = session(&ops);
        let input = &input[..at.index(input.len() + 1)];
        let mut files = shared();
        let run = Single::new(input).cut(&choices).ending(End::Silence).play(&mut Server::new(config(5000)), &mut files);
        prop_assert!(run.over && !files.has_open());
        prop_assert!(run.now <= Duration::from_mins(11));
        let (_, replies) = replies(&run.output);
        prop_assert_eq!(replies.last().and_then(Reply::code), Some(ErrorCode::Timeout));
    }
}

fn client_with(request: Option<Request>) -> Client {
    let mut client = Client::new(ClientConfig::default());
    if let Some(request) = request {
        client.request(request);
    }
    client
}

#[test]
fn a_client_does_not_wait_for_ever() {
    let list = Request::List { path: None, depth: Depth::ONE, omitted: false };
    let Timing { greeting, reply, .. } = Timing::default();
    for (said, end, failure) in [
        ("", greeting, Failure::NoGreeting),
        ("HAU", greeting, Failure::NoGreeting),
        ("HAUL/1 \"\" max-data=9 pipeline=9\n", reply, Failure::TimedOut),
        ("HAUL/1 \"\" max-data=9 pipeline=9\nFILE", reply, Failure::TimedOut),
    ] {
        let run = Single::new(said.as_bytes())
            .by_line()
            .ending(End::Silence)
            .play(&mut client_with(Some(list.clone())), &mut LocalFiles::default());
        assert!(run.over, "{said:?}");
        assert_eq!(run.now, end, "{said:?}");
        let failures: Vec<_> = run
            .events
            .iter()
            .filter(|event| {
                matches!(event, ClientEvent::Finished { result: Err(told), .. } if *told == failure)
            })
            .collect();
        assert_eq!(failures.len(), 1);
    }
}

#[test]
fn an_idle_client_waits_for_ever() {
    let said = b"HAUL/1 \"\" max-data=9 pipeline=9\n";
    let run = Single::new(said)
        .ending(End::Silence)
        .play(&mut client_with(None), &mut LocalFiles::default());
    assert!(!run.over && run.now == Duration::ZERO);
}

/// Whether the server receives nothing, reads nothing, or is slow with a cancelled request: completed requests stay
/// completed.
#[test]
fn a_goodbye_is_not_waited_for_long() {
    let list = || Request::List { path: None, depth: Depth::ONE, omitted: false };
    let greeting = "HAUL/1 \"\" max-data=9 pipeline=9\n";
    let listed = format!("{greeting}OK entries=0\n");
    let goodbye = Timing::default().goodbye;
    for (said, reads_at_most, reply, lasts) in [
        (&listed, None, Timing::default().reply, goodbye),
        (&format!("{listed}O"), None, Timing::default().reply, goodbye),
        (&listed, Some("LIST\r\n".len()), Timing::default().reply, goodbye),
        (&listed, None, SECOND, SECOND),
    ] {
        let timing = Timing { reply, ..Timing::default() };
        let mut client = Client::new(ClientConfig { timing, ..ClientConfig::default() });
        let (listing, exit) = (client.request(list()), client.request(Request::Exit));
        let single =
            Single { reads_at_most, ..Single::new(said.as_bytes()).by_line().ending(End::Silence) };
        let run = single.play(&mut client, &mut LocalFiles::default());
        assert_eq!((run.over, run.now), (true, lasts), "{said:?}");
        let ends: Vec<_> = run
            .events
            .iter()
            .filter_map(|event| match event {
                ClientEvent::Finished { id, result } => Some((*id, result.as_ref().err())),
                _ => None,
            })
            .collect();
        assert_eq!(ends, [(listing, None), (exit, Some(&Failure::TimedOut))], "{said:?}");
    }
}

/// Requests before `EXIT` have their full time, even though the client leaves afterwards; cancelled ones do not.
#[test]
fn what_is_asked_for_before_the_goodbye_is_waited_for() {
    let timing = Timing::default();
    let greeting = "HAUL/1 \"\" max-data=9 pipeline=9\n";
    // `EXIT` is requested in the last moment.
    for (cancels, lasts) in [(false, 2 * timing.reply), (true, timing.reply + timing.goodbye)] {
        let mut client = Client::new(ClientConfig::default());
        client.request(Request::List { path: None, depth: Depth::ONE, omitted: false });
        let single = Single::new(greeting.as_bytes()).ending(End::Silence);
        let mut wants_more = true;
        let run = single.play_with(&mut client, &mut LocalFiles::default(), |client, _, _| {
            let waits = client.deadline().is_some_and(|deadline| deadline == timing.reply);
            if waits && std::mem::take(&mut wants_more) {
                if cancels {
                    client.cancel_all();
                }
                client.request(Request::Exit);
            }
        });
        assert_eq!((run.over, run.now), (true, lasts));
    }
}

/// Each wait of a client has its own limit: for a line of the server, for payload, for the server to read something,
/// and for the end after `EXIT`.
#[test]
fn each_wait_of_a_client_has_its_bound() {
    let timing = Timing { reply: 100 * SECOND, linger: 3 * SECOND, ..Timing::default() };
    let path = || FilePath::parse("a").unwrap();
    let list = || Request::List { path: None, depth: Depth::ONE, omitted: false };
    let download = || Request::Download {
        path: path(),
        offset: 0,
        length: None,
        mode: Mode::Create,
        if_match: None,
    };
    let upload = || Request::Upload { path: path(), mode: Mode::Replace, if_match: None };
    let greeting = "HAUL/1 \"\" max-data=99999 pipeline=9\n";
    let sending = "SENDING size=9000 offset=0 length=9000 modified=1970-01-01T00:00:00Z\n";
    let never = Duration::from_secs(1_000_000);
    for (request, said, pace, taking, lasts) in [
        (list(), greeting.to_owned(), Duration::ZERO, Duration::ZERO, timing.reply),
        (
            download(),
            format!("{greeting}{sending}DATA 9000\nabc"),
            Duration::ZERO,
            Duration::ZERO,
            timing.reply,
        ),
        // The greeting and two commands are read at once; what is written next is not.
        (upload(), format!("{greeting}READY\n"), Duration::ZERO, never, timing.reply),
        (
            Request::Exit,
            format!("{greeting}OK \"bye\"\n"),
            Duration::ZERO,
            Duration::ZERO,
            timing.linger,
        ),
    ] {
        let mut client =
            Client::new(ClientConfig { timing: timing.clone(), ..ClientConfig::default() });
        client.request(request.clone());
        let single =
            Single { pace, taking, ..Single::new(said.as_bytes()).by_line().ending(End::Silence) };
        let mut files = LocalFiles {
            sources: MemoryFiles::new(true).with_file("a", vec![7; 200_000]),
            targets: MemoryFiles::new(true),
        };
        let run = single.play(&mut client, &mut files);
        assert!(run.over);
        assert_eq!(run.now, lasts, "{request:?}");
    }
}

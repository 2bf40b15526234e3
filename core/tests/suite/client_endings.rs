//! What a client reports when something ends unexpectedly.

use bytes::Bytes;
use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::{Depth, Done, Effect, Handle, Limits, StoreError, StoreErrorKind};
use haul_harness::{End, Faults, Files, LocalFiles, MemoryFiles, Run, Single};

use crate::client_hostile::{GREETING, fetch, sent};
use crate::joined::results;

const DATA: &[u8] = b"a whole file";
const LISTED: &str = "DIR photos\r\nOK entries=1\r\n";

fn list() -> Request {
    Request::List { path: None, depth: Depth::ONE, omitted: false }
}

/// The output of a server that greets, and sends [`DATA`] in place of each `{}`.
fn says(script: &str) -> Vec<u8> {
    let sent = String::from_utf8(sent(DATA)).expect("it is text");
    format!("{GREETING}{}", script.replace("{}", &sent)).into_bytes()
}

fn client(requests: &[Request], durable: bool) -> Client {
    let mut client = Client::new(ClientConfig { durable, ..ClientConfig::default() });
    for request in requests {
        client.request(request.clone());
    }
    client
}

fn targets(durable: bool, faults: Faults) -> LocalFiles {
    LocalFiles { targets: MemoryFiles::new(durable).with_faults(faults), ..LocalFiles::default() }
}

fn outcomes(run: &Run<ClientEvent>) -> Vec<Result<(), Failure>> {
    results(&run.events).into_values().map(|result| result.map(drop)).collect()
}

/// The file has its name by then and is complete, but the request has failed.
#[test]
fn a_name_that_may_not_survive_is_a_failure_with_the_file_there() {
    let said = says("{}");
    let play = |faults| {
        let mut local = targets(true, faults);
        let run = Single::new(&said)
            .by_line()
            .ending(End::Silence)
            .play(&mut client(&[fetch()], true), &mut local);
        (outcomes(&run), local)
    };
    let (went_well, local) = play(Faults::default());
    assert_eq!(went_well, [Ok(())]);
    let names: Vec<_> = local.targets.journal().iter().map(|record| record.name).collect();
    let at = names.iter().position(|name| *name == "sync-directory").expect("it is durable");
    let (failed, local) =
        play(Faults { fail: Some((at, StoreErrorKind::Io)), ..Faults::default() });
    assert!(matches!(failed[..], [Err(Failure::Local(_))]), "{failed:?}");
    assert_eq!(local.targets.file("file"), Some(DATA));
    assert!(!local.has_open());
}

/// Files without room for even one.
struct NoRoom(LocalFiles);

impl Files for NoRoom {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::Create { .. } => Ok(Done::Full),
            _ => self.0.perform(effect),
        }
    }

    fn receive(&mut self, handle: Handle, bytes: &[u8]) {
        self.0.receive(handle, bytes);
    }

    fn send(&mut self, handle: Handle, count: usize) -> Bytes {
        self.0.send(handle, count)
    }
}

/// A client commits each file at once, so it would wait for room for ever.
#[test]
fn no_room_for_one_file_is_a_failure() {
    let said = says(&format!("{{}}{LISTED}"));
    let run = Single::new(&said).by_line().ending(End::Silence).play(
        &mut client(&[fetch(), list()], false),
        &mut NoRoom(targets(false, Faults::default())),
    );
    let outcomes = outcomes(&run);
    let [Err(Failure::Local(error)), Ok(())] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(error.kind, StoreErrorKind::Io);
}

#[test]
fn each_event_names_its_request() {
    let said = says(&format!("{{}}{LISTED}INFO HELP\r\nOK\r\n"));
    let mut client = client(&[], false);
    let ids = [fetch(), list(), Request::Help].map(|request| client.request(request));
    let run = Single::new(&said)
        .by_line()
        .ending(End::HangUp)
        .play(&mut client, &mut targets(false, Faults::default()));
    let mut of = ids.iter().peekable();
    for event in &run.events {
        match event {
            ClientEvent::Greeted(_) | ClientEvent::Lost(_) => assert_eq!(event.id(), None),
            ClientEvent::Finished { .. } => assert_eq!(event.id().as_ref(), of.next()),
            _ => assert_eq!(event.id().as_ref(), of.peek().copied()),
        }
    }
    assert_eq!(outcomes(&run), [Ok(()), Ok(()), Ok(())]);
}

#[test]
fn a_client_says_why_it_is_of_no_more_use() {
    let mut ended = client(&[Request::Exit, list()], false);
    assert_eq!(ended.failure(), None);
    let said = says("OK \"bye\"\r\n");
    let run = Single::new(&said).by_line().play(&mut ended, &mut LocalFiles::default());
    assert!(run.over);
    assert_eq!(outcomes(&run), [Ok(()), Err(Failure::Ended)]);

    let mut lost = client(&[list()], false);
    let endless = says(&"x".repeat(2 * Limits::MAX_LINE));
    Single::new(&endless).ending(End::Silence).play(&mut lost, &mut LocalFiles::default());
    assert_eq!(lost.failure(), Some(&Failure::Violation("a line is longer than 4096 bytes")));
}

/// At any step, with requests that wait, that were sent, and whose file is open.
#[test]
fn what_is_given_up_ends_at_any_step() {
    let requests = [fetch(), list(), fetch(), Request::Help];
    let said = says(&format!("{{}}{LISTED}{{}}OK\r\n"));
    let mut cancelled = 0;
    for at in 0..60 {
        let (mut client, mut local) = (client(&requests, false), targets(false, Faults::default()));
        let run = Single::new(&said).by_line().ending(End::HangUp).play_with(
            &mut client,
            &mut local,
            |client, _, step| {
                if step == at {
                    client.cancel_all();
                }
            },
        );
        let outcomes = outcomes(&run);
        assert_eq!(outcomes.len(), requests.len(), "step {at}");
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Failure::Cancelled))),
            "step {at}: {outcomes:?}"
        );
        assert!(!local.has_open(), "step {at}");
        cancelled += outcomes.iter().filter(|outcome| outcome.is_err()).count();
    }
    assert!(cancelled > requests.len());
}

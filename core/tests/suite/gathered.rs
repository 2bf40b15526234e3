//! Many small requests cost few writes, and a failed one costs the others nothing.

use std::time::Duration;

use bytes::Bytes;
use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::{
    Checksum, Done, Effect, FilePath, Machine, Mode, Opened, Output, RequestId, StoreError,
    StoreErrorKind,
};

const FILE: &[u8] = &[b'x'; 4096];

/// The result of a client's session with a server that answers everything that came in one write at once.
#[derive(Default)]
struct Told {
    writes: Vec<Vec<u8>>,
    looks: usize,
    failed: Vec<(RequestId, Failure)>,
    finished: usize,
}

/// Runs `requests`; files can be created, except for the request `fails`.
fn run(requests: impl IntoIterator<Item = Request>, fails: Option<RequestId>) -> Told {
    let mut client = Client::new(ClientConfig::default());
    let count = requests.into_iter().map(|request| client.request(request)).count();
    let mut incoming = b"HAUL/1 \"\" max-data=1000000 pipeline=64\n".to_vec();
    let mut told = Told::default();
    while told.finished < count {
        match client.poll(Duration::ZERO) {
            Output::Read(wait) => {
                told.looks += usize::from(wait == haul_core::Wait::Never);
                if incoming.is_empty() {
                    client.would_block().unwrap();
                    continue;
                }
                let space = client.read_space();
                let length = space.len().min(incoming.len());
                space[..length].copy_from_slice(&incoming[..length]);
                incoming.drain(..length);
                client.received(length).unwrap();
            }
            Output::Write(segments) => {
                let written: Vec<u8> = segments.iter().flatten().copied().collect();
                client.sent(written.len()).unwrap();
                incoming.extend(answers(&written));
                told.writes.push(written);
            }
            Output::Perform(effect) => {
                let done = match effect {
                    Effect::Create { id, .. } if Some(*id) == fails => {
                        Err(StoreError::new(StoreErrorKind::Exists, "it is there"))
                    }
                    Effect::Create { .. } => Ok(Done::Started),
                    Effect::Write { .. } => Ok(Done::Written),
                    Effect::Publish { .. } => Ok(Done::Published { version: None }),
                    Effect::Open { .. } => {
                        Ok(Done::Opened(Opened { size: Some(4096), ..Opened::default() }))
                    }
                    Effect::Read { .. } => Ok(Done::Read(Bytes::from_static(FILE))),
                    Effect::FinishReading { .. } => Ok(Done::Finished),
                    Effect::Close { .. } => Ok(Done::Closed),
                    Effect::Discard { .. } => Ok(Done::Discarded),
                    other => panic!("{other:?}"),
                };
                client.performed(done).unwrap();
            }
            Output::Event(event) => {
                if let ClientEvent::Finished { id, result } = event {
                    told.finished += 1;
                    told.failed.extend(result.clone().err().map(|failure| (*id, failure)));
                }
                client.acknowledge().unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    told
}

fn answers(written: &[u8]) -> Vec<u8> {
    let checksum = Checksum::of(FILE);
    let mut answers = Vec::new();
    for line in String::from_utf8_lossy(written).lines() {
        if line.starts_with("DOWNLOAD") {
            answers.extend_from_slice(
                b"SENDING size=4096 offset=0 length=4096 modified=1970-01-01T00:00:00Z\nDATA 4096\n",
            );
            answers.extend_from_slice(FILE);
            answers.extend(format!("OK length=4096 crc64nvme={checksum}\n").into_bytes());
        } else if line.starts_with("UPLOAD") {
            answers.extend_from_slice(b"READY\n");
        } else if line.contains("END crc64nvme") {
            answers.extend(format!("OK size=4096 crc64nvme={checksum}\n").into_bytes());
        }
    }
    answers
}

fn name(number: usize) -> FilePath {
    FilePath::parse(&number.to_string()).unwrap()
}

fn download(number: usize) -> Request {
    Request::Download {
        path: name(number),
        offset: 0,
        length: None,
        mode: Mode::Replace,
        if_match: None,
    }
}

#[test]
fn commands_go_out_together() {
    let told = run((0..1000).map(download), None);
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    assert!(told.writes.len() <= 1 + 1000 / 32, "{} writes", told.writes.len());
}

#[test]
fn small_bodies_go_out_together() {
    let upload =
        |number| Request::Upload { path: name(number), mode: Mode::Replace, if_match: None };
    let told = run((0..1000).map(upload), None);
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    // 16 files of 4 KiB are 64 KiB.
    assert!(told.writes.len() <= 1000 / 15 + 10, "{} writes", told.writes.len());
    assert!(told.looks <= told.writes.len(), "{} looks", told.looks);
}

#[test]
fn a_small_file_that_cannot_be_kept_is_not_aborted() {
    let fails = RequestId(5);
    let told = run((0..100).map(download), Some(fails));
    assert!(
        matches!(told.failed[..], [(id, Failure::Local(_))] if id == fails),
        "{:?}",
        told.failed
    );
    let written = String::from_utf8(told.writes.concat()).unwrap();
    assert!(!written.contains("ABORT"));
    assert_eq!(written.matches("DOWNLOAD").count(), 100);
}

#[test]
fn all_are_given_up_at_once() {
    let mut client = Client::new(ClientConfig::default());
    (0..10).for_each(|number| {
        client.request(download(number));
    });
    assert_eq!(client.waiting(), 10);
    client.cancel_all();
    assert_eq!(client.waiting(), 0);
    for number in 1..=10 {
        match client.poll(Duration::ZERO) {
            Output::Event(ClientEvent::Finished { id, result }) => {
                assert_eq!((*id, result), (RequestId(number), &Err(Failure::Cancelled)));
            }
            other => panic!("{other:?}"),
        }
        client.acknowledge().unwrap();
    }
    assert!(client.failure().is_none());
}

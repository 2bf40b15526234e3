//! The client library transfers files.

use std::fs;
use std::ops::ControlFlow;
use std::thread;

use haul_core::client::Failure;
use haul_core::client::Progress;
use haul_core::{Checksum, Depth, ErrorCode, Mode, StoreErrorKind};
use haul_transport::{DownloadOptions, ListOptions, ServerOptions};

use super::running::{list, serve};
use crate::blocking::Calls as _;
use crate::support::{Share, go_on, path, payload, source, target};

const LARGE: usize = 5 << 20;

#[test]
fn files_go_up_and_come_back_the_same() {
    let (share, mine) = (Share::new(), Share::new());
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    assert_eq!(client.greeting().unwrap().banner, "Welcome");
    for length in [0, 1, 256 << 10, (256 << 10) + 1, LARGE] {
        let data = payload(length);
        mine.write("mine", &data);
        let mut last = 0;
        let receipt = client
            .upload(
                &path("deep/er/it’s \"here\""),
                Mode::Replace,
                source(&mine, "mine"),
                |progress| {
                    assert_eq!(progress.total, Some(length as u64));
                    assert!(progress.bytes >= last);
                    last = progress.bytes;
                    ControlFlow::Continue(())
                },
            )
            .unwrap();
        assert_eq!(last, length as u64);
        assert_eq!(receipt.checksum, Some(Checksum::of(&data)));
        assert!(share.read("deep/er/it’s \"here\"") == data);

        let mut last = None;
        client
            .download(
                &path("deep/er/it’s \"here\""),
                DownloadOptions { mode: Mode::Replace, ..DownloadOptions::default() },
                target(&mine, "back"),
                |progress| {
                    last = Some(progress);
                    ControlFlow::Continue(())
                },
            )
            .unwrap();
        let length = length as u64;
        assert_eq!(last, Some(Progress { bytes: length, total: Some(length) }));
        assert!(mine.read("back") == data);
    }
    let mut names = Vec::new();
    let summary = client
        .list(None, ListOptions { depth: Depth::All, ..ListOptions::default() }, |entry| {
            names.extend(entry.path().map(|path| path.as_str().to_owned()));
            ControlFlow::Continue(())
        })
        .unwrap();
    names.sort();
    assert_eq!(names, ["deep", "deep/er", "deep/er/it’s \"here\""]);
    assert_eq!(summary.entries, Some(3));
    assert!(client.help().unwrap().iter().any(|line| line.contains("UPLOAD")));
    client.exit().unwrap();
}

#[test]
fn a_range_of_a_file_can_be_fetched() {
    let (share, mine) = (Share::new(), Share::new());
    let data = payload(LARGE);
    share.write("large", &data);
    let server = serve(&share, ServerOptions::default());
    let options =
        DownloadOptions { offset: 1000, length: Some(1 << 20), ..DownloadOptions::default() };
    let mut client = server.client();
    client.download(&path("large"), options, target(&mine, "part"), go_on).unwrap();
    assert!(mine.read("part") == data[1000..][..1 << 20]);
}

#[test]
fn two_clients_are_served_at_once() {
    let (share, mine) = (Share::new(), Share::new());
    let data = payload(LARGE);
    share.write("large", &data);
    let server = serve(&share, ServerOptions::default());
    let mut served_meanwhile = 0;
    server
        .client()
        .download(&path("large"), DownloadOptions::default(), target(&mine, "large"), |_| {
            if served_meanwhile < 3 {
                served_meanwhile += 1;
                // On a thread of its own, because a task must not wait for another runtime.
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let mut other = server.client();
                        assert_eq!(list(&mut other).unwrap().entries, Some(1));
                        other.exit().unwrap();
                    });
                });
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(served_meanwhile, 3);
    assert!(mine.read("large") == data);
}

#[test]
fn what_fails_on_either_side_leaves_the_session_usable() {
    let (share, mine) = (Share::new(), Share::new());
    share.write("theirs", b"theirs");
    mine.write("mine", b"mine");
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();

    let missing =
        client.download(&path("missing"), DownloadOptions::default(), target(&mine, "x"), go_on);
    let Err(Failure::Refused(refusal)) = missing else { panic!("{missing:?}") };
    assert_eq!(refusal.code(), Some(ErrorCode::NotFound));
    let taken = client.upload(&path("theirs"), Mode::Create, source(&mine, "mine"), go_on);
    let Err(Failure::Refused(refusal)) = taken else { panic!("{taken:?}") };
    assert_eq!(refusal.code(), Some(ErrorCode::Exists));
    let taken =
        client.download(&path("theirs"), DownloadOptions::default(), target(&mine, "mine"), go_on);
    let Err(Failure::Local(error)) = taken else { panic!("{taken:?}") };
    assert_eq!(error.kind, StoreErrorKind::Exists);

    assert_eq!(mine.files(), [mine.path().join("mine")]);
    assert_eq!(fs::read(mine.path().join("mine")).unwrap(), b"mine");
    assert_eq!(list(&mut client).unwrap().entries, Some(1));
    client.exit().unwrap();
}

#[test]
fn after_the_connection_is_lost_every_request_fails() {
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    server.handle.force();
    server.join();
    for _ in 0..2 {
        list(&mut client).unwrap_err();
    }
    client.help().unwrap_err();
    client.exit().unwrap_err();
}

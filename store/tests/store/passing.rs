//! Payload between sockets and files, without the machine.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use haul_core::{Checksum, Done, Effect, StoreErrorKind};
use haul_store::{Directory, NewFile, PassThrough, Perform, Session, Staged, Store};

use crate::session::{HANDLE, open, session, sync, sync_directories};
use crate::support::{Share, new_file};

const LENGTH: usize = 300_000;

fn data() -> Vec<u8> {
    (0..LENGTH).map(|at| (at / 251 + at * 7).to_le_bytes()[0]).collect()
}

/// Two ends of a stream; the first one is nonblocking.
fn sockets() -> (UnixStream, UnixStream) {
    let (socket, peer) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    (socket, peer)
}

fn pass_through(session: &mut Session<Directory>) -> &mut dyn PassThrough {
    session.pass_through(HANDLE).unwrap()
}

fn create(file: NewFile) -> Effect {
    Effect::Create { handle: HANDLE, id: haul_core::RequestId(1), file }
}

fn prepare_send(offset: u64, length: usize) -> Effect {
    Effect::PrepareSend { handle: HANDLE, offset, length, read: 1000, checksum: true }
}

/// Sends all prepared bytes, while the peer reads a little at a time.
fn send_all(passing: &mut dyn PassThrough, length: usize) -> Vec<u8> {
    let (socket, mut peer) = sockets();
    let (mut left, mut arrived) = (length, Vec::new());
    let mut room = vec![0; 50_000];
    while left > 0 {
        match passing.send(socket.as_fd(), left) {
            Ok(count) => left -= count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                let count = peer.read(&mut room).unwrap();
                arrived.extend_from_slice(&room[..count]);
            }
        }
    }
    drop(socket);
    peer.read_to_end(&mut arrived).unwrap();
    arrived
}

#[test]
fn what_is_held_of_a_file_goes_out() {
    let share = Share::new();
    share.put("file", std::str::from_utf8(&vec![b'x'; LENGTH]).unwrap());
    std::fs::write(share.root().join("file"), data()).unwrap();
    let mut session = session(&share);
    session.perform(&open("file")).unwrap();
    for offset in [0, 5, 100_000] {
        let length = LENGTH - offset;
        let done = session.perform(&prepare_send(offset as u64, 10 * LENGTH)).unwrap();
        let Done::SendPrepared { length: prepared, checksum } = done else { panic!("{done:?}") };
        assert!(prepared <= length && prepared >= length.min(200_000), "{prepared}");
        let expected = &data()[offset..][..prepared];
        assert_eq!(checksum, Some(Checksum::of(expected)));
        assert!(send_all(pass_through(&mut session), prepared) == expected);
    }
    session.perform(&crate::session::finish_reading(&data())).unwrap();
}

#[test]
fn what_is_held_stays_though_the_file_is_cut() {
    let share = Share::new();
    std::fs::write(share.root().join("file"), data()).unwrap();
    let mut session = session(&share);
    session.perform(&open("file")).unwrap();
    let Ok(Done::SendPrepared { length, .. }) = session.perform(&prepare_send(0, 200_000)) else {
        panic!("it is not prepared");
    };
    File::options().write(true).open(share.root().join("file")).unwrap().set_len(10).unwrap();
    // Truncated bytes may have become zeros; the end reports the change.
    assert_eq!(send_all(pass_through(&mut session), length).len(), length);
    for effect in [prepare_send(length as u64, 1000), crate::session::finish_reading(&data())] {
        assert_eq!(session.perform(&effect).unwrap_err().kind, StoreErrorKind::Changed);
    }
}

#[test]
fn a_small_file_is_read() {
    let share = Share::new();
    share.put("file", "content");
    let mut session = session(&share);
    session.perform(&open("file")).unwrap();
    assert_eq!(session.perform(&prepare_send(3, 1000)).unwrap(), Done::Read("tent".into()));
    assert!(session.pass_through(HANDLE).is_none());
}

#[test]
fn what_is_held_of_a_socket_gets_into_the_file() {
    let share = Share::new();
    let (socket, mut peer) = sockets();
    let mut session = session(&share);
    session.perform(&create(new_file("file"))).unwrap();
    let nothing = pass_through(&mut session).receive(socket.as_fd(), LENGTH).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

    let (expected, mut written) = (data(), 0);
    for piece in expected.chunks(70_001) {
        peer.write_all(piece).unwrap();
        while written < expected.len() {
            let received = pass_through(&mut session).receive(socket.as_fd(), LENGTH);
            let Ok(length) = received else { break };
            let effect = Effect::WriteReceived { handle: HANDLE, offset: written as u64, length };
            let checksum = Checksum::of(&expected[written..][..length]);
            assert_eq!(session.perform(&effect).unwrap(), Done::ReceivedWritten { checksum });
            written += length;
        }
    }
    assert_eq!(written, expected.len());
    drop(peer);
    assert_eq!(pass_through(&mut session).receive(socket.as_fd(), LENGTH).unwrap(), 0);
    // Bytes may also come through the machine in between.
    let effect = Effect::Write { handle: HANDLE, offset: written as u64, data: "end".into() };
    session.perform(&effect).unwrap();
    session.perform(&sync()).unwrap();
    session.perform(&Effect::Publish { handle: HANDLE, checksum: Checksum::EMPTY }).unwrap();
    session.perform(&sync_directories()).unwrap();
    assert!(share.read("file").unwrap() == [expected, b"end".to_vec()].concat());
}

#[test]
fn what_is_held_belongs_at_the_end() {
    let share = Share::new();
    let (socket, mut peer) = sockets();
    let mut staged = share.store.create(&new_file("file")).unwrap();
    staged.pass_through().unwrap();
    peer.write_all(b"bytes").unwrap();
    staged.pass_through().unwrap().receive(socket.as_fd(), 5).unwrap();
    let error = staged.write_received(1, 5).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io);
    let checksum = staged.write_received(0, 5).unwrap();
    assert_eq!(checksum, Checksum::of(b"bytes"));
    drop(staged);
    assert!(share.staged().is_empty());
}

/// Bytes that do not pass through this process are checked when their checksum is computed.
#[test]
fn zeros_that_pass_by_take_no_room() {
    let share = Share::new();
    let mut content = vec![0; 1 << 20];
    content[300_000] = 7;
    let mut session = session(&share);
    let (socket, mut peer) = sockets();
    let mut offset = 0;
    session.perform(&create(new_file("file"))).unwrap();
    while offset < content.len() {
        let sent = (content.len() - offset).min(50_000);
        peer.write_all(&content[offset..offset + sent]).unwrap();
        let length = pass_through(&mut session).receive(socket.as_fd(), sent).unwrap();
        assert_eq!(length, sent);
        session
            .perform(&Effect::WriteReceived { handle: HANDLE, offset: offset as u64, length })
            .unwrap();
        offset += length;
    }
    session.perform(&sync()).unwrap();
    session.perform(&Effect::Publish { handle: HANDLE, checksum: Checksum::of(&content) }).unwrap();
    assert_eq!(share.read("file").unwrap(), content);
    let taken = std::fs::metadata(share.root().join("file")).unwrap().blocks() * 512;
    assert!(taken <= 200 << 10, "{taken}");
}

//! What a stream does with its bytes.

use std::io::{ErrorKind, IoSlice};

use haul_transport::{Interest, Stream, StreamError};

use crate::peers::{
    End, ROOMY, RawClient, Side, client_of, complete, connected, is_done, receive, send, server,
    sides,
};
use crate::pipe::Pipe;

/// Bytes without a period that divides a power of two, so misplaced data is detected.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251).to_le_bytes()[0]).collect()
}

/// One direction of a conversation.
struct Course {
    all: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
}

impl Course {
    fn new(all: Vec<u8>) -> Self {
        Self { all, sent: 0, received: Vec::new() }
    }

    fn is_over(&self) -> bool {
        self.received.len() == self.all.len()
    }

    fn write(&mut self, from: &mut Side) {
        let rest = &self.all[self.sent..];
        if !rest.is_empty() {
            // In pieces, as a machine has them.
            let slices: Vec<_> = rest.chunks(1000).take(50).map(IoSlice::new).collect();
            self.sent += is_done(from.write(&slices)).unwrap().unwrap_or(0);
        }
    }

    fn read(&mut self, to: &mut Side) {
        let mut room = [0; 777];
        let count = is_done(to.read(&mut room)).unwrap().unwrap_or(0);
        self.received.extend_from_slice(&room[..count]);
    }
}

#[test]
fn bytes_arrive_in_both_directions_however_they_are_cut() {
    for (capacity, step, length) in [
        (1, 1, 500),
        (2, 1, 500),
        (100, 3, 5_000),
        (5000, 4999, 200_000),
        (ROOMY, 1, 500),
        (ROOMY, ROOMY, 500_000),
    ] {
        let (mut client, mut server) = connected(capacity, step);
        let mut there = Course::new(payload(length));
        let mut back = Course::new(payload(length + 1));
        // Both sides are full of work at the same time, and each writes before it reads.
        while !(there.is_over() && back.is_over()) {
            there.write(&mut client);
            back.write(&mut server);
            there.read(&mut server);
            back.read(&mut client);
        }
        assert!(there.received == there.all && back.received == back.all, "{capacity}, {step}");
    }
}

/// A runtime would wait for the socket, on which nothing comes any more.
#[test]
fn what_is_decrypted_is_not_waited_for() {
    let (mut client, mut server) = connected(ROOMY, ROOMY);
    let sent = payload(100_000);
    for record in sent.chunks(10_000) {
        send(&mut client, record);
    }
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let mut room = [0];
        assert_eq!(server.read(&mut room).unwrap(), 1);
        received.extend_from_slice(&room);
    }
    assert!(received == sent);
    assert!(matches!(server.read(&mut [0]), Err(StreamError::WouldBlock(Interest::Readable))));
}

/// A peer that does not read is noticed by what does not leave.
#[test]
fn only_what_has_left_counts_as_written() {
    let (client_end, server_end) = Pipe::pair(700, 1);
    let tls = server();
    let mut client = client_of(&tls).stream(client_end).unwrap();
    let wire = server_end.outgoing.clone();
    let mut server = tls.stream(server_end).unwrap();
    complete(&mut client, &mut server);
    let (before, all) = (wire.get().sent, payload(40_000));
    let (mut written, mut received) = (0, Vec::new());
    while written < all.len() {
        let count = is_done(server.write(&[IoSlice::new(&all[written..])])).unwrap();
        written += count.unwrap_or(0);
        if count.is_none() {
            let mut room = [0; 64];
            while let Some(count) = is_done(client.read(&mut room)).unwrap() {
                received.extend_from_slice(&room[..count]);
            }
        }
        assert!(written <= wire.get().sent - before, "{written} bytes");
    }
    let (rest, end) = receive(&mut client);
    received.extend(rest);
    assert!(received == all && end.unwrap() == End::Open);
}

#[test]
fn the_end_of_each_side_is_told() {
    let (mut client, mut server) = connected(ROOMY, ROOMY);
    send(&mut client, b"LIST\r\n");
    client.close_write().unwrap();
    for expected in [&b"LIST\r\n"[..], b"", b""] {
        let (received, end) = receive(&mut server);
        assert_eq!((&received[..], end.unwrap()), (expected, End::Closed));
    }
    // The other direction goes on.
    send(&mut server, b"OK\r\n");
    server.close_write().unwrap();
    let (received, end) = receive(&mut client);
    assert_eq!((&received[..], end.unwrap()), (&b"OK\r\n"[..], End::Closed));
}

#[test]
fn an_end_without_a_word_is_an_error_after_all_that_came_whole() {
    for cut in [0, 1, 10] {
        let (client_end, server_end) = Pipe::pair(ROOMY, ROOMY);
        let tls = server();
        let (to_server, mut server) =
            (client_end.outgoing.clone(), tls.stream(server_end).unwrap());
        let mut client = client_of(&tls).stream(client_end).unwrap();
        complete(&mut client, &mut server);
        send(&mut client, b"LIST\r\n");
        let whole = to_server.get().bytes.len();
        send(&mut client, b"EXIT\r\n");
        to_server.get().bytes.truncate(whole + cut);
        to_server.get().closed = true;
        let (received, end) = receive(&mut server);
        assert_eq!(received, b"LIST\r\n");
        assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        for _ in 0..3 {
            let again = is_done(server.read(&mut [0])).unwrap_err();
            assert_eq!(again.kind(), ErrorKind::UnexpectedEof);
        }
    }
}

#[test]
fn nothing_counts_after_the_end_of_a_side() {
    let (mut client, mut server) = raw_client();
    client.send(b"LIST\r\n");
    client.connection.send_close_notify();
    client.flush();
    // Another end, and what is no TLS at all.
    let mut wire = client.pipe.outgoing.get();
    let end: Vec<u8> = wire.bytes.iter().copied().rev().take(24).collect();
    wire.bytes.extend(end.into_iter().rev().chain(*b"UPLOAD x\r\n"));
    wire.closed = true;
    drop(wire);
    for expected in [&b"LIST\r\n"[..], b"", b""] {
        let (received, end) = receive(&mut server);
        assert_eq!((&received[..], end.unwrap()), (expected, End::Closed));
    }
}

#[test]
fn new_keys_amid_a_body_change_no_byte() {
    let (mut client, mut server) = raw_client();
    let sent = payload(200_000);
    let mut received = Vec::new();
    for record in sent.chunks(3_000) {
        client.connection.refresh_traffic_keys().unwrap();
        client.send(record);
        let (more, end) = receive(&mut server);
        received.extend(more);
        assert_eq!(end.unwrap(), End::Open);
        // The answer has the new keys of the server.
        send(&mut server, record);
        assert!(client.turn().unwrap() == record);
    }
    assert!(received == sent);
}

#[test]
fn a_flood_of_new_keys_ends_the_connection() {
    let (mut client, mut server) = raw_client();
    let mut floods = 0;
    let error = loop {
        floods += 1;
        assert!(floods < 100, "it goes on");
        client.connection.refresh_traffic_keys().unwrap();
        client.flush();
        match is_done(server.read(&mut [0])) {
            Ok(None) => {}
            Ok(read) => panic!("{read:?} bytes"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("TooManyKeyUpdateRequests"), "{error}");
    assert!(is_done(server.read(&mut [0])).is_err());
}

/// A client of the library alone, after its handshake.
fn raw_client() -> (RawClient, Side) {
    let tls = server();
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    let mut client = RawClient::new(left);
    let mut server = tls.stream(right).unwrap();
    loop {
        client.turn().unwrap();
        if is_done(server.handshake()).unwrap().is_some() && !client.connection.is_handshaking() {
            return (client, server);
        }
    }
}

/// Its two ends are not equally fast: the first bytes of the client come with the end of its handshake.
#[test]
fn the_first_bytes_may_come_with_the_end_of_the_handshake() {
    let tls = server();
    let (mut client, mut server) = sides(&client_of(&tls), &tls, ROOMY, ROOMY);
    assert!(is_done(client.handshake()).unwrap().is_none());
    assert!(is_done(server.handshake()).unwrap().is_none());
    client.handshake().unwrap();
    send(&mut client, b"LIST\r\n");
    server.handshake().unwrap();
    assert_eq!(receive(&mut server).0, b"LIST\r\n");
}

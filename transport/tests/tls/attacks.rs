//! Somebody between the two sides changes what they send.

use haul_transport::Stream as _;

use crate::peers::{End, ROOMY, Side, client_of, complete, is_done, receive, send, server};
use crate::pipe::{Pipe, SharedWire};

/// A client, the wire to its server, and the server.
fn wired() -> (Side, SharedWire, Side) {
    let tls = server();
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    let wire = left.outgoing.clone();
    let mut client = client_of(&tls).stream(left).unwrap();
    let mut server = tls.stream(right).unwrap();
    complete(&mut client, &mut server);
    (client, wire, server)
}

/// Three commands, each in a record of its own.
fn records(client: &mut Side, wire: &SharedWire) -> Vec<Vec<u8>> {
    ["LIST\r\n", "HELP\r\n", "EXIT\r\n"]
        .map(|command| {
            send(client, command.as_bytes());
            wire.get().bytes.drain(..).collect()
        })
        .into()
}

/// What the server receives of these records, which must end the connection.
fn received(wire: &SharedWire, server: &mut Side, records: &[Vec<u8>]) -> Vec<u8> {
    wire.get().bytes.extend(records.iter().flatten());
    let (received, end) = receive(server);
    assert!(end.is_err(), "{end:?}");
    // It stays so, whatever comes, and nothing can be sent either.
    wire.get().bytes.extend(records.iter().flatten());
    assert!(is_done(server.read(&mut [0])).is_err());
    assert!(is_done(server.write(&[std::io::IoSlice::new(b"OK\r\n")])).is_err());
    received
}

#[test]
fn a_flipped_bit_ends_the_connection() {
    let length = {
        let (mut client, wire, _) = wired();
        records(&mut client, &wire)[1].len()
    };
    // The first three bytes say the same in each record, and those after them are the length: see below.
    for at in 5..length {
        let (mut client, wire, mut server) = wired();
        let mut records = records(&mut client, &wire);
        records[1][at] ^= 1 << (at % 8);
        assert_eq!(received(&wire, &mut server, &records), b"LIST\r\n", "byte {at}");
    }
}

/// The record layer does not need these bytes, so it may ignore them; but not take them for something else.
#[test]
fn a_changed_type_or_version_changes_nothing_else() {
    for (at, bit) in [(0, 1), (0, 2), (0, 0x80), (1, 1), (2, 1), (2, 0x10)] {
        let (mut client, wire, mut server) = wired();
        let mut records = records(&mut client, &wire);
        records[1][at] ^= bit;
        wire.get().bytes.extend(records.iter().flatten());
        let (received, end) = receive(&mut server);
        let all = b"LIST\r\nHELP\r\nEXIT\r\n";
        assert!(received == all || (end.is_err() && received == all[..6]), "byte {at}");
    }
}

#[test]
fn a_changed_length_ends_the_connection() {
    for (byte, bit) in [(3, 0x40), (4, 1), (4, 0x80)] {
        let (mut client, wire, mut server) = wired();
        let mut records = records(&mut client, &wire);
        records[1][byte] ^= bit;
        wire.get().bytes.extend(records.iter().flatten());
        wire.get().closed = true;
        let (received, end) = receive(&mut server);
        assert!(received == b"LIST\r\n" && end.is_err(), "{received:?} {end:?}");
    }
}

#[test]
fn a_removed_replayed_or_reordered_record_ends_the_connection() {
    let attacks: [fn(&mut Vec<Vec<u8>>); 4] = [
        |records| drop(records.remove(1)),
        |records| records.insert(1, records[0].clone()),
        |records| records.swap(1, 2),
        |records| {
            let middle = records[1].len() / 2;
            records[1].truncate(middle);
        },
    ];
    for attack in attacks {
        let (mut client, wire, mut server) = wired();
        let mut records = records(&mut client, &wire);
        attack(&mut records);
        assert_eq!(received(&wire, &mut server, &records), b"LIST\r\n");
    }
}

#[test]
fn records_of_another_connection_end_the_connection() {
    let (mut client, wire, _) = wired();
    let records = records(&mut client, &wire);
    let (_client, wire, mut server) = wired();
    assert_eq!(received(&wire, &mut server, &records), b"");
}

#[test]
fn plain_bytes_are_not_taken() {
    let (mut client, wire, mut server) = wired();
    let records = records(&mut client, &wire);
    let mixed = [records[0].clone(), b"UPLOAD x\r\nDATA 1\r\naEND\r\n".to_vec()];
    assert_eq!(received(&wire, &mut server, &mixed), b"LIST\r\n");
}

/// Whoever listens sees nothing of what is sent.
#[test]
fn nothing_is_readable_on_the_wire() {
    let (mut client, wire, mut server) = wired();
    let secret = b"UPLOAD secret.txt\r\n";
    send(&mut client, secret);
    let seen: Vec<u8> = wire.get().bytes.iter().copied().collect();
    assert!(!seen.windows(6).any(|window| window == b"secret"));
    let (received, end) = receive(&mut server);
    assert!(received == secret && end.unwrap() == End::Open);
}

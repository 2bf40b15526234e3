//! The last reply reaches a client that is still sending.

use std::thread;
use haul_transport::{ServerOptions};

use super::running::{serve};
use crate::support::{Peer, Share, payload, places};

/// Clients at once.
const CLIENTS: usize = 4;
/// Repetitions for each of them.
const TIMES: usize = 250;

/// Sends `body` after `opening` without reading anything, then reads all replies.
fn refused(address: std::net::SocketAddr, opening: &str, body: &[u8]) -> String {
    let mut peer = Peer::connect(address);
    peer.send(opening);
    // In pieces, because none of them may meet a reset.
    for piece in body.chunks(16 << 10) {
        peer.send(piece);
    }
    peer.rest()
}

#[test]
fn a_violation_is_told_to_a_client_that_is_still_sending() {
    let share = Share::new();
    // A place for each: on a busy machine a server may detect late that a client has gone.
    let server = serve(&share, places(CLIENTS * TIMES));
    let body = payload(512 << 10);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..TIMES {
                    let said = refused(server.address, "DATA 524288\r\n", &body);
                    let mut lines = said.lines();
                    assert!(lines.next().unwrap().starts_with("HAUL/1 "), "{said}");
                    assert!(lines.next().unwrap().starts_with("ERR protocol "), "{said}");
                    assert_eq!(lines.next(), None);
                }
            });
        }
    });
}

#[test]
fn busy_is_told_to_a_client_that_is_still_sending() {
    let share = Share::new();
    let server = serve(&share, ServerOptions { max_clients: 0, ..ServerOptions::default() });
    let body = payload(512 << 10);
    for _ in 0..250 {
        let said = refused(server.address, "UPLOAD x\r\nDATA 524288\r\n", &body);
        assert!(said.starts_with("ERR busy ") && said.lines().count() == 1, "{said}");
    }
}

//! Clients that are refused while they still send.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::load_test::{LoadTest, connect_from};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// The places of this address are taken, so its clients get `busy`.
const FULL: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 1);
/// The clients of this address are accepted, and break a rule of the protocol.
const FREE: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 2);
/// Clients at once, of one address.
const AT_ONCE: usize = 16;
/// The limit for an address. A place becomes free some time after its client has gone, and no client of the second
/// address may get `busy`.
const PLACES: usize = 2 * AT_ONCE;
/// The bytes that each sends before it reads: more than the initial buffers of both systems.
const SENT: usize = 2 << 20;

/// Clients are refused while they send, by `busy` or for a broken rule. Each can read why, whatever it has sent by
/// then.
pub(super) fn refused_while_sending(program: &Path, size: Size) -> Report {
    let attackers = size.of(1_000, 40);
    let bench = Bench::new(program);
    let places = PLACES.to_string();
    let server = bench.serve(&["--max-clients-per-address", &places]);
    let mut test = LoadTest::start("refused while sending", bench, server, size.requests());
    let read = test.attack(|test| {
        let address = test.server.address();
        let holders: Vec<TcpStream> = (0..PLACES).map(|_| hold(address)).collect();
        let read = AtomicUsize::new(0);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= attackers {
                            return;
                        }
                        let read_it = if number.is_multiple_of(2) {
                            reads(address, FULL, "ERR busy ")
                        } else {
                            reads(address, FREE, "ERR protocol ")
                        };
                        read.fetch_add(usize::from(read_it), Ordering::SeqCst);
                    }
                });
            }
        });
        drop(holders);
        read.into_inner()
    });
    test.report.require(read == attackers, || {
        format!("{} of {attackers} never read why they were refused", attackers - read)
    });
    test.report.figures.push(format!("{read} of {attackers} read the error"));
    test.recover();
    test.end(attackers)
}

/// Takes a place.
fn hold(server: SocketAddr) -> TcpStream {
    let mut socket = connect_from(FULL, server);
    let mut greeted = [0; 6];
    socket.read_exact(&mut greeted).expect("there is a place");
    assert_eq!(&greeted, b"HAUL/1");
    socket
}

/// Sends `SENT` bytes that are no body, and only then reads. Returns whether all was accepted and the last line is this
/// error.
fn reads(server: SocketAddr, source: Ipv4Addr, error: &str) -> bool {
    let mut socket = connect_from(source, server);
    let mut sent = b"DATA 0\n".to_vec();
    sent.resize(SENT, b'x');
    // A server that lingers takes everything. A reset would fail the write, and would not be reported again by the
    // read.
    let taken = socket.write_all(&sent).is_ok();
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    taken
        && socket.read_to_end(&mut reply).is_ok()
        && reply.ends_with(b"\r\n")
        && String::from_utf8_lossy(&reply)
            .lines()
            .last()
            .is_some_and(|line| line.starts_with(error))
}

//! Clients that are refused while they still send.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::load_test::{Siege, connect_from};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// The places of this address are taken, so its clients are told `busy`.
const FULL: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 1);
/// Clients of this one are let in, and break a rule of the protocol.
const FREE: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 2);
/// Clients at once, of one address.
const AT_ONCE: usize = 16;
/// Places of an address: a place is free only some time after its client is gone, and nobody of the second address shall be told `busy`.
const PLACES: usize = 2 * AT_ONCE;
/// What each sends before it reads, in bytes: more than the buffers of both systems hold at first.
const SENT: usize = 2 << 20;

/// Clients that are refused, by `busy` or for a broken rule, while they send: each reads why, whatever it has sent by then.
pub(super) fn refused_while_sending(program: &Path, size: Size) -> Report {
    let attackers = size.of(1_000, 40);
    let bench = Bench::new(program);
    let places = PLACES.to_string();
    let server = bench.serve(&["--max-clients-per-address", &places]);
    let mut siege = Siege::lay("refused while sending", bench, server, size.requests());
    let read = siege.attack(|siege| {
        let address = siege.server.address();
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
    siege.report.require(read == attackers, || {
        format!("{} of {attackers} never read why they were refused", attackers - read)
    });
    siege.report.figures.push(format!("{read} of {attackers} read the error"));
    siege.recover();
    siege.end(attackers)
}

/// Takes a place.
fn hold(server: SocketAddr) -> TcpStream {
    let mut socket = connect_from(FULL, server);
    let mut greeted = [0; 6];
    socket.read_exact(&mut greeted).expect("there is a place");
    assert_eq!(&greeted, b"HAUL/1");
    socket
}

/// Sends what is no body, all of it, and only then reads. Whether it was all taken, and the last line read is this error.
fn reads(server: SocketAddr, source: Ipv4Addr, error: &str) -> bool {
    let mut socket = connect_from(source, server);
    let mut sent = b"DATA 0\n".to_vec();
    sent.resize(SENT, b'x');
    // A server that lingers takes all of it. A reset would be told by the write and not again by the read.
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

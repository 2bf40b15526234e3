//! Draining, and stopping at once.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use haul_store::{Directory, Options};
use rustix::process::Signal;
use haul_transport::{ServerOptions, drain_on_signals};

use super::running::{Running, serve};
use super::transport::{Server};
use crate::blocking::Calls as _;
use crate::support::{Child, LOCALHOST, Peer, Share, payload};

const LARGE: usize = 48 << 20;

#[test]
fn a_drain_lets_a_transfer_end_and_then_says_so() {
    let share = Share::new();
    let large = payload(LARGE);
    share.write("large", &large);
    let server = serve(&share, ServerOptions::default());
    let mut busy = Peer::greeted(server.address);
    let mut idle = Peer::greeted(server.address);
    busy.send("DOWNLOAD large\r\n");
    busy.wait_for_bytes();
    server.handle.shutdown();

    // The idle client is told at once, while the transfer stands still because nobody reads it.
    let farewell = idle.line();
    assert!(farewell.starts_with("ERR shutting-down "), "{farewell}");
    assert_eq!(idle.rest(), "");
    drop(idle);
    // A late connection may have been in the queue of the port when it closed. It then ends without a reply.
    while let Ok(mut late) = TcpStream::connect(server.address) {
        let mut said = String::new();
        if late.read_to_string(&mut said).is_ok() {
            assert!(!said.starts_with("OK"), "{said}");
        }
    }
    let (received, reply) = busy.download();
    assert!(received == large && reply.starts_with("OK "), "{reply}");
    let farewell = busy.line();
    assert!(farewell.starts_with("ERR shutting-down "), "{farewell}");
    assert_eq!(busy.rest(), "");
    drop(busy);
    server.join();
}

#[test]
fn an_upload_under_way_is_finished_and_its_receipt_holds() {
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let mut peer = Peer::greeted(server.address);
    peer.send("UPLOAD new size=10\r\n");
    assert_eq!(peer.line(), "READY");
    server.handle.shutdown();
    peer.send("DATA 10\r\n0123456789END\r\n");
    let reply = peer.line();
    assert!(reply.starts_with("OK size=10 "), "{reply}");
    let farewell = peer.line();
    assert!(farewell.starts_with("ERR shutting-down "), "{farewell}");
    drop(peer);
    server.join();
    assert_eq!(share.read("new"), b"0123456789");
}

#[test]
fn what_outlasts_the_grace_is_cut_off() {
    let share = Share::new();
    let server = serve(&share, ServerOptions { grace: Duration::ZERO, ..ServerOptions::default() });
    let mut peer = Peer::greeted(server.address);
    peer.send("UPLOAD new size=10\r\n");
    assert_eq!(peer.line(), "READY");
    server.handle.shutdown();
    let farewell = peer.line();
    assert!(farewell.starts_with("ERR shutting-down "), "{farewell}");
    assert_eq!(peer.rest(), "");
    drop(peer);
    server.join();
    assert!(share.files().is_empty());
}

#[test]
fn force_ends_what_a_drain_would_wait_for() {
    let share = Share::new();
    share.write("large", &payload(LARGE));
    let server = serve(&share, ServerOptions::default());
    let mut stalled = Peer::greeted(server.address);
    stalled.send("DOWNLOAD large\r\n");
    assert!(stalled.line().starts_with("SENDING "));
    let mut uploading = Peer::greeted(server.address);
    uploading.send("UPLOAD new\r\n");
    assert_eq!(uploading.line(), "READY");
    server.handle.shutdown();
    server.handle.force();
    server.join();
    assert_eq!(share.files(), [share.path().join("large")]);
}

#[test]
fn force_works_without_a_drain_before_it() {
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let mut peer = Peer::greeted(server.address);
    server.handle.force();
    match peer.try_line() {
        Ok(line) => assert_eq!(line, ""),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    server.join();
}

#[test]
fn a_server_can_be_started_again_at_once() {
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let address = server.address;
    let mut peer = Peer::greeted(address);
    server.handle.shutdown();
    // The server closes first, so its end of the connection is in TIME_WAIT.
    while !peer.line().is_empty() {}
    drop(peer);
    server.join();
    let server = Server::bind(address, Arc::new(share.store()), ServerOptions::default()).unwrap();
    Running::run(server).client().exit().unwrap();
}

#[test]
fn a_server_listens_on_all_its_addresses() {
    const NAME: &[SocketAddr] = &[
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0),
    ];
    let share = Share::new();
    let server = Server::bind(NAME, Arc::new(share.store()), ServerOptions::default()).unwrap();
    let server = Running::run(server);
    for address in NAME {
        let mut peer = Peer::greeted(SocketAddr::new(address.ip(), server.address.port()));
        peer.send("LIST\r\n");
        assert_eq!(peer.line(), "OK entries=0");
    }
}

#[test]
fn a_port_in_use_is_an_error() {
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let second = Server::bind(server.address, Arc::new(share.store()), ServerOptions::default());
    assert_eq!(second.err().map(|error| error.kind()), Some(ErrorKind::AddrInUse));
}

/// Serves in a process of its own, because signals go to a process.
fn serve_until_signalled(directory: &str) {
    let store = Directory::open(directory, Options::default()).unwrap();
    let server = Server::bind(LOCALHOST, Arc::new(store), ServerOptions::default()).unwrap();
    drain_on_signals(server.handle()).unwrap();
    Child::say(server.local_addr());
    server.run();
}

#[test]
fn the_first_signal_drains_and_the_second_ends() {
    if let Some(directory) = Child::argument() {
        return serve_until_signalled(&directory);
    }
    for [first, second] in [[Signal::TERM, Signal::INT], [Signal::HUP, Signal::QUIT]] {
        let share = Share::new();
        let mut child = Child::start(
            concat!(module_path!(), "::the_first_signal_drains_and_the_second_ends"),
            share.path().to_str().unwrap(),
        );
        let address = child.hear().parse().unwrap();
        drains_and_ends(child, address, &share, first, second);
    }
}

/// As `nohup` starts a program.
#[test]
fn a_hangup_that_is_ignored_from_the_start_stays_ignored() {
    if let Some(directory) = Child::argument() {
        return serve_until_signalled(&directory);
    }
    let share = Share::new();
    let mut child = Child::start_with(
        "--ignore-signal=HUP",
        concat!(module_path!(), "::a_hangup_that_is_ignored_from_the_start_stays_ignored"),
        share.path().to_str().unwrap(),
    );
    let address = child.hear().parse().unwrap();
    child.signal(Signal::HUP);
    drains_and_ends(child, address, &share, Signal::TERM, Signal::INT);
}

fn drains_and_ends(
    mut child: Child,
    address: SocketAddr,
    share: &Share,
    first: Signal,
    second: Signal,
) {
    let mut idle = Peer::greeted(address);
    let mut busy = Peer::greeted(address);
    busy.send("UPLOAD new\r\n");
    assert_eq!(busy.line(), "READY");

    child.signal(first);
    let farewell = idle.line();
    assert!(farewell.starts_with("ERR shutting-down "), "{farewell}");
    busy.send("DATA 1\r\nxEND\r\nUPLOAD newer\r\n");
    let reply = busy.line();
    assert!(reply.starts_with("OK size=1 "), "{reply}");

    // Both still have their places: neither has closed its side.
    child.signal(second);
    assert!(child.wait().success());
    assert_eq!(share.files(), [share.path().join("new")]);
}


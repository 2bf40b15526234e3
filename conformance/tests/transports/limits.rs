//! As many clients as there are places, and what happens beyond.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use haul_core::client::Failure;
use haul_core::server::ServerConfig;
use haul_core::{ErrorCode, Timing};
use haul_store::{Directory, Options};
use rustix::process::{Resource, Rlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use haul_transport::{ConnectError, ServerOptions};

use super::running::{serve};
use super::transport::{Client, ClientOptions, Server};
use crate::support::{Child, LOCALHOST, Peer, Share, payload};

fn options(max_clients: usize) -> ServerOptions {
    ServerOptions { max_clients, ..ServerOptions::default() }
}

#[test]
fn one_too_many_is_told_busy_until_a_place_is_free() {
    let share = Share::new();
    let server = serve(&share, options(1));
    let mut first = Peer::greeted(server.address);

    let mut second = Peer::connect(server.address);
    let refusal = second.line();
    assert!(refusal.starts_with("ERR busy ") && refusal.contains(" retry-after="), "{refusal}");
    assert_eq!(second.rest(), "");
    let refused = Client::connect(server.address, ClientOptions::default());
    let Err(ConnectError::Failed(Failure::Refused(refusal))) = refused else {
        panic!("not refused: {:?}", refused.err())
    };
    assert_eq!(refusal.code(), Some(ErrorCode::Busy));
    assert!(refusal.retry_after.is_some());

    first.send("HELP\r\n");
    assert!(first.line().starts_with("INFO "));
    drop(first);
    drop(server.wait_for_place());
}

#[test]
fn an_address_has_its_own_limit() {
    let share = Share::new();
    let server = serve(&share, ServerOptions { max_clients_per_address: 1, ..options(3) });
    let from = |last| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
        socket.connect(&server.address.into()).unwrap();
        let mut peer = Peer::over(TcpStream::from(socket));
        let line = peer.line();
        (peer, line)
    };
    let (_first, greeting) = from(1);
    assert!(greeting.starts_with("HAUL/1 "), "{greeting}");
    let (_second, refusal) = from(1);
    assert!(refusal.starts_with("ERR busy "), "{refusal}");
    let (_third, greeting) = from(2);
    assert!(greeting.starts_with("HAUL/1 "), "{greeting}");
}

#[test]
fn a_flood_beyond_all_bounds_leaves_those_who_are_served_alone() {
    let share = Share::new();
    let server = serve(&share, options(1));
    let mut first = Peer::greeted(server.address);
    let flood: Vec<_> = (0..300).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    first.send("EXIT\r\n");
    assert!(first.line().starts_with("OK "));
    drop(first);
    drop(flood);
    drop(server.wait_for_place());
}

#[test]
fn a_client_that_never_reads_loses_its_place() {
    let share = Share::new();
    share.write("large", &payload(64 << 20));
    let mut options = options(1);
    options.config.timing.window = Duration::from_millis(100);
    options.config.timing.linger = Duration::from_millis(100);
    let server = serve(&share, options);
    let mut stalled = Peer::greeted(server.address);
    stalled.send("DOWNLOAD large\r\n");
    drop(server.wait_for_place());
    drop(stalled);
}

#[test]
fn a_silent_client_loses_its_place() {
    let share = Share::new();
    let timing = Timing {
        idle: Duration::from_millis(50),
        line: Duration::from_millis(50),
        ..Timing::default()
    };
    let config = ServerConfig { timing, ..ServerConfig::default() };
    let server = serve(&share, ServerOptions { config, ..options(1) });
    let mut silent = Peer::greeted(server.address);
    let farewell = silent.line();
    assert!(farewell.starts_with("ERR timeout "), "{farewell}");
    assert_eq!(silent.rest(), "");
    drop(silent);
    let mut slow = server.wait_for_place();
    slow.send("LI");
    let farewell = slow.line();
    assert!(farewell.starts_with("ERR timeout "), "{farewell}");
}

#[test]
fn an_earlier_deadline_counts_though_a_later_one_was_waited_for() {
    let share = Share::new();
    let timing = Timing {
        idle: Duration::from_hours(1),
        line: Duration::from_millis(50),
        ..Timing::default()
    };
    let config = ServerConfig { timing, ..ServerConfig::default() };
    let server = serve(&share, ServerOptions { config, ..options(1) });
    let mut slow = Peer::greeted(server.address);
    slow.send("LI");
    let farewell = slow.line();
    assert!(farewell.starts_with("ERR timeout "), "{farewell}");
}

const MOST_DESCRIPTORS: usize = 32;

/// Serves in a process of its own, since the limit is a process's.
fn serve_with_few_descriptors(directory: &str) {
    let most = Some(MOST_DESCRIPTORS as u64);
    let limit = Rlimit { current: most, maximum: most };
    setrlimit(Resource::Nofile, limit).unwrap();
    let store = Directory::open(directory, Options::default()).unwrap();
    let server = Server::bind(LOCALHOST, Arc::new(store), ServerOptions::default()).unwrap();
    Child::say(server.local_addr());
    server.run();
}

#[test]
fn accepting_survives_that_there_are_no_descriptors_left() {
    if let Some(directory) = Child::argument() {
        return serve_with_few_descriptors(&directory);
    }
    let share = Share::new();
    let mut child = Child::start(
        concat!(module_path!(), "::accepting_survives_that_there_are_no_descriptors_left"),
        share.path().to_str().unwrap(),
    );
    let address = child.hear().parse().unwrap();
    let peers: Vec<_> = (0..2 * MOST_DESCRIPTORS).map(|_| Peer::connect(address)).collect();
    let descriptors = format!("/proc/{}/fd", child.id().as_raw_nonzero());
    while fs::read_dir(&descriptors).unwrap().count() < MOST_DESCRIPTORS {
        thread::yield_now();
    }
    // Twice as many as there can be at once: each is served when those before it are gone.
    for mut peer in peers {
        assert!(peer.line().starts_with("HAUL/1 "));
        peer.send("LIST\r\n");
        let reply = peer.line();
        assert!(reply == "OK entries=0" || reply.starts_with("ERR io "), "{reply}");
    }
}

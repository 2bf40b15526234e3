//! As many clients as there are places, and what happens beyond.

use std::fs::File;
use std::io;
use std::iter;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

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
    let server = serve(&share, ServerOptions { config, ..options(2) });
    // The last place is taken, so slow clients are in the way.
    let _other = Peer::greeted(server.address);
    let mut slow = Peer::greeted(server.address);
    slow.send("LI");
    let farewell = slow.line();
    assert!(farewell.starts_with("ERR timeout "), "{farewell}");
}

/// With the shortest window, so that many windows pass while others are served.
fn impatient(max_clients: usize) -> ServerOptions {
    let short = Duration::from_millis(1);
    let timing = Timing { line: short, window: short, ..Timing::default() };
    let config = ServerConfig { timing, ..ServerOptions::default().config };
    ServerOptions { config, ..options(max_clients) }
}

#[test]
fn a_slow_client_is_cut_off_only_when_places_are_scarce() {
    let share = Share::new();
    share.write("large", &payload(64 << 20));
    let server = serve(&share, impatient(8));
    let slow = |said: &str| {
        let mut peer = Peer::greeted(server.address);
        peer.send(said);
        peer
    };
    let mut line = slow("LIS");
    let mut body = slow("UPLOAD new\r\nDATA 2\r\na");
    let mut refused = slow("UPLOAD ../new\r\nDATA 2\r\na");
    let mut unread = slow("DOWNLOAD large\r\n");
    let mut other = Peer::greeted(server.address);
    for _ in 0..1000 {
        other.send("LIST large\r\n");
        assert!(other.line().starts_with("FILE ") && other.line().starts_with("OK "));
    }
    line.send("T new\r\n");
    assert!(line.line().starts_with("ERR not-found "));
    body.send("bEND\r\n");
    assert_eq!(body.line(), "READY");
    assert!(body.line().starts_with("OK size=2 "));
    refused.send("bEND\r\nLIST large\r\n");
    assert!(refused.line().starts_with("ERR bad-name "));
    assert!(refused.line().starts_with("FILE ") && refused.line().starts_with("OK "));
    let (received, reply) = unread.download();
    assert!(received.len() == 64 << 20 && reply.starts_with("OK "), "{reply}");

    line.send("LIS");
    body.send("UPLOAD new\r\nDATA 2\r\na");
    refused.send("UPLOAD ../new\r\nDATA 2\r\na");
    let _crowd: Vec<_> = (0..2).map(|_| Peer::greeted(server.address)).collect();
    assert!(line.line().starts_with("ERR timeout "));
    assert_eq!(body.line(), "READY");
    assert!(body.line().starts_with("ERR timeout "));
    assert!(refused.line().starts_with("ERR bad-name "));
    assert!(refused.line().starts_with("ERR timeout "));
}

#[test]
fn who_is_alone_makes_room_for_somebody_who_was_refused() {
    let share = Share::new();
    let server = serve(&share, impatient(1));
    let mut slow = Peer::greeted(server.address);
    slow.send("UPLOAD new\r\nDATA 2\r\na");
    assert_eq!(slow.line(), "READY");
    drop(server.wait_for_place());
    assert!(slow.line().starts_with("ERR timeout "));
}

const MOST_DESCRIPTORS: usize = 128;
/// Downloads: a pipe for each would take too many descriptors.
const READERS: usize = MOST_DESCRIPTORS / 4 - 1;
/// The number of free descriptors when something else has taken the others.
const FEW_DESCRIPTORS: usize = 12;

/// Serves in a process of its own, because the limit belongs to a process.
fn serve_with_few_descriptors(directory: &str, others_are_taken: bool) {
    let most = Some(MOST_DESCRIPTORS as u64);
    let limit = Rlimit { current: most, maximum: most };
    setrlimit(Resource::Nofile, limit).unwrap();
    let store = Directory::open(directory, Options::default()).unwrap();
    let server = Server::bind(LOCALHOST, Arc::new(store), ServerOptions::default()).unwrap();
    let mut taken: Vec<File> = Vec::new();
    if others_are_taken {
        let another = || File::open("/dev/null").ok();
        taken.extend(iter::from_fn(another));
        taken.truncate(taken.len() - FEW_DESCRIPTORS);
    }
    Child::say(server.local_addr());
    server.run();
    drop(taken);
}

#[test]
fn accepting_survives_that_there_are_no_descriptors_left() {
    if let Some(directory) = Child::argument() {
        return serve_with_few_descriptors(&directory, true);
    }
    let share = Share::new();
    let mut child = Child::start(
        concat!(module_path!(), "::accepting_survives_that_there_are_no_descriptors_left"),
        share.path().to_str().unwrap(),
    );
    let address: SocketAddr = child.hear().parse().unwrap();
    let peers: Vec<_> = (0..MOST_DESCRIPTORS).map(|_| Peer::connect(address)).collect();
    // Far more clients than possible at once. Those without a descriptor are refused, and nobody waits.
    let mut served = Vec::new();
    let mut busy = 0;
    for mut peer in peers {
        let said = peer.line();
        if said.starts_with("HAUL/1 ") {
            served.push(peer);
        } else {
            assert!(said.starts_with("ERR busy ") && said.contains(" retry-after="), "{said}");
            busy += 1;
        }
    }
    assert!(busy >= MOST_DESCRIPTORS - FEW_DESCRIPTORS && !served.is_empty(), "{busy} were told");
    for peer in &mut served {
        peer.send("LIST\r\n");
        let reply = peer.line();
        assert!(reply == "OK entries=0" || reply.starts_with("ERR "), "{reply}");
    }
    drop(served);
    // The places become free again by themselves.
    loop {
        let mut peer = Peer::connect(address);
        let said = peer.line();
        if said.starts_with("HAUL/1 ") {
            break;
        }
        assert!(said.starts_with("ERR busy "), "{said}");
    }
}

/// Connections alone never take the descriptors that files need.
#[test]
fn connections_leave_descriptors_for_files() {
    if let Some(directory) = Child::argument() {
        return serve_with_few_descriptors(&directory, false);
    }
    let share = Share::new();
    share.write("file", b"content");
    let mut child = Child::start(
        concat!(module_path!(), "::connections_leave_descriptors_for_files"),
        share.path().to_str().unwrap(),
    );
    let address: SocketAddr = child.hear().parse().unwrap();
    let mut peers: Vec<_> = (0..MOST_DESCRIPTORS).map(|_| Peer::connect(address)).collect();
    let mut first = peers.remove(0);
    assert!(first.line().starts_with("HAUL/1 "));
    let told: Vec<_> = peers.iter_mut().map(Peer::try_line).collect();
    let busy = |line: &io::Result<String>| {
        line.as_ref().is_ok_and(|line| line.starts_with("ERR busy "))
    };
    assert!(told.iter().any(busy), "{told:?}");
    first.send("DOWNLOAD file\r\n");
    let (received, reply) = first.download();
    assert!(received == b"content" && reply.starts_with("OK "), "{reply}");
}

/// Downloads that nobody reads do not either: the server does without pipes before descriptors run out.
#[test]
fn pipes_leave_descriptors_for_files() {
    if let Some(directory) = Child::argument() {
        return serve_with_few_descriptors(&directory, false);
    }
    let share = Share::new();
    share.write("file", b"content");
    File::create(share.path().join("large")).unwrap().set_len(64 << 20).unwrap();
    let mut child = Child::start(
        concat!(module_path!(), "::pipes_leave_descriptors_for_files"),
        share.path().to_str().unwrap(),
    );
    let address: SocketAddr = child.hear().parse().unwrap();
    let peers: Vec<Peer> = (0..READERS)
        .map(|_| {
            let mut peer = Peer::connect(address);
            assert!(peer.line().starts_with("HAUL/1 "));
            peer.send("DOWNLOAD large\r\n");
            for said in ["SENDING ", "DATA "] {
                let line = peer.line();
                assert!(line.starts_with(said), "{line}");
            }
            peer
        })
        .collect();
    let mut another = Peer::connect(address);
    assert!(another.line().starts_with("HAUL/1 "));
    another.send("UPLOAD new\r\nDATA 3\r\nnewEND\r\nDOWNLOAD file\r\n");
    assert_eq!(another.line(), "READY");
    let reply = another.line();
    assert!(reply.starts_with("OK size=3 "), "{reply}");
    let (received, reply) = another.download();
    assert!(received == b"content" && reply.starts_with("OK "), "{reply}");
    drop(peers);
}

//! Sessions over TLS, beside others over plain TCP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use haul_core::client::Failure;
use haul_core::server::ServerConfig;
use haul_core::{Checksum, ErrorCode, Mode, Timing};
use haul_transport::tls::{Key, ServerIdentity, TlsClient, TlsServer, Trust};
use haul_transport::{
    ConnectError, DownloadOptions, HandshakeError, Security, ServerOptions, Untrusted,
};

use super::running::{Running, list, serve, serve_layered};
use super::transport::{Client, ClientOptions, Server};
use crate::between::{Between, PassOn};
use crate::blocking::Calls as _;
use crate::support::{LOCALHOST, Peer, Share, go_on, path, payload, places, source, target};

const ANSWER: &str = "ERR protocol \"this port speaks TLS: hauls://\"";

fn tls() -> TlsServer {
    TlsServer::new(ServerIdentity::of_key(&Key::generate().unwrap()).unwrap()).unwrap()
}

fn trust(server: &TlsServer) -> Trust {
    Trust { pinned: vec![server.fingerprint()], ..Trust::default() }
}

/// The options of a client that trusts this server.
fn options(server: &TlsServer) -> ClientOptions {
    let client = TlsClient::new("localhost", trust(server), None).unwrap();
    ClientOptions { layer: Some(client.layer()), ..ClientOptions::default() }
}

fn start(share: &Share, tls: &TlsServer, options: ServerOptions) -> Running {
    serve_layered(share, &tls.layer(), options)
}

/// The options of a server that waits for each line only this long.
fn waiting(line: Duration) -> ServerOptions {
    let timing = Timing { line, ..Timing::default() };
    let config = ServerConfig { timing, ..ServerOptions::default().config };
    ServerOptions { config, ..places(2) }
}

fn passes(bytes: &[u8], pass_on: PassOn<'_>) {
    pass_on(bytes);
}

/// Moves a file there and back.
fn move_file(client: &mut Client, share: &Share, content: &[u8]) {
    let mine = Share::new();
    mine.write("mine", content);
    let receipt =
        client.upload(&path("file"), Mode::Replace, source(&mine, "mine"), go_on).unwrap();
    assert_eq!(receipt.checksum, Some(Checksum::of(content)));
    let options = DownloadOptions { mode: Mode::Replace, ..DownloadOptions::default() };
    client.download(&path("file"), options, target(&mine, "back"), go_on).unwrap();
    assert!(share.read("file") == content && mine.read("back") == content);
}

#[test]
fn one_server_listens_for_tls_and_for_plain_text() {
    let share = Share::new();
    let tls = tls();
    let layer = tls.layer();
    let names = [(LOCALHOST, None), (LOCALHOST, Some(layer.clone()))];
    let server = Server::bind_layered(names, Arc::new(share.store()), places(3)).unwrap();
    let ports: Vec<_> = server.layered_addrs().map(|(at, layer)| (at, layer.cloned())).collect();
    let [(plain, None), (encrypted, Some(shown))] = &ports[..] else { panic!("{ports:?}") };
    assert!(*shown == layer);
    let (plain, encrypted) = (*plain, *encrypted);
    let _server = Running::run(server);

    let key = Key::generate().unwrap();
    let client = TlsClient::new("localhost", trust(&tls), Some(&key)).unwrap();
    let options = ClientOptions { layer: Some(client.layer()), ..ClientOptions::default() };
    let mut over_tls = Client::connect(encrypted, options).unwrap();
    let mut over_tcp = Client::connect(plain, ClientOptions::default()).unwrap();
    let security = Security { encrypted: true, peer_key: Some(tls.fingerprint()) };
    assert_eq!((over_tls.security(), over_tcp.security()), (security, Security::default()));
    for length in [0, 1, 16_384, 5_000_001] {
        move_file(&mut over_tls, &share, &payload(length));
        move_file(&mut over_tcp, &share, &payload(length));
    }
    assert_eq!(list(&mut over_tls).unwrap().entries, Some(1));
    over_tls.exit().unwrap();
    over_tcp.exit().unwrap();
}

/// Payload passes by the machine on plain sockets alone.
#[test]
fn whoever_listens_sees_no_payload() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, places(1));
    let between = Between::start(server.address, passes);
    let mut client = Client::connect(between.address, options(&tls)).unwrap();
    let content = payload(1_000_000);
    move_file(&mut client, &share, &content);
    client.exit().unwrap();
    let seen = between.seen();
    assert!(seen.len() > 2 * content.len());
    for secret in [&content[..16], &content[500_000..500_016], b"UPLOAD ", b"HAUL/1 "] {
        assert!(!seen.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn bytes_come_one_by_one() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, places(1));
    let between = Between::start(server.address, |bytes, pass_on| bytes.chunks(1).for_each(pass_on));
    let mut client = Client::connect(between.address, options(&tls)).unwrap();
    move_file(&mut client, &share, &payload(20_000));
    client.exit().unwrap();
}

#[test]
fn a_client_of_plain_text_is_told_that_this_port_speaks_tls() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, places(1));
    for said in ["L", "LIST\r\n", "GET / HTTP/1.1\r\n\r\n", "\r\n", "\x15"] {
        let mut peer = Peer::connect(server.address);
        peer.send(said);
        assert_eq!(peer.rest(), format!("{ANSWER}\r\n"));
    }
    // Nothing came of it, and a place is free.
    Client::connect(server.address, options(&tls)).unwrap().exit().unwrap();
}

#[test]
fn a_silent_client_is_told_after_a_while() {
    let share = Share::new();
    let server = start(&share, &tls(), waiting(Duration::from_millis(20)));
    let mut silent = Peer::connect(server.address);
    assert_eq!(silent.rest(), format!("{ANSWER}\r\n"));
    // A client waits for the greeting first.
    let refused = Client::connect(server.address, ClientOptions::default());
    let Err(ConnectError::Failed(Failure::Refused(refusal))) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code(), Some(ErrorCode::Protocol));
    assert!(refusal.text.contains("hauls://"), "{refusal:?}");
}

#[test]
fn a_client_of_tls_notices_plain_text() {
    let share = Share::new();
    let server = serve(&share, places(1));
    let refused = Client::connect(server.address, options(&tls()));
    let Err(ConnectError::Handshake(HandshakeError::PlainText)) = refused else {
        panic!("{refused:?}")
    };
    // What the server makes of it.
    let mut peer = server.wait_for_place();
    peer.send([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]);
    peer.send([0xa7; 194]);
    peer.half_close();
    let answer = peer.rest();
    assert!(answer.starts_with("ERR protocol "), "{answer:?}");
}

#[test]
fn a_server_that_is_not_trusted_gets_no_command() {
    let share = Share::new();
    let server = start(&share, &tls(), places(1));
    let refused = Client::connect(server.address, options(&tls()));
    let Err(ConnectError::Handshake(HandshakeError::Untrusted(why))) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(why, Untrusted::WrongKey { .. }), "{why}");
}

/// They hold no place of a session, and of their own only until others need it.
#[test]
fn handshakes_without_end_keep_nobody_out() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, ServerOptions { max_handshakes: 3, ..places(1) });
    let mut client = Client::connect(server.address, options(&tls)).unwrap();
    let beginnings: [&[u8]; 4] = [b"", &[0x16], &[0x16, 3, 1], &[0x16, 3, 1, 0, 200, 1, 0]];
    let mut hanging: Vec<_> = (0..100)
        .map(|number| {
            let mut peer = Peer::connect(server.address);
            peer.send(beginnings[number % beginnings.len()]);
            peer
        })
        .collect();
    // The oldest were ended, though no time has passed for any of them.
    assert_eq!(hanging[0].rest(), "");
    move_file(&mut client, &share, b"content");
    client.exit().unwrap();
    let mut another = server.wait_until_free(&options(&tls));
    move_file(&mut another, &share, b"content");
    another.exit().unwrap();
}

#[test]
fn a_handshake_has_the_time_of_a_line() {
    let share = Share::new();
    let server = start(&share, &tls(), waiting(Duration::from_millis(20)));
    for beginning in [&[0x16][..], &[0x16, 3, 1, 0, 200, 1, 0]] {
        let mut peer = Peer::connect(server.address);
        peer.send(beginning);
        // What is read too late may be lost with the connection.
        let end = peer.try_line();
        let is_lost = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        assert!(end.as_ref().map_or_else(is_lost, String::is_empty), "{end:?}");
    }
}

#[test]
fn a_client_without_a_place_is_told_over_tls() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, places(1));
    let client = Client::connect(server.address, options(&tls)).unwrap();
    let refused = Client::connect(server.address, options(&tls));
    let Err(ConnectError::Failed(Failure::Refused(refusal))) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code(), Some(ErrorCode::Busy));
    client.exit().unwrap();
}

#[test]
fn a_server_that_stops_waits_for_no_handshake() {
    let share = Share::new();
    let server = start(&share, &tls(), places(1));
    let mut silent = Peer::connect(server.address);
    let mut begun = Peer::connect(server.address);
    begun.send([0x16, 3, 1]);
    // They were accepted: a later one was answered.
    let mut plain = Peer::connect(server.address);
    plain.send("LIST\r\n");
    assert_eq!(plain.line(), ANSWER);
    server.handle.shutdown();
    server.join();
    assert_eq!((silent.all(), begun.try_line().unwrap_or_default()), (vec![], String::new()));
}

/// Flips one bit of what goes to the server, at byte `at` of all.
fn flip(at: usize) -> impl FnMut(&[u8], PassOn<'_>) + Send + 'static {
    let mut passed = 0;
    move |bytes, pass_on| {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = at.checked_sub(passed).and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
        passed += bytes.len();
        pass_on(&bytes);
    }
}

#[test]
fn a_changed_body_is_never_published() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, places(1));
    share.write("file", b"old");
    let mine = Share::new();
    mine.write("mine", &payload(300_000));
    // In the hello, at the end of the handshake, in the body, and in its last record.
    for at in [100, 1_600, 50_000, 200_000, 300_000] {
        let between = Between::start(server.address, flip(at));
        let failed = match Client::connect(between.address, options(&tls)) {
            Ok(mut client) => client.upload(&path("file"), Mode::Replace, source(&mine, "mine"), go_on).is_err(),
            Err(_) => true,
        };
        assert!(failed, "byte {at}");
        between.seen();
        drop(server.wait_until_free(&options(&tls)));
        assert_eq!(share.read("file"), b"old", "byte {at}");
        assert_eq!(share.files().len(), 1, "byte {at}");
    }
}

/// A proxy cannot use what it has seen a second time.
#[test]
fn a_replayed_session_does_nothing() {
    let share = Share::new();
    let tls = tls();
    let server = start(&share, &tls, places(1));
    let between = Between::start(server.address, {
        let mut all: Vec<u8> = Vec::new();
        move |bytes, pass_on| {
            pass_on(bytes);
            all.extend_from_slice(bytes);
            // Once more, as soon as the session is longer than its handshake.
            if all.len() > 100_000 {
                pass_on(&all.split_off(all.len() / 2));
            }
        }
    });
    let mine = Share::new();
    mine.write("mine", &payload(200_000));
    let mut client = Client::connect(between.address, options(&tls)).unwrap();
    assert!(client.upload(&path("file"), Mode::Replace, source(&mine, "mine"), go_on).is_err());
    drop(client);
    between.seen();
    drop(server.wait_until_free(&options(&tls)));
    assert_eq!(share.files().len(), 0);
}

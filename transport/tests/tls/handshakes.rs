//! What a handshake requires of both sides.

use std::sync::Arc;

use haul_transport::tls::{Key, TlsClient, Trust};
use haul_transport::{HandshakeError, Security, Stream};

use crate::peers::{
    ROOMY, RawClient, Side, client_of, is_done, pin, receive, send, server, shake_hands, sides,
};
use crate::pipe::Pipe;

#[test]
fn each_side_learns_the_key_of_the_other() {
    let server = server();
    let key = Key::generate().unwrap();
    for key in [None, Some(&key)] {
        let client = TlsClient::new("localhost", pin(&server), key).unwrap();
        let (mut left, mut right) = sides(&client, &server, ROOMY, ROOMY);
        // Nothing is known before it is proven.
        assert_eq!(right.security(), Security { encrypted: true, peer_key: None });
        let (client, answered) = shake_hands(&mut left, &mut right);
        client.unwrap();
        answered.unwrap();
        let of = |peer_key| Security { encrypted: true, peer_key };
        assert_eq!(left.security(), of(Some(server.fingerprint())));
        assert_eq!(right.security(), of(key.map(Key::fingerprint)));
    }
}

/// The outcome of the server with a client of the library alone, and the client.
fn outcome_with(
    change: impl FnOnce(&mut rustls::ClientConfig),
) -> (Result<(), HandshakeError>, RawClient) {
    let tls = server();
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    let mut client = RawClient::with(left, change);
    let mut server = tls.stream(right).unwrap();
    let outcome = loop {
        let turned = client.turn();
        match is_done(server.handshake()) {
            Ok(Some(())) => break Ok(()),
            Ok(None) => turned.map(drop).unwrap(),
            Err(error) => break Err(HandshakeError::from(error)),
        }
    };
    (outcome, client)
}

#[test]
fn another_protocol_is_refused_and_none_is_not() {
    let (outcome, mut client) =
        outcome_with(|config| config.alpn_protocols = vec![b"http/1.1".to_vec()]);
    assert!(matches!(outcome, Err(HandshakeError::Failed(_))), "{outcome:?}");
    let told = client.turn().unwrap_err();
    assert!(told.to_string().contains("NoApplicationProtocol"), "{told}");

    for offered in [vec![], vec![b"http/1.1".to_vec(), b"haul/1".to_vec()]] {
        let (outcome, client) = outcome_with(|config| config.alpn_protocols.clone_from(&offered));
        outcome.unwrap();
        let chosen = client.connection.alpn_protocol();
        assert_eq!(chosen, (!offered.is_empty()).then_some(&b"haul/1"[..]));
    }
}

#[test]
fn nothing_is_resumed() {
    let tickets = Arc::new(rustls::client::ClientSessionMemoryCache::new(8));
    let store = rustls::client::Resumption::store(tickets);
    let (outcome, mut client) = outcome_with(|config| {
        config.resumption = store;
        config.enable_early_data = true;
    });
    outcome.unwrap();
    client.turn().unwrap();
    assert_eq!(client.connection.tls13_tickets_received(), 0);
    assert!(client.connection.early_data().is_none());
}

/// A hello of TLS 1.2 (RFC 5246, section 7.4.1.2) with one suite, one group, and one kind of signature.
#[test]
fn a_client_without_tls_1_3_is_told() {
    const PROTOCOL_VERSION: u8 = 70;
    let mut hello = vec![1, 0, 0, 59, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 16]);
    hello.extend([0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23]);
    let mut record = vec![0x16, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    let mut server = server().stream(right).unwrap();
    left.outgoing.get().bytes.extend(record);
    let refused = is_done(server.handshake()).unwrap_err();
    assert!(matches!(HandshakeError::from(refused), HandshakeError::Failed(_)));
    let alert: Vec<u8> = left.incoming.get().bytes.iter().copied().collect();
    assert_eq!((alert[0], alert[6]), (0x15, PROTOCOL_VERSION), "{alert:?}");
}

#[test]
fn a_server_of_plain_text_is_recognized_by_its_first_byte() {
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    right.outgoing.get().bytes.push_back(b'H');
    let mut client = client_of(&server()).stream(left).unwrap();
    let error = HandshakeError::from(is_done(client.handshake()).unwrap_err());
    assert!(matches!(error, HandshakeError::PlainText), "{error:?}");
}

#[test]
fn a_server_that_hangs_up_is_an_error() {
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    right.outgoing.get().closed = true;
    let mut client = client_of(&server()).stream(left).unwrap();
    for _ in 0..2 {
        let error = HandshakeError::from(is_done(client.handshake()).unwrap_err());
        assert!(matches!(error, HandshakeError::Io(_)), "{error:?}");
    }
}

#[test]
fn a_refused_client_learns_why() {
    let server = server();
    let (left, right) = Pipe::pair(ROOMY, ROOMY);
    let to_client = right.outgoing.clone();
    let mut client = client_of(&server).stream(left).unwrap();
    assert!(is_done(client.handshake()).unwrap().is_none());
    // An alert: fatal, handshake_failure.
    to_client.get().bytes.extend([0x15, 3, 3, 0, 2, 2, 40]);
    let error = HandshakeError::from(is_done(client.handshake()).unwrap_err());
    assert!(matches!(&error, HandshakeError::Refused(alert) if alert == "HandshakeFailure"));
}

/// A write that is asked for too early waits for what the handshake waits for.
#[test]
fn a_write_before_the_handshake_completes_it_first() {
    let server = server();
    let (mut left, mut right): (Side, Side) = sides(&client_of(&server), &server, ROOMY, ROOMY);
    let slices = [std::io::IoSlice::new(b"EXIT\r\n")];
    let early = left.write(&slices).unwrap_err();
    let readable = haul_transport::Interest::Readable;
    assert!(matches!(early, haul_transport::StreamError::WouldBlock(at) if at == readable));
    assert!(is_done(right.handshake()).unwrap().is_none());
    assert_eq!(left.write(&slices).unwrap(), 6);
    right.handshake().unwrap();
    assert_eq!(receive(&mut right).0, b"EXIT\r\n");
    send(&mut right, b"BYE\r\n");
    assert_eq!(receive(&mut left).0, b"BYE\r\n");
}

#[test]
fn a_name_that_is_none_can_be_pinned_but_not_certified() {
    let server = server();
    for name in ["fe80::1%eth0", "a b", ""] {
        let client = TlsClient::new(name, pin(&server), None).unwrap();
        let (mut left, mut right) = sides(&client, &server, ROOMY, ROOMY);
        let (client, answered) = shake_hands(&mut left, &mut right);
        assert!(client.is_ok() && answered.is_ok(), "{name}");
    }
    let authorities = Some(crate::trust::authorities(&crate::trust::Authority::new()));
    let trust = Trust { authorities, ..Trust::default() };
    assert!(TlsClient::new("a b", trust, None).is_err());
}

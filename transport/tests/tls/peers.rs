//! Both sides of TLS: those of this crate, and others that break the rules.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::ops::DerefMut;
use std::sync::Arc;

use haul_transport::tls::{Key, ServerIdentity, TlsClient, TlsServer, TlsStream, Trust};
use haul_transport::{HandshakeError, Stream, StreamError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConnection, ConnectionCommon, DigitallySignedStruct, ServerConnection, SignatureScheme,
};

use crate::pipe::Pipe;

/// Room for everything that a test sends.
pub(crate) const ROOMY: usize = 1 << 20;

pub(crate) type Side = TlsStream<Pipe>;

/// A server with a new key.
pub(crate) fn server() -> TlsServer {
    server_of(&Key::generate().unwrap())
}

pub(crate) fn server_of(key: &Key) -> TlsServer {
    TlsServer::new(ServerIdentity::of_key(key).unwrap()).unwrap()
}

/// Trust in this server alone.
pub(crate) fn pin(server: &TlsServer) -> Trust {
    Trust { pinned: vec![server.fingerprint()], ..Trust::default() }
}

/// A client that trusts this server.
pub(crate) fn client_of(server: &TlsServer) -> TlsClient {
    TlsClient::new("localhost", pin(server), None).unwrap()
}

/// Both sides over wires with room for `capacity` bytes, of which a read gets at most `step`.
pub(crate) fn sides(
    client: &TlsClient,
    server: &TlsServer,
    capacity: usize,
    step: usize,
) -> (Side, Side) {
    let (left, right) = Pipe::pair(capacity, step);
    (client.stream(left).unwrap(), server.stream(right).unwrap())
}

/// Whether a stream has got somewhere.
pub(crate) fn is_done<T>(outcome: Result<T, StreamError>) -> Result<Option<T>, io::Error> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(StreamError::WouldBlock(_)) => Ok(None),
        Err(StreamError::Io(error)) => Err(error),
    }
}

/// Completes the handshake of both sides. Each side's error, if it has one.
pub(crate) fn shake_hands(
    client: &mut impl Stream,
    server: &mut impl Stream,
) -> (Result<(), HandshakeError>, Result<(), HandshakeError>) {
    let mut outcomes = (None, None);
    // Once a side has ended, the other one gets what was sent so far, and then nothing more.
    let mut rounds_left = 2;
    while (outcomes.0.is_none() || outcomes.1.is_none()) && rounds_left > 0 {
        if outcomes.0.is_some() || outcomes.1.is_some() {
            rounds_left -= 1;
        }
        let sides: [(&mut dyn Stream, _); 2] =
            [(client, &mut outcomes.0), (server, &mut outcomes.1)];
        for (side, outcome) in sides {
            if outcome.is_none() {
                *outcome = match is_done(side.handshake()) {
                    Ok(done) => done.map(Ok),
                    Err(error) => Some(Err(HandshakeError::from(error))),
                };
            }
        }
    }
    let never = || Err(HandshakeError::TimedOut);
    (outcomes.0.unwrap_or_else(never), outcomes.1.unwrap_or_else(never))
}

/// Both sides, after their handshake.
pub(crate) fn connected(capacity: usize, step: usize) -> (Side, Side) {
    let server = server();
    let (mut client, mut server) = sides(&client_of(&server), &server, capacity, step);
    complete(&mut client, &mut server);
    (client, server)
}

/// Completes the handshake of both sides, however little room there is.
pub(crate) fn complete(client: &mut impl Stream, server: &mut impl Stream) {
    loop {
        let client = is_done(client.handshake()).unwrap();
        let server = is_done(server.handshake()).unwrap();
        if client.is_some() && server.is_some() {
            return;
        }
    }
}

/// Sends everything; there must be room for it.
pub(crate) fn send(side: &mut impl Stream, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = side.write(&[IoSlice::new(rest)]).unwrap();
        rest = &rest[count..];
    }
}

/// All that has come, and how it ends: with the end of the peer, with nothing more for now, or with an error.
pub(crate) fn receive(side: &mut impl Stream) -> (Vec<u8>, Result<End, io::Error>) {
    let mut all = Vec::new();
    let mut room = [0; 1000];
    loop {
        match is_done(side.read(&mut room)) {
            Ok(Some(0)) => return (all, Ok(End::Closed)),
            Ok(Some(count)) => all.extend_from_slice(&room[..count]),
            Ok(None) => return (all, Ok(End::Open)),
            Err(error) => return (all, Err(error)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer has said that it sends no more.
    Closed,
    /// More may come.
    Open,
}

/// A side of TLS by the library alone, which does what it is told.
pub(crate) struct Raw<C> {
    pub(crate) connection: C,
    pub(crate) pipe: Pipe,
}

pub(crate) type RawClient = Raw<ClientConnection>;
pub(crate) type RawServer = Raw<ServerConnection>;

impl<C: DerefMut<Target = ConnectionCommon<D>>, D> Raw<C> {
    /// Exchanges all that there is, and returns what was decrypted.
    pub(crate) fn turn(&mut self) -> Result<Vec<u8>, rustls::Error> {
        let incoming: Vec<u8> = self.pipe.incoming.get().bytes.drain(..).collect();
        let mut rest = &incoming[..];
        let mut read = Vec::new();
        let mut outcome = Ok(());
        while outcome.is_ok() && !rest.is_empty() {
            self.connection.read_tls(&mut rest).unwrap();
            outcome = self.connection.process_new_packets().map(drop);
            // It ends when there is nothing more for now.
            let _ = self.connection.reader().read_to_end(&mut read);
        }
        self.flush();
        outcome.map(|()| read)
    }

    pub(crate) fn flush(&mut self) {
        let mut outgoing = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut outgoing).unwrap();
        }
        self.pipe.outgoing.get().bytes.extend(outgoing);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.connection.writer().write_all(bytes).unwrap();
        self.flush();
    }
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl RawClient {
    /// A client that trusts every server.
    pub(crate) fn new(pipe: Pipe) -> Self {
        Self::with(pipe, |_| ())
    }

    /// The same, but with another configuration.
    pub(crate) fn with(pipe: Pipe, change: impl FnOnce(&mut rustls::ClientConfig)) -> Self {
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        change(&mut config);
        let name = "localhost".try_into().unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Self { connection, pipe }
    }
}

/// Trusts every server: the peer of a client that is tested here is none.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("only TLS 1.3 is offered")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

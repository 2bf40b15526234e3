//! The server's side of TLS.

use std::fmt;
use std::io;
use std::sync::Arc;

use haul_accounts::Fingerprint;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ServerConnection};

use super::client_verifier::ClientVerifier;
use super::identity::{Resolver, ServerIdentity};
use super::stream::TlsStream;
use super::{ALPN, VERSIONS, provider};
use crate::layer::Layer;
use crate::stream::Stream;

/// The first byte that a client of TLS sends: a record of the handshake.
const HANDSHAKE: u8 = 0x16;
/// What everybody else is told.
const OTHERWISE: &str = "this port speaks TLS: hauls://";

/// Makes streams to clients.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    identity: Arc<ServerIdentity>,
}

impl TlsServer {
    /// Makes streams to clients, to which the server shows this identity.
    ///
    /// # Errors
    /// If the library has none of the algorithms that it needs.
    pub fn new(identity: ServerIdentity) -> io::Result<Self> {
        let identity = Arc::new(identity);
        let provider = provider();
        let verifier = ClientVerifier(Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(VERSIONS)
            .map_err(io::Error::other)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(&identity))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), identity })
    }

    /// The fingerprint of the key that clients are shown at this moment.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    /// A stream over `below`.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn stream<S: Stream>(&self, below: S) -> io::Result<TlsStream<S>> {
        let connection = ServerConnection::new(Arc::clone(&self.config));
        Ok(TlsStream::new(connection.map_err(io::Error::other)?, below))
    }

    /// The layer for [`Server::bind_layered`](crate::Server::bind_layered).
    pub fn layer(&self) -> Layer {
        let server = self.clone();
        Layer::new(move |tcp| Ok(Box::new(server.stream(tcp)?))).opened_by(HANDSHAKE, OTHERWISE)
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

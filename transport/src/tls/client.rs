//! The client's side of TLS.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{ClientConnection, Resumption};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::key::Key;
use super::stream::TlsStream;
use super::trust::{ServerVerifier, Trust};
use super::{ALPN, VERSIONS, provider};
use crate::layer::Layer;
use crate::stream::Stream;

/// Makes streams to a server.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Makes streams to the server with this name or IP address, which must prove that it is the right one. The name is
    /// what authorities certify, and with pinned keys it may be any. The client shows its key, if it has one, but only
    /// to the right server.
    ///
    /// # Errors
    /// If authorities decide but cannot certify such a name.
    pub fn new(name: &str, trust: Trust, key: Option<&Key>) -> io::Result<Self> {
        let certified = trust.pinned.is_empty() && trust.authorities.is_some();
        let name = match ServerName::try_from(name) {
            Ok(name) => name.to_owned(),
            Err(error) if certified => return Err(io::Error::other(error)),
            // It is neither sent nor verified.
            Err(_) => ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        };
        let config = config(trust, key)?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// A stream over `below`.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn stream<S: Stream>(&self, below: S) -> io::Result<TlsStream<S>> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        Ok(TlsStream::new(connection.map_err(io::Error::other)?, below))
    }

    /// The layer for [`ClientOptions`](crate::ClientOptions).
    pub fn layer(&self) -> Layer {
        let client = self.clone();
        Layer::new(move |tcp| Ok(Box::new(client.stream(tcp)?)))
    }
}

fn config(trust: Trust, key: Option<&Key>) -> io::Result<ClientConfig> {
    let provider = provider();
    let verifier = ServerVerifier::new(trust, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match key {
        Some(key) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key.certified()?)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

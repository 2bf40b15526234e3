//! TLS 1.3 as a layer over TCP, and only from the first byte on: there is no resumption, no early data, and no kernel
//! TLS.
//!
//! [`TlsServer`] and [`TlsClient`] make the streams of the two sides. Both sides are known by the fingerprints of their
//! keys. [`Key`] is a key of one's own, kept in a file. A server shows a [`ServerIdentity`]; a client decides by its
//! [`Trust`], and may show a key. What a stream knows in the end is its [`Security`](crate::Security).
//!
//! The library is rustls with the algorithms of aws-lc-rs. Everything that touches its connections is in `stream`.

mod certificate_files;
mod client;
mod client_verifier;
mod fingerprint;
mod identity;
mod key;
mod key_file;
mod server;
mod stream;
mod trust;

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::TLS13;

pub use client::TlsClient;
pub use identity::ServerIdentity;
pub use key::Key;
pub use key_file::KeyFileError;
pub use server::TlsServer;
pub use stream::TlsStream;
pub use trust::{Authorities, Trust};

/// The protocol that both sides speak over TLS (RFC 7301).
const ALPN: &[u8] = b"haul/1";
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

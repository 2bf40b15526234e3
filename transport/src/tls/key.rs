//! A key of one's own.

use std::fmt;
use std::io;
use std::sync::Arc;

use haul_accounts::Fingerprint;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::fingerprint::fingerprint;
use super::provider;

/// A private key, by whose fingerprint a server or client is known. It is shown in a certificate that it signs itself,
/// in which nothing but the key counts.
pub struct Key {
    pair: KeyPair,
    certificate: CertificateDer<'static>,
    fingerprint: Fingerprint,
}

impl Key {
    /// A new key for ECDSA on P-256.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate() -> io::Result<Self> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other).and_then(Self::new)
    }

    /// A private key in PEM, as PKCS #8.
    ///
    /// # Errors
    /// If it is none, or of a kind that is not supported.
    pub fn from_pem(pem: &str) -> io::Result<Self> {
        KeyPair::from_pem(pem).map_err(io::Error::other).and_then(Self::new)
    }

    fn new(pair: KeyPair) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        // Nobody shall read anything out of the names.
        params.distinguished_name = DistinguishedName::new();
        let certificate = params.self_signed(&pair).map_err(io::Error::other)?.der().clone();
        let fingerprint = fingerprint(&certificate).map_err(io::Error::other)?;
        Ok(Self { pair, certificate, fingerprint })
    }

    /// The fingerprint of the public key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The private key in PEM, as PKCS #8.
    pub(super) fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// The key with its certificate.
    pub(super) fn certified(&self) -> io::Result<Arc<CertifiedKey>> {
        let key = PrivatePkcs8KeyDer::from(self.pair.serialize_der()).into();
        let chain = vec![self.certificate.clone()];
        CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(io::Error::other)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.fingerprint).finish()
    }
}

//! How a client knows a server.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use haul_accounts::Fingerprint;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerIncompatible, RootCertStore,
    SignatureScheme,
};

use super::fingerprint::fingerprint;
use crate::handshake::Untrusted;

/// How a client knows a server. The default knows none: the handshake then reports the key of the server, for an
/// application that asks its user and tries again.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The keys of which the server must have one. If there are any, nothing else counts.
    pub pinned: Vec<Fingerprint>,
    /// The authorities that certify keys of servers, if no key is pinned.
    pub authorities: Option<Authorities>,
}

/// Authorities that certify keys of servers.
#[derive(Clone)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// The authorities that this system trusts, from where its TLS libraries find them; the environment variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them. Certificates that are not understood are skipped.
    ///
    /// # Errors
    /// If there are none.
    pub fn of_system() -> io::Result<Self> {
        let rustls_native_certs::CertificateResult { certs, errors, .. } =
            rustls_native_certs::load_native_certs();
        Self::new(certs).ok_or_else(|| match errors.into_iter().next() {
            Some(error) => io::Error::other(error),
            None => io::Error::other("this system trusts no certificate authority"),
        })
    }

    /// The authorities of a PEM file.
    ///
    /// # Errors
    /// If the file cannot be read, or has no certificate of an authority.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(io::Error::other)?;
        Self::new(certificates).ok_or_else(|| io::Error::other("it contains no authority"))
    }

    fn new(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        (!roots.is_empty()).then(|| Self(Arc::new(roots)))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorities").field(&self.0.len()).finish()
    }
}

/// Verifies that a server is trusted, and that it holds the key that it shows.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pinned: Vec<Fingerprint>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub(super) fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> io::Result<Self> {
        let Trust { pinned, authorities } = trust;
        let verifier = |Authorities(roots)| {
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build()
        };
        let authorities = authorities.map(verifier).transpose().map_err(io::Error::other)?;
        Ok(Self { pinned, authorities, provider: Arc::clone(provider) })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = fingerprint(certificate)?;
        let untrusted = if !self.pinned.is_empty() {
            if self.pinned.contains(&shown) {
                return Ok(ServerCertVerified::assertion());
            }
            Untrusted::WrongKey { pinned: self.pinned.clone(), shown }
        } else if let Some(authorities) = &self.authorities {
            let verified =
                authorities.verify_server_cert(certificate, intermediates, name, ocsp, now);
            let Err(error) = verified else { return verified };
            Untrusted::Uncertified { shown, reason: reason(error) }
        } else {
            Untrusted::UnknownKey { shown }
        };
        Err(untrusted.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, certificate, signed, algorithms);
        if let Err(Error::InvalidCertificate(CertificateError::BadSignature)) = verified {
            return Err(Untrusted::Unproven { shown: fingerprint(certificate)? }.into());
        }
        verified
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    }
}

impl From<Untrusted> for Error {
    fn from(untrusted: Untrusted) -> Self {
        CertificateError::Other(OtherError(Arc::new(untrusted))).into()
    }
}

/// Why a server is not trusted, if that is the error.
pub(super) fn untrusted(error: &Error) -> Option<&Untrusted> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref()
        }
        _ => None,
    }
}

//! The fingerprint of the key of a certificate.

use haul_accounts::Fingerprint;
use rustls::Error;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

/// The fingerprint of the public key of a certificate.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(Fingerprint::of_spki(&parsed.subject_public_key_info()))
}

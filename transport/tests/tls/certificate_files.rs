//! The operator's certificate and key, which change while the server runs.

use std::fs;
use std::path::PathBuf;

use haul_accounts::Fingerprint;
use haul_transport::tls::{Key, ServerIdentity, TlsClient, TlsServer, Trust};
use haul_transport::{HandshakeError, Untrusted};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::peers::{ROOMY, shake_hands, sides};
use crate::trust::key_pair;

struct Files {
    _directory: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
        Self { _directory: directory, certificate, key }
    }

    fn write_certificate(&self, key: &KeyPair) {
        let certificate = CertificateParams::default().self_signed(key).unwrap();
        fs::write(&self.certificate, certificate.pem()).unwrap();
    }

    fn write_key(&self, key: &KeyPair) {
        fs::write(&self.key, key.serialize_pem()).unwrap();
    }

    fn identity(&self) -> std::io::Result<ServerIdentity> {
        ServerIdentity::of_files(self.certificate.clone(), self.key.clone())
    }
}

fn fingerprint(key: &KeyPair) -> Fingerprint {
    Key::from_pem(&key.serialize_pem()).unwrap().fingerprint()
}

/// The key that a new client is shown.
fn shown(server: &TlsServer) -> Fingerprint {
    let client = TlsClient::new("localhost", Trust::default(), None).unwrap();
    let (mut left, mut right) = sides(&client, server, ROOMY, ROOMY);
    match shake_hands(&mut left, &mut right).0 {
        Err(HandshakeError::Untrusted(Untrusted::UnknownKey { shown })) => shown,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_changed_pair_is_shown_to_the_next_client_and_a_bad_one_to_nobody() {
    let files = Files::new();
    let (old, new) = (key_pair(), key_pair());
    files.write_certificate(&old);
    files.write_key(&old);
    let server = TlsServer::new(files.identity().unwrap()).unwrap();
    assert_eq!((shown(&server), server.fingerprint()), (fingerprint(&old), fingerprint(&old)));

    // One after the other: in between they do not belong together.
    files.write_certificate(&new);
    assert_eq!(shown(&server), fingerprint(&old));
    files.write_key(&new);
    assert_eq!((shown(&server), server.fingerprint()), (fingerprint(&new), fingerprint(&new)));

    for broken in ["", "no certificate"] {
        fs::write(&files.certificate, broken).unwrap();
        assert_eq!(shown(&server), fingerprint(&new));
    }
    fs::remove_file(&files.certificate).unwrap();
    assert_eq!(shown(&server), fingerprint(&new));
    files.write_certificate(&old);
    files.write_key(&old);
    assert_eq!(shown(&server), fingerprint(&old));
}

#[test]
fn a_server_does_not_start_with_a_bad_pair() {
    let files = Files::new();
    let key = key_pair();
    assert!(files.identity().is_err(), "there are no files");
    files.write_certificate(&key);
    let text = files.identity().unwrap_err().to_string();
    assert!(text.contains("key.pem"), "{text}");
    files.write_key(&key_pair());
    let text = files.identity().unwrap_err().to_string();
    assert!(text.contains("key.pem"), "{text}");
    files.write_key(&key);
    assert!(files.identity().is_ok());
    fs::write(&files.certificate, "").unwrap();
    let text = files.identity().unwrap_err().to_string();
    assert!(text.contains("cert.pem"), "{text}");
}

//! How a client knows a server.

use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use haul_transport::tls::{Authorities, Key, ServerIdentity, TlsClient, TlsServer, Trust};
use haul_transport::{HandshakeError, Stream, Untrusted};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::peers::{
    ROOMY, RawClient, RawServer, client_of, is_done, pin, provider, server, server_of, shake_hands,
    sides,
};
use crate::pipe::Pipe;

/// An authority that certifies keys.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key_pair()).unwrap())
    }

    /// A certificate of this key for `name`, in PEM, which is valid until `year`.
    pub(crate) fn certify(&self, key: &KeyPair, name: &str, year: i32) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        params.signed_by(key, &self.0).unwrap().pem()
    }
}

pub(crate) fn key_pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

pub(crate) fn authorities(authority: &Authority) -> Authorities {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    fs::write(&path, authority.0.pem()).unwrap();
    Authorities::from_file(&path).unwrap()
}

/// A server with this certificate and key.
fn certified(certificate: &str, key: &KeyPair) -> TlsServer {
    let directory = tempfile::tempdir().unwrap();
    let [cert, private] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    fs::write(&cert, certificate).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    TlsServer::new(ServerIdentity::of_files(cert, private).unwrap()).unwrap()
}

/// What a client with this trust says to a server, which learns nothing about the client if it is not trusted.
fn verdict(server: &TlsServer, name: &str, trust: Trust) -> Result<(), Untrusted> {
    let key = Key::generate().unwrap();
    let client = TlsClient::new(name, trust, Some(&key)).unwrap();
    let (mut left, mut right) = sides(&client, server, ROOMY, ROOMY);
    let (client, answered) = shake_hands(&mut left, &mut right);
    match client {
        Ok(()) => {
            answered.unwrap();
            Ok(())
        }
        Err(HandshakeError::Untrusted(untrusted)) => {
            assert!(matches!(answered, Err(HandshakeError::Refused(_))), "{answered:?}");
            assert_eq!(right.security().peer_key, None);
            Err(untrusted)
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_pinned_key_is_the_only_one() {
    let (first, second) = (server(), server());
    verdict(&first, "localhost", pin(&first)).unwrap();
    let both = vec![second.fingerprint(), first.fingerprint()];
    verdict(&first, "localhost", Trust { pinned: both, ..Trust::default() }).unwrap();
    let swapped = verdict(&second, "localhost", pin(&first)).unwrap_err();
    let (pinned, shown) = (vec![first.fingerprint()], second.fingerprint());
    assert_eq!(swapped, Untrusted::WrongKey { pinned, shown });
    // Both are in the text.
    let text = swapped.to_string();
    for fingerprint in [first.fingerprint(), second.fingerprint()] {
        assert!(text.contains(&fingerprint.to_string()), "{text}");
    }
}

#[test]
fn an_unknown_key_is_reported() {
    let server = server();
    let shown = server.fingerprint();
    let unknown = verdict(&server, "localhost", Trust::default()).unwrap_err();
    assert_eq!(unknown, Untrusted::UnknownKey { shown });
}

#[test]
fn an_authority_certifies_a_key_for_a_name_and_a_time() {
    let authority = Authority::new();
    let key = key_pair();
    let trust = || Trust { authorities: Some(authorities(&authority)), ..Trust::default() };
    let good = certified(&authority.certify(&key, "haul.example", 4000), &key);
    verdict(&good, "haul.example", trust()).unwrap();
    let expired = certified(&authority.certify(&key, "haul.example", 2001), &key);
    let by_another = certified(&Authority::new().certify(&key, "haul.example", 4000), &key);
    for (server, name) in
        [(&good, "other.example"), (&expired, "haul.example"), (&by_another, "haul.example")]
    {
        let untrusted = verdict(server, name, trust()).unwrap_err();
        let is_right = matches!(&untrusted,
            Untrusted::Uncertified { shown, .. } if *shown == server.fingerprint());
        assert!(is_right, "{untrusted:?}");
    }
}

/// Whoever gets a certificate for the name by an authority is still another one.
#[test]
fn no_authority_replaces_a_pinned_key() {
    let authority = Authority::new();
    let (key, other) = (key_pair(), key_pair());
    let server = certified(&authority.certify(&key, "haul.example", 4000), &key);
    let impostor = certified(&authority.certify(&other, "haul.example", 4000), &other);
    let trust = || Trust { authorities: Some(authorities(&authority)), ..pin(&server) };
    verdict(&server, "haul.example", trust()).unwrap();
    let wrong = verdict(&impostor, "haul.example", trust()).unwrap_err();
    assert!(matches!(wrong, Untrusted::WrongKey { .. }), "{wrong:?}");
}

#[test]
fn another_certificate_of_the_same_key_is_as_good() {
    let key = key_pair();
    let [old, renewed] = [2001, 4000]
        .map(|year| certified(&Authority::new().certify(&key, "a.example", year), &key));
    verdict(&renewed, "localhost", pin(&old)).unwrap();
    verdict(&old, "localhost", pin(&renewed)).unwrap();
}

/// Set in a process that runs the next test again, because the environment belongs to a process: whether this system has
/// an authority.
const HAS_AUTHORITY: &str = "HAUL_TEST_HAS_AUTHORITY";

#[test]
fn the_authorities_of_the_system_are_those_of_its_file() {
    if let Ok(expected) = env::var(HAS_AUTHORITY) {
        assert_eq!(Authorities::of_system().is_ok().to_string(), expected);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    for (content, has_authority) in [(Authority::new().0.pem(), true), (String::new(), false)] {
        fs::write(&path, content).unwrap();
        let name = concat!(module_path!(), "::the_authorities_of_the_system_are_those_of_its_file");
        let (_crate, name) = name.split_once("::").unwrap();
        let outcome = Command::new(env::current_exe().unwrap())
            .args(["--exact", name])
            .env(HAS_AUTHORITY, has_authority.to_string())
            .env("SSL_CERT_FILE", &path)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&outcome.stdout);
        assert!(outcome.status.success() && text.contains("1 passed"), "{text}");
    }
}

/// The certificate of `key`, with which `signer` signs.
fn impostor(key: &KeyPair, signer: &KeyPair) -> SingleCertAndKey {
    let certificate = CertificateParams::default().self_signed(key).unwrap().der().clone();
    let signer = PrivateKeyDer::Pkcs8(signer.serialize_der().into());
    let signer = provider().key_provider.load_private_key(signer).unwrap();
    SingleCertAndKey::from(CertifiedKey::new(vec![certificate], signer))
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_found_out() {
    let key = key_pair();
    let genuine = server_of(&Key::from_pem(&key.serialize_pem()).unwrap());
    for (signer, is_genuine) in [(&key, true), (&key_pair(), false)] {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(impostor(&key, signer)));
        config.alpn_protocols = vec![b"haul/1".to_vec()];
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let (left, pipe) = Pipe::pair(ROOMY, ROOMY);
        let mut client = client_of(&genuine).stream(left).unwrap();
        let mut server = RawServer { connection, pipe };
        assert!(is_done(client.handshake()).unwrap().is_none());
        server.turn().unwrap();
        let outcome = is_done(client.handshake()).map_err(HandshakeError::from);
        let shown = genuine.fingerprint();
        match outcome {
            Ok(done) => assert!(is_genuine && done.is_some()),
            Err(HandshakeError::Untrusted(untrusted)) => {
                assert!(!is_genuine && untrusted == Untrusted::Unproven { shown });
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_client_without_the_key_of_its_certificate_is_refused() {
    let key = key_pair();
    for (signer, is_genuine) in [(&key, true), (&key_pair(), false)] {
        let tls = server();
        let (left, right) = Pipe::pair(ROOMY, ROOMY);
        let mut client = RawClient::with(left, |config| {
            config.client_auth_cert_resolver = Arc::new(impostor(&key, signer));
        });
        let mut server = tls.stream(right).unwrap();
        client.turn().unwrap();
        assert!(is_done(server.handshake()).unwrap().is_none());
        client.turn().unwrap();
        let outcome = server.handshake();
        let peer_key = server.security().peer_key;
        assert_eq!((outcome.is_ok(), peer_key.is_some()), (is_genuine, is_genuine));
    }
}

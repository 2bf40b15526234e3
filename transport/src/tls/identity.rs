//! What a server shows to its clients.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use haul_accounts::Fingerprint;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::certificate_files::CertificateFiles;
use super::fingerprint::fingerprint;
use super::key::Key;

/// What a server shows to its clients: a key of its own, or a certificate of its operator.
#[derive(Debug)]
pub struct ServerIdentity(Mutex<Current>);

#[derive(Debug)]
struct Current {
    shown: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
    /// Where it is from, if that may change.
    files: Option<CertificateFiles>,
}

impl ServerIdentity {
    /// A key of the server's own.
    ///
    /// # Errors
    /// If the library cannot sign with it.
    pub fn of_key(key: &Key) -> io::Result<Self> {
        let (shown, fingerprint) = (key.certified()?, key.fingerprint());
        Ok(Self(Mutex::new(Current { shown, fingerprint, files: None })))
    }

    /// A chain of certificates and the private key of the first one, in PEM files. They are read again when they
    /// change, which is noticed at the next handshake. If what they contain then is of no use, such as one file before
    /// the other is replaced too, the server keeps what it has, and logs that.
    ///
    /// # Errors
    /// If they cannot be read or do not belong together.
    pub fn of_files(certificates: PathBuf, key: PathBuf) -> io::Result<Self> {
        let (files, shown) = CertificateFiles::load(certificates, key)?;
        let fingerprint = fingerprint_of(&shown)?;
        Ok(Self(Mutex::new(Current { shown, fingerprint, files: Some(files) })))
    }

    /// The fingerprint of the key that is shown at this moment.
    pub fn fingerprint(&self) -> Fingerprint {
        self.with(|current| current.fingerprint)
    }

    /// What to show to the next client.
    fn shown(&self) -> Arc<CertifiedKey> {
        self.with(|current| {
            current.refresh();
            Arc::clone(&current.shown)
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Current) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Current {
    fn refresh(&mut self) {
        let Some(files) = &mut self.files else { return };
        let changed = files.changed().and_then(|changed| {
            changed.map(|shown| fingerprint_of(&shown).map(|new| (shown, new))).transpose()
        });
        match changed {
            Ok(None) => {}
            Ok(Some((shown, fingerprint))) => {
                (self.shown, self.fingerprint) = (shown, fingerprint);
                info!(%fingerprint, "the certificate has changed");
            }
            Err(error) => {
                let fingerprint = self.fingerprint;
                warn!(%error, %fingerprint, "the certificate has changed, but the old one stays in force");
            }
        }
    }
}

fn fingerprint_of(shown: &CertifiedKey) -> io::Result<Fingerprint> {
    shown.end_entity_cert().and_then(fingerprint).map_err(io::Error::other)
}

/// Shows the identity to each client.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Arc<ServerIdentity>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.shown())
    }
}

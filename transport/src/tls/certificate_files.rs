//! The operator's certificate and key, in files that may change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// A chain of certificates and the key of the first, in two files.
#[derive(Debug)]
pub(super) struct CertificateFiles {
    certificates: PathBuf,
    key: PathBuf,
    /// What the files were when they were last read.
    seen: [Option<Stamp>; 2],
}

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl CertificateFiles {
    /// Reads the files.
    pub(super) fn load(
        certificates: PathBuf,
        key: PathBuf,
    ) -> io::Result<(Self, Arc<CertifiedKey>)> {
        let seen = [stamp(&certificates), stamp(&key)];
        let certified = read(&certificates, &key)?;
        Ok((Self { certificates, key, seen }, certified))
    }

    /// Reads the files again if they have changed since they were read, whether that succeeded or not.
    pub(super) fn changed(&mut self) -> io::Result<Option<Arc<CertifiedKey>>> {
        // A change after this is noticed the next time.
        let now = [stamp(&self.certificates), stamp(&self.key)];
        if now == self.seen {
            return Ok(None);
        }
        self.seen = now;
        read(&self.certificates, &self.key).map(Some)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn read(certificates: &Path, key: &Path) -> io::Result<Arc<CertifiedKey>> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(certificates, &error))?;
    if chain.is_empty() {
        return Err(failed(certificates, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    // This verifies that they belong together.
    let certified = CertifiedKey::from_der(chain, private, &provider());
    certified.map(Arc::new).map_err(|error| failed(key, &error))
}

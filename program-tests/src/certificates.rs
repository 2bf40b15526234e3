//! Servers with certificates of an authority.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};

use crate::process::{Bench, Serving};
use crate::running::Ended;

/// An authority, and the file with its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).unwrap();
        let file = directory.join(name);
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// Certifies a key for a name, from the year 2000 to the end of `until`.
    fn certify(&self, key: &KeyPair, name: &str, until: i32) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        params.signed_by(key, &self.issuer).unwrap().pem()
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

/// The operator's files of a server.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    /// Writes the files in `directory`.
    fn new(directory: &Path, certificate: &str, key: &KeyPair) -> Self {
        let files =
            Self { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
        files.write(certificate, key);
        files
    }

    fn write(&self, certificate: &str, key: &KeyPair) {
        fs::write(&self.key, key.serialize_pem()).unwrap();
        fs::write(&self.certificate, certificate).unwrap();
    }

    fn options(&self) -> [&str; 4] {
        ["--tls-cert", self.certificate.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }
}

fn serve(bench: &Bench, files: &Files) -> Serving {
    bench.serve_at("hauls://127.0.0.1:0", &[], &files.options())
}

fn list(bench: &Bench, url: &str, ca: &Path) -> Ended {
    bench.run(&["ls", "--server", url, "--ca", ca.to_str().unwrap()])
}

/// With `--ca`, a server is known by a certificate for its name, of an authority in the file.
pub fn a_certificate_makes_a_server_known(program: &Path) {
    let bench = Bench::new(program);
    let (good, bad) = (Authority::new(bench.place(), "good"), Authority::new(bench.place(), "bad"));
    let server_key = key();
    let files =
        Files::new(bench.place(), &good.certify(&server_key, "127.0.0.1", 2200), &server_key);
    let server = serve(&bench, &files);
    let url = server.url();
    list(&bench, &url, &good.file).assert_code(0);
    let by_name = format!("hauls://localhost:{}", server.address().port());
    for (url, ca, part) in [(&url, &bad.file, "certificate"), (&by_name, &good.file, "localhost")] {
        let refused = list(&bench, url, ca);
        refused.assert_code(10).assert_one_clear_line();
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
        assert!(refused.stderr.contains("SHA256:"), "{}", refused.stderr);
    }
    // Without an authority it is new, and with the file of another one too.
    bench.run(&["ls", "--server", &url]).assert_code(10).assert_one_clear_line();
    for wrong in [bench.place().join("missing"), files.key.clone()] {
        let refused = list(&bench, &url, &wrong);
        refused.assert_code(7).assert_one_clear_line();
        assert!(refused.stderr.contains("--ca"), "{}", refused.stderr);
    }
    // An expired one does not count.
    files.write(&good.certify(&server_key, "127.0.0.1", 2001), &server_key);
    let refused = list(&bench, &url, &good.file);
    refused.assert_code(10).assert_one_clear_line();
    assert!(refused.stderr.contains("expired"), "{}", refused.stderr);
}

/// A server whose key is known is known by that alone: another certificate of the key is as good, and no certificate
/// makes up for another key.
pub fn a_known_key_is_what_counts(program: &Path) {
    let bench = Bench::new(program);
    let good = Authority::new(bench.place(), "good");
    let (old, new) = (key(), key());
    let files = Files::new(bench.place(), &good.certify(&old, "127.0.0.1", 2200), &old);
    let mut server = serve(&bench, &files);
    let line = server.line();
    let fingerprint = line.split_whitespace().last().unwrap();
    let pinned = format!("{}/#{fingerprint}", server.url());
    bench.run(&["ls", "--server", &pinned]).assert_code(0);
    // Renewed, without a new start.
    files.write(&good.certify(&old, "example.org", 2001), &old);
    bench.run(&["ls", "--server", &pinned]).assert_code(0);
    files.write(&good.certify(&new, "127.0.0.1", 2200), &new);
    let refused = list(&bench, &pinned, &good.file);
    refused.assert_code(10).assert_one_clear_line();
    assert!(refused.stderr.contains(fingerprint), "{}", refused.stderr);
    list(&bench, &server.url(), &good.file).assert_code(0);
}

/// Files of which a server cannot use both stop it with a clear error.
pub fn a_certificate_that_does_not_fit_its_key_is_told(program: &Path) {
    let bench = Bench::new(program);
    let good = Authority::new(bench.place(), "good");
    let server_key = key();
    let files = Files::new(bench.place(), &good.certify(&key(), "127.0.0.1", 2200), &server_key);
    let attempt = || {
        let args =
            [&["serve", "../share", "--listen", "hauls://127.0.0.1:0"], &files.options()[..]];
        let refused = bench.run(&args.concat());
        refused.assert_code(7).assert_one_clear_line();
        assert!(refused.stderr.contains("--tls-cert"), "{}", refused.stderr);
    };
    attempt();
    files.write("", &server_key);
    attempt();
    fs::remove_file(&files.key).unwrap();
    attempt();
}

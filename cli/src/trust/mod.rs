//! How this client and its servers know each other.
//!
//! A client knows a server by the fingerprint in its address, else by the one in the `known-hosts` file, else, with
//! `--ca`, by a certificate for its name. Whatever differs is final. A server knows a client by its key, if it has one.

mod config;
mod explain;
mod known_hosts;

use std::path::{Path, PathBuf};

use haul_transport::Layer;
use haul_transport::tls::{Authorities, TlsClient, Trust};

use crate::address::ServerAddress;
use crate::error::{self, Error};
use crate::exit::Exit;

pub(crate) use config::ConfigDirectory;
pub(crate) use explain::{explain, question, refused, unknown_key};
pub(crate) use known_hosts::{KnownHost, KnownHosts};

/// The word for the authorities that this system trusts.
const SYSTEM: &str = "system";

/// What a server is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KnownBy {
    /// The fingerprint in its address.
    Address,
    /// The fingerprint in this file.
    File(PathBuf),
    /// A certificate.
    Authorities,
    /// Nothing: it is new.
    Nothing,
}

/// How to speak to a server with TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) layer: Layer,
    /// What the server is known by.
    pub(crate) known_by: KnownBy,
    /// Whether the client shows a key of its own.
    pub(crate) shows_key: bool,
}

/// How to speak to `server`. `ca` is what `--ca` says.
pub(crate) fn tls(server: &ServerAddress, ca: Option<&Path>) -> Result<Tls, Error> {
    let config = ConfigDirectory::find();
    let known = match (&server.pin, &config) {
        (Some(_), _) | (None, None) => None,
        (None, Some(config)) => config.known_hosts().fingerprint_of(server)?,
    };
    let (trust, known_by) = match (server.pin, known) {
        (Some(pin), _) => (pinned(pin), KnownBy::Address),
        (None, Some((fingerprint, file))) => (pinned(fingerprint), KnownBy::File(file)),
        (None, None) => match ca {
            Some(ca) => {
                let authorities = Some(authorities(ca)?);
                (Trust { authorities, ..Trust::default() }, KnownBy::Authorities)
            }
            None => (Trust::default(), KnownBy::Nothing),
        },
    };
    let key = config.map(|config| config.key()).transpose()?.flatten();
    let client = TlsClient::new(&server.host, trust, key.as_ref()).map_err(|error| {
        let message = format!("no certificate can be for {}: {error}", server.host);
        Error::new(Exit::Usage, message).advise("name the server as its certificate does")
    })?;
    Ok(Tls { layer: client.layer(), known_by, shows_key: key.is_some() })
}

fn pinned(fingerprint: haul_accounts::Fingerprint) -> Trust {
    Trust { pinned: vec![fingerprint], authorities: None }
}

fn authorities(ca: &Path) -> Result<Authorities, Error> {
    let found = if ca.as_os_str() == SYSTEM {
        Authorities::of_system()
    } else {
        Authorities::from_file(ca)
    };
    found.map_err(|error| {
        let message = format!("--ca {}: {}", ca.display(), error::plain(&error));
        Error::new(Exit::Local, message)
            .advise("name a PEM file of certificates of authorities, or: --ca system")
    })
}

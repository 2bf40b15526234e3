//! Addresses as a person writes them.
//!
//! The address of a server is `haul://HOST[:PORT][/PATH]` in plain text, or `hauls://[USER@]HOST[:PORT][/PATH][#SHA256:…]`
//! over TLS. Without a scheme it is `haul` if HOST is a loopback address or `localhost`, and `hauls` otherwise. HOST is a
//! name, an IPv4 address, or an IPv6 address in brackets. PORT is 4285 or 4286 unless the address has another. PATH is the
//! directory that names on the command line start from: with `haul://host/photos`, `get sea.jpg` fetches
//! `photos/sea.jpg`. It is taken as it stands, without percent-encoding, and keeps the rules of names. What follows `#` is
//! the fingerprint of the key that the server must have.
//!
//! A link-local IPv6 address is no use without its zone, the network interface: `[fe80::1%eth0]`,
//! `[fe80::1%2]`, or as RFC 6874 writes it in a URI, `[fe80::1%25eth0]`.

mod host;
mod invitation;
mod listen;
mod scheme;

use std::fmt;
use std::str::FromStr;

use haul_accounts::{Fingerprint, FingerprintError};
use haul_core::account::{UserName, UserNameError};
use haul_core::{FilePath, PathError};
use thiserror::Error;

use crate::names;

pub(crate) use host::HostAndPort;
pub(crate) use invitation::{Invitation, without_invitation};
pub(crate) use listen::ListenAddress;
pub use scheme::Scheme;

/// What stands before a fingerprint in an address.
const PIN: &str = "#SHA256:";

/// The address of a server, and the directory there that names start from.
///
/// Its `Display` has no fingerprint, since it stands in what people read; [`pinned`](Self::pinned) has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Who to be there.
    pub user: Option<UserName>,
    /// A name or an address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// What names start from; `None` is the shared directory itself.
    pub base: Option<FilePath>,
    /// The key that it must have.
    pub pin: Option<Fingerprint>,
}

/// A server, and a name there as it was written: what may stand in place of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The server, with names that start from what is shared.
    pub(crate) server: ServerAddress,
    /// Without the `/` behind the host.
    pub(crate) name: String,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It has another scheme.
    #[error("only haul:// and hauls:// addresses are known")]
    Scheme,
    /// The scheme has no slashes.
    #[error("its scheme is written haul:// or hauls://, such as haul://127.0.0.1:4285")]
    Slashes,
    /// It has a user, and no TLS.
    #[error("only an address with TLS has a user: write hauls://USER@HOST")]
    PlainUser,
    /// It has a password.
    #[error(
        "a password does not belong into an address: write USER@HOST, and you are asked for it"
    )]
    Password,
    /// What stands before the `@` is no user.
    #[error("its user: {0}")]
    User(#[from] UserNameError),
    /// It is for a server, and has a user.
    #[error("a user is of no use here: write HOST:PORT")]
    UserInListen,
    /// It has no host.
    #[error("a host is missing: write HOST or HOST:PORT, such as 127.0.0.1:4285")]
    NoHost,
    /// It is a number.
    #[error("this is a port without a host: write HOST:PORT, such as 127.0.0.1:4285")]
    OnlyPort,
    /// It has an IPv6 address without brackets.
    #[error("an IPv6 address stands in brackets, such as [::1]:4285")]
    Brackets,
    /// It has a link-local address without a zone.
    #[error("this address is link-local: write the network interface too, such as [fe80::1%eth0]")]
    NoZone,
    /// The host has characters that no host has.
    #[error("a host has no spaces and none of / ? # [ ] in it")]
    Host,
    /// The port is not a number, or too large.
    #[error("a port is a number from 0 to 65535")]
    Port,
    /// The port is 0.
    #[error("port 0 is only for listening: write the one that the server printed")]
    PortZero,
    /// It is for a server, and has a path.
    #[error("a path is of no use here: write HOST:PORT")]
    PathInListen,
    /// The path breaks a rule of names.
    #[error("its path: {0}")]
    Path(#[from] PathError),
    /// It has a fingerprint, and no TLS.
    #[error("only a server with TLS has a key: write hauls:// in front")]
    PlainPin,
    /// What follows the `#` is no fingerprint.
    #[error(
        "behind # stands the fingerprint of the server's key, SHA256: and 43 characters; a name with # in it goes with --server"
    )]
    Pin(#[from] FingerprintError),
    /// It has an invitation.
    #[error("it has an invitation, which login takes")]
    Invitation,
    /// What follows `invite=` is no invitation.
    #[error("its invitation is not whole: paste the whole line that you were given")]
    BadInvitation,
}

impl ServerAddress {
    /// The server without a user, a directory and a key.
    pub(crate) fn bare(&self) -> Self {
        Self { user: None, base: None, pin: None, ..self.clone() }
    }

    /// Whether it is spoken to over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::Tls
    }

    /// Whether only this machine can be meant.
    pub(crate) fn is_here(&self) -> bool {
        host::is_here(&self.host)
    }

    /// `HOST:PORT`, by which the server is known.
    pub(crate) fn host_and_port(&self) -> HostAndPort {
        HostAndPort::new(&self.host, self.port)
    }

    /// The address with the fingerprint, if it has one.
    pub fn pinned(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| match (&self.pin, &self.base) {
            (Some(pin), Some(_)) => write!(f, "{self}#{pin}"),
            (Some(pin), None) => write!(f, "{self}/#{pin}"),
            (None, _) => write!(f, "{self}"),
        })
    }
}

impl Address {
    /// Whether `text` is an address, with its scheme, and not a name.
    pub(crate) fn is_whole(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| Scheme::parse(scheme).is_some())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts = Parts::parse(text)?;
        let pin = match parts.fragment {
            None => None,
            Some(fragment) if fragment.contains(invitation::KEY) => {
                return Err(AddressError::Invitation);
            }
            Some(fragment) => Some(fragment.parse()?),
        };
        let Parts { scheme, user, host, port, path, .. } = parts;
        if port == 0 {
            return Err(AddressError::PortZero);
        }
        let server = ServerAddress { scheme, user, host, port, base: None, pin };
        Ok(Self { server, name: path.to_owned() })
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Address { server, name } = text.parse()?;
        Ok(Self { base: names::path(&name)?, ..server })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, user, base, .. } = self;
        write!(f, "{scheme}://")?;
        user.as_ref().map_or(Ok(()), |user| write!(f, "{user}@"))?;
        write!(f, "{}", self.host_and_port())?;
        base.as_ref().map_or(Ok(()), |base| write!(f, "/{}", base.escaped()))
    }
}

impl Default for ServerAddress {
    /// This machine, in plain text.
    fn default() -> Self {
        let ListenAddress { scheme, host, port } = ListenAddress::default();
        Self { scheme, user: None, host, port, base: None, pin: None }
    }
}

/// The parts of an address.
struct Parts<'a> {
    scheme: Scheme,
    user: Option<UserName>,
    host: String,
    port: u16,
    /// Without the `/` before it.
    path: &'a str,
    /// What follows the `#`; a plain address has none.
    fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Result<Self, AddressError> {
        let (scheme, rest) = scheme::split(text)?;
        let (authority, tail) = rest.split_at(rest.find(['/', '#']).unwrap_or(rest.len()));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(AddressError::Password),
            Some((user, authority)) => (Some(UserName::parse(user)?), authority),
            None => (None, authority),
        };
        let (host, port) = host::parse(authority)?;
        let scheme = scheme.unwrap_or_else(|| Scheme::of_host(&host));
        let (path, fragment) = match scheme {
            Scheme::Tls => match tail.split_once('#') {
                Some((path, fragment)) => (path, Some(fragment)),
                None => (tail, None),
            },
            Scheme::Plain if tail.contains(PIN) => return Err(AddressError::PlainPin),
            Scheme::Plain if tail.starts_with('#') => return Err(AddressError::Host),
            Scheme::Plain if user.is_some() => return Err(AddressError::PlainUser),
            Scheme::Plain => (tail, None),
        };
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self {
            scheme,
            user,
            host,
            port,
            path: path.strip_prefix('/').unwrap_or(path),
            fragment,
        })
    }
}

#[cfg(test)]
mod tests;

//! Where a server listens.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::host::{self, HostAndPort};
use super::scheme::{self, Scheme};
use super::{AddressError, PIN};

/// Where a server listens: `[haul://|hauls://]HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    /// How it is spoken to.
    pub(crate) scheme: Scheme,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// 0 lets the system pick one.
    pub(crate) port: u16,
}

impl ListenAddress {
    /// The address of a socket.
    pub(crate) fn of_socket(scheme: Scheme, address: SocketAddr) -> Self {
        Self { scheme, host: host::of_socket(address), port: address.port() }
    }

    /// Whether only this machine can reach it.
    pub(crate) fn is_here(&self) -> bool {
        host::is_here(&self.host)
    }

    /// `HOST:PORT`.
    pub(crate) fn host_and_port(&self) -> HostAndPort {
        HostAndPort::new(&self.host, self.port)
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = scheme::split(text)?;
        if rest.contains(PIN) {
            return Err(AddressError::Host);
        }
        if rest.contains('/') {
            return Err(AddressError::PathInListen);
        }
        if rest.contains('@') {
            return Err(AddressError::UserInListen);
        }
        let (host, port) = host::parse(rest)?;
        let scheme = scheme.unwrap_or_else(|| Scheme::of_host(&host));
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { scheme, host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host_and_port())
    }
}

impl Default for ListenAddress {
    /// Only this machine, in plain text.
    fn default() -> Self {
        let scheme = Scheme::Plain;
        Self { scheme, host: String::from("127.0.0.1"), port: scheme.default_port() }
    }
}

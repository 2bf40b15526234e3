//! Hosts and ports.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::AddressError;

/// A host and a port, as they stand in an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAndPort {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
}

impl HostAndPort {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.split_once('%') {
            // As it stands it would be read as the form of a URI.
            Some((address, zone))
                if address.contains(':') && zone.starts_with("25") && zone.len() > 2 =>
            {
                write!(f, "[{address}%25{zone}]:{port}")
            }
            _ if host.contains(':') => write!(f, "[{host}]:{port}"),
            _ => write!(f, "{host}:{port}"),
        }
    }
}

/// Whether only this machine can be meant.
pub(super) fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The host of a socket's address, without brackets.
pub(super) fn of_socket(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        address => address.ip().to_string(),
    }
}

/// Parses a host, and a port if there is one.
pub(super) fn parse(authority: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Brackets)?;
        let host = ipv6(host)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(AddressError::Brackets),
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(AddressError::Brackets),
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        (host.to_owned(), port)
    };
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || "/?#[]\\@".contains(c)) {
        return Err(AddressError::Host);
    }
    // The resolver would take a bare number for an IPv4 address.
    if host.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::OnlyPort);
    }
    Ok((host, port.map(parse_port).transpose()?))
}

/// An IPv6 address, with `%` and its zone if it has one, as the resolver takes it.
fn ipv6(text: &str) -> Result<String, AddressError> {
    let (address, zone) = match text.split_once('%') {
        None => (text, None),
        // In a URI a `%` is written `%25`.
        Some((address, zone)) => {
            let bare = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
            (address, Some(bare))
        }
    };
    let parsed: Ipv6Addr = address.parse().map_err(|_| AddressError::Brackets)?;
    match zone {
        Some("") => Err(AddressError::NoZone),
        Some(zone) => Ok(format!("{address}%{zone}")),
        None if parsed.is_unicast_link_local() => Err(AddressError::NoZone),
        None => Ok(address.to_owned()),
    }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().map_err(|_| AddressError::Port) } else { Err(AddressError::Port) }
}

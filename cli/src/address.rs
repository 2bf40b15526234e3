//! Addresses as a person writes them.
//!
//! A server's address is `haul://HOST[:PORT][/PATH]`, or the same without `haul://`. HOST is a name, an IPv4 address,
//! or an IPv6 address in brackets. PORT is 4285 by default. PATH is the directory that names on the command line are
//! relative to: with `haul://host/photos`, `get sea.jpg` downloads `photos/sea.jpg`. It is taken literally, without
//! percent-encoding, and must be a valid name.
//!
//! A link-local IPv6 address needs its zone, the network interface: `[fe80::1%eth0]`, `[fe80::1%2]`, or as RFC 6874
//! writes it in a URI, `[fe80::1%25eth0]`.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use haul_core::{FilePath, PathError};
use thiserror::Error;

use crate::names;

/// The default port of a server.
pub(crate) const DEFAULT_PORT: u16 = 4285;

const SCHEME: &str = "haul://";

/// The address of a server, and the directory there that names are relative to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// 1 to 65535.
    pub(crate) port: u16,
    /// The directory that names are relative to; `None` is the shared directory itself.
    pub(crate) base: Option<FilePath>,
}

/// A server, and a name there as it was written: the form that may replace a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// 1 to 65535.
    pub(crate) port: u16,
    /// Without the `/` after the host.
    pub(crate) name: String,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// 0 lets the system choose one.
    pub(crate) port: u16,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AddressError {
    #[error("only haul:// addresses are known")]
    Scheme,
    #[error("its scheme is written haul://, such as haul://127.0.0.1:4285")]
    Slashes,
    #[error("there are no users in an address yet: write HOST or HOST:PORT")]
    User,
    #[error("a host is missing: write HOST or HOST:PORT, such as 127.0.0.1:4285")]
    NoHost,
    #[error("this is a port without a host: write HOST:PORT, such as 127.0.0.1:4285")]
    OnlyPort,
    #[error("an IPv6 address stands in brackets, such as [::1]:4285")]
    Brackets,
    #[error("this address is link-local: write the network interface too, such as [fe80::1%eth0]")]
    NoZone,
    #[error("a host contains no spaces and none of / ? # [ ]")]
    Host,
    #[error("a port is a number from 0 to 65535")]
    Port,
    #[error("port 0 is only for listening: write the one that the server printed")]
    PortZero,
    #[error("a path is not allowed here: write HOST:PORT")]
    PathInListen,
    #[error("its path: {0}")]
    Path(#[from] PathError),
}

impl Address {
    /// Whether `text` is an address, with its scheme, and not a name.
    pub(crate) fn is_whole(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("haul"))
    }

    /// The server, with names relative to the shared directory.
    pub(crate) fn server(&self) -> ServerAddress {
        ServerAddress { host: self.host.clone(), port: self.port, base: None }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = without_scheme(text)?;
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_and_port(authority)?;
        if port == 0 {
            return Err(AddressError::PortZero);
        }
        Ok(Self { host, port, name: name.to_owned() })
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Address { host, port, name } = text.parse()?;
        Ok(Self { host, port, base: names::path(&name)? })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        write_host_and_port(f, &self.host, self.port)?;
        self.base.as_ref().map_or(Ok(()), |base| write!(f, "/{}", base.escaped()))
    }
}

impl Default for ServerAddress {
    fn default() -> Self {
        let ListenAddress { host, port } = ListenAddress::default();
        Self { host, port, base: None }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = without_scheme(text)?;
        if rest.contains('/') {
            return Err(AddressError::PathInListen);
        }
        let (host, port) = host_and_port(rest)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host_and_port(f, &self.host, self.port)
    }
}

impl Default for ListenAddress {
    /// Only this machine can connect, because there are no accounts yet.
    fn default() -> Self {
        Self { host: String::from("127.0.0.1"), port: DEFAULT_PORT }
    }
}

fn without_scheme(text: &str) -> Result<&str, AddressError> {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("haul") => Ok(rest),
        Some(_) => Err(AddressError::Scheme),
        None if lacks_slashes(text) => Err(AddressError::Slashes),
        None => Ok(text),
    }
}

/// Whether `text` begins with the scheme, rather than with a host called `haul` and a port.
fn lacks_slashes(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let port = rest.split('/').next().unwrap_or_default();
        let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        scheme.eq_ignore_ascii_case("haul") && !is_port && !rest.is_empty()
    })
}

fn host_and_port(authority: &str) -> Result<(String, u16), AddressError> {
    if authority.contains('@') {
        return Err(AddressError::User);
    }
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
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || "/?#[]\\".contains(c)) {
        return Err(AddressError::Host);
    }
    // The resolver would take a bare number for an IPv4 address.
    if host.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::OnlyPort);
    }
    let port = port.map_or(Ok(DEFAULT_PORT), parse_port)?;
    Ok((host, port))
}

/// An IPv6 address, with `%` and its zone if it has one, in the form that the resolver accepts.
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

fn write_host_and_port(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    match host.split_once('%') {
        // Unescaped, it would be read as the form for a URI.
        Some((address, zone)) if zone.starts_with("25") && zone.len() > 2 => {
            write!(f, "[{address}%25{zone}]:{port}")
        }
        _ if host.contains(':') => write!(f, "[{host}]:{port}"),
        _ => write!(f, "{host}:{port}"),
    }
}

/// The address of a socket, as a host without brackets and a port.
impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            address => address.ip().to_string(),
        };
        Self { host, port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Result<(String, u16, Option<String>), AddressError> {
        let address: ServerAddress = text.parse()?;
        Ok((address.host, address.port, address.base.map(String::from)))
    }

    fn plain(host: &str, port: u16) -> (String, u16, Option<String>) {
        (host.to_owned(), port, None)
    }

    #[test]
    fn a_server_is_a_host_with_or_without_scheme_and_port() {
        assert_eq!(server("haul://files.example:99"), Ok(plain("files.example", 99)));
        assert_eq!(server("files.example:99"), Ok(plain("files.example", 99)));
        assert_eq!(server("HAUL://files.example/"), Ok(plain("files.example", DEFAULT_PORT)));
        assert_eq!(server("files.example"), Ok(plain("files.example", DEFAULT_PORT)));
        assert_eq!(server("haul://[::1]:99"), Ok(plain("::1", 99)));
        assert_eq!(server("haul:99"), Ok(plain("haul", 99)));
        assert_eq!(server("[fe80::1%2]"), Ok(plain("fe80::1%2", DEFAULT_PORT)));
        assert_eq!(server("[fe80::1%eth0]:9"), Ok(plain("fe80::1%eth0", 9)));
    }

    #[test]
    fn a_zone_is_written_in_either_way() {
        for (text, host) in [
            ("[fe80::1%25eth0]", "fe80::1%eth0"),
            ("[fe80::1%252]", "fe80::1%2"),
            ("[fe80::1%25]", "fe80::1%25"),
            ("[fe80::1%25251]", "fe80::1%251"),
        ] {
            assert_eq!(server(text), Ok(plain(host, DEFAULT_PORT)), "{text}");
            let shown = text.parse::<ServerAddress>().unwrap().to_string();
            assert_eq!(server(&shown), Ok(plain(host, DEFAULT_PORT)), "{text}: {shown}");
        }
        for text in ["[fe80::1]:1", "[fe80::1%]", "[febf::1]"] {
            assert_eq!(server(text), Err(AddressError::NoZone), "{text}");
        }
        assert_eq!(server("[fec0::1]"), Ok(plain("fec0::1", DEFAULT_PORT)));
    }

    #[test]
    fn its_path_is_what_names_start_from() {
        let based = |path: &str| Ok((String::from("h"), DEFAULT_PORT, Some(path.to_owned())));
        assert_eq!(server("haul://h/a b/100%"), based("a b/100%"));
        assert_eq!(server("h/photos/"), based("photos"));
        assert_eq!(server("h/../x"), Err(AddressError::Path(PathError::DotComponent)));
        assert_eq!(server("h//x/./y//"), based("x/y"));
        assert_eq!(server("h/."), Ok(plain("h", DEFAULT_PORT)));
    }

    #[test]
    fn what_is_not_an_address_says_why() {
        for (text, error) in [
            ("", AddressError::NoHost),
            ("haul://", AddressError::NoHost),
            (":4285", AddressError::NoHost),
            ("http://h", AddressError::Scheme),
            ("4285", AddressError::OnlyPort),
            ("::1", AddressError::Brackets),
            ("::1:4285", AddressError::Brackets),
            ("[::1", AddressError::Brackets),
            ("[::1]4285", AddressError::Brackets),
            ("[host]:1", AddressError::Brackets),
            ("me@h", AddressError::User),
            ("haul://me:pw@h", AddressError::User),
            ("haul:127.0.0.1:7200", AddressError::Slashes),
            ("haul:/127.0.0.1:7200", AddressError::Slashes),
            ("HAUL:h", AddressError::Slashes),
            ("haul:", AddressError::Port),
            ("h h", AddressError::Host),
            ("h\u{1b}[m", AddressError::Host),
            ("h?x", AddressError::Host),
            ("h:", AddressError::Port),
            ("h:+1", AddressError::Port),
            ("h:65536", AddressError::Port),
            ("h:x", AddressError::Port),
            ("h:0", AddressError::PortZero),
        ] {
            assert_eq!(server(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_is_displayed_can_be_read_again() {
        for text in ["haul://h:1", "haul://[::1]:4285", "haul://127.0.0.1:4285/a/b c"] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
        }
        assert_eq!(ServerAddress::default().to_string(), "haul://127.0.0.1:4285");
    }

    #[test]
    fn listening_takes_port_zero_and_no_path() {
        let listen = |text: &str| text.parse::<ListenAddress>().map(|address| address.to_string());
        assert_eq!(listen("0.0.0.0:0"), Ok("0.0.0.0:0".to_owned()));
        assert_eq!(listen("[::1]:4285"), Ok("[::1]:4285".to_owned()));
        assert_eq!(listen("localhost"), Ok("localhost:4285".to_owned()));
        assert_eq!(listen("localhost/x"), Err(AddressError::PathInListen));
        assert_eq!(listen(":80"), Err(AddressError::NoHost));
    }
}

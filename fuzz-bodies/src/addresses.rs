//! Addresses of servers.

use std::net::IpAddr;

use haul_cli::{Scheme, ServerAddress};

/// Parses the text as the address of a server.
///
/// # Panics
/// When an address is another one after it is written, what it has is of no use, a fingerprint in it is not heeded, or
/// one without a scheme is in plain text for another machine than this one.
pub fn addresses(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let address = match text.parse::<ServerAddress>() {
        Ok(address) => address,
        Err(error) => return assert!(!error.to_string().contains(char::is_control)),
    };
    let ServerAddress { scheme, user, host, port, base, pin } = &address;
    assert!(!host.is_empty() && !host.contains(|c: char| c.is_control() || c.is_whitespace()));
    assert!(!host.contains(['/', '#', '@', '?', '[', ']']), "{text:?}: {host:?}");
    assert_ne!(*port, 0, "{text:?}");
    assert!(*scheme == Scheme::Tls || (user.is_none() && pin.is_none()), "{text:?}");
    assert!(pin.is_some() || !text.contains("#SHA256:"), "{text:?}");
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    let expected = match text.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("haul") => Scheme::Plain,
        None if is_here => Scheme::Plain,
        _ => Scheme::Tls,
    };
    assert_eq!(*scheme, expected, "{text:?}");
    // Names that could harm a terminal are written with escapes.
    if base.as_ref().is_none_or(|base| base.escaped().to_string() == base.as_str()) {
        assert_eq!(address.pinned().to_string().parse(), Ok(address.clone()), "{text:?}");
    }
}

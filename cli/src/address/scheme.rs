//! The scheme of an address.

use std::fmt;

use super::{AddressError, host};

/// How to speak to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In plain text: `haul`.
    Plain,
    /// Over TLS: `hauls`.
    Tls,
}

impl Scheme {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Plain, Self::Tls]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }

    /// The scheme of an address that has none.
    pub(super) fn of_host(host: &str) -> Self {
        if host::is_here(host) { Self::Plain } else { Self::Tls }
    }

    /// The scheme as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "haul",
            Self::Tls => "hauls",
        }
    }

    /// The port of a server unless its address has another.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Plain => 4285,
            Self::Tls => 4286,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scheme of an address, if it has one, and what follows it.
pub(super) fn split(text: &str) -> Result<(Option<Scheme>, &str), AddressError> {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            Scheme::parse(scheme).map(|scheme| (Some(scheme), rest)).ok_or(AddressError::Scheme)
        }
        None if lacks_slashes(text) => Err(AddressError::Slashes),
        None => Ok((None, text)),
    }
}

/// Whether `text` begins with a scheme, and not with a host of its name and a port.
fn lacks_slashes(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let port = rest.split(['/', '#']).next().unwrap_or_default();
        let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        Scheme::parse(scheme).is_some() && !is_port && !rest.is_empty()
    })
}

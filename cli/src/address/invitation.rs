//! The address of a server with an invitation: `hauls://USER@HOST[:PORT]/#SHA256:…,invite=…`.

use std::borrow::Cow;
use std::str::FromStr;

use haul_core::account::Secret;

use super::{AddressError, Parts, ServerAddress};

/// What stands before the secret.
pub(super) const KEY: &str = "invite=";

/// The address of a server, with an invitation if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) server: ServerAddress,
    pub(crate) secret: Option<Secret>,
}

impl FromStr for Invitation {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((address, invitation)) = text.split_once(",invite=") else {
            return Ok(Self { server: text.parse()?, secret: None });
        };
        // Nobody is to send an invitation to a server that is not known.
        if Parts::parse(address)?.fragment.is_none() {
            return Err(AddressError::BadInvitation);
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let secret = Some(invitation)
            .filter(|text| text.bytes().all(is_plain))
            .and_then(|text| Secret::new(text.to_owned()))
            .ok_or(AddressError::BadInvitation)?;
        Ok(Self { server: address.parse()?, secret: Some(secret) })
    }
}

/// A text to show, of which an invitation is left out.
pub(crate) fn without_invitation(text: &str) -> Cow<'_, str> {
    let Some((before, secret)) = text.split_once(KEY) else { return text.into() };
    let is_secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    format!("{before}{KEY}…{}", without_invitation(secret.trim_start_matches(is_secret))).into()
}

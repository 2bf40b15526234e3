//! Invitations.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64ct::{Base64UrlUnpadded, Encoding};
use haul_core::account::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::AccountsError;
use crate::random::random;

/// How long an invitation works.
pub(crate) const LIFETIME: Duration = Duration::from_hours(24);

const SECRET_BYTES: usize = 16;
/// The length of 32 bytes in unpadded base64.
const HASH_DIGITS: usize = 43;

/// The SHA-256 of an invitation: what is kept of it. It is written as 43 characters of unpadded base64url.
///
/// An invitation has 128 random bits, so that nobody finds it from its hash, and there is no need for a slow one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvitationHash([u8; 32]);

impl InvitationHash {
    /// The hash of an invitation; `None` if the text cannot be one.
    pub fn of(invitation: &Secret) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        let decoded = Base64UrlUnpadded::decode(invitation.expose(), &mut *bytes).ok()?;
        (decoded.len() == SECRET_BYTES).then(|| Self(Sha256::digest(decoded).into()))
    }

    /// Parses the text; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let is_one =
            text.len() == HASH_DIGITS && Base64UrlUnpadded::decode(text, &mut bytes).is_ok();
        is_one.then_some(Self(bytes))
    }
}

impl fmt::Display for InvitationHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

/// A new invitation: 22 characters of base64url, and its hash.
pub(crate) fn invitation() -> Result<(Secret, InvitationHash), AccountsError> {
    let bytes = Zeroizing::new(random::<SECRET_BYTES>()?);
    let secret = Secret::new(Base64UrlUnpadded::encode_string(&*bytes))
        .ok_or(AccountsError::NoRandomness)?;
    Ok((secret, InvitationHash(Sha256::digest(*bytes).into())))
}

/// The seconds of the Unix epoch.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_known_by_its_hash() {
        let (secret, hash) = invitation().unwrap();
        assert_eq!(secret.expose().len(), 22);
        assert_eq!(InvitationHash::of(&secret), Some(hash));
        assert_eq!(InvitationHash::parse(&hash.to_string()), Some(hash));
        assert_ne!(invitation().unwrap().1, hash);
        for other in [
            "x",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "é",
        ] {
            assert_eq!(
                InvitationHash::of(&Secret::new(other.to_owned()).unwrap()),
                None,
                "{other}"
            );
            assert_eq!(InvitationHash::parse(other), None, "{other}");
        }
    }
}

//! Fingerprints of public keys.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use thiserror::Error;

const PREFIX: &str = "SHA256:";
/// The length of 32 bytes in unpadded base64.
const DIGITS: usize = 43;

/// The fingerprint of a public key: the SHA-256 of its `SubjectPublicKeyInfo` in DER ([RFC 5280, section 4.1]).
///
/// It is written as `SHA256:` and 43 characters of unpadded standard base64 ([RFC 4648, section 4]). Each fingerprint
/// has exactly one text.
///
/// ```
/// use haul_accounts::Fingerprint;
///
/// let text = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
/// let fingerprint: Fingerprint = text.parse()?;
/// assert_eq!(fingerprint, Fingerprint::of_spki(b""));
/// assert_eq!(fingerprint.to_string(), text);
/// # Ok::<(), haul_accounts::FingerprintError>(())
/// ```
///
/// [RFC 5280, section 4.1]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1
/// [RFC 4648, section 4]: https://www.rfc-editor.org/rfc/rfc4648#section-4
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of the key with this `SubjectPublicKeyInfo` in DER. The bytes are not parsed.
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// The SHA-256.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.strip_prefix(PREFIX).ok_or(FingerprintError)?;
        if digits.len() != DIGITS {
            return Err(FingerprintError);
        }
        let mut bytes = [0; 32];
        // It also refuses a last digit whose unused bits are not zero.
        Base64Unpadded::decode(digits, &mut bytes).map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&[PREFIX, &Base64Unpadded::encode_string(&self.0)].concat())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a [`Fingerprint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a fingerprint is SHA256: and 43 characters of base64")]
pub struct FingerprintError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

    #[test]
    fn a_fingerprint_has_exactly_one_text() {
        assert_eq!(TEXT.parse(), Ok(Fingerprint::of_spki(b"")));
        let unused_bits = TEXT.replace("SuFU", "SuFV");
        let url_alphabet = TEXT.replace('+', "-").replace('/', "_");
        for bad in [
            "",
            "SHA256:",
            &TEXT[7..],
            &TEXT[..49],
            &TEXT.to_lowercase(),
            &TEXT.replace("SHA256", "MD5"),
            &format!("{TEXT}="),
            &format!("{TEXT}\n"),
            &format!(" {TEXT}"),
            &format!("{}é", &TEXT[..48]),
            &unused_bits,
            &url_alphabet,
        ] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_fingerprint_is_parsed_as_it_is_written(spki: Vec<u8>) {
            let fingerprint = Fingerprint::of_spki(&spki);
            let text = fingerprint.to_string();
            prop_assert_eq!(text.len(), 50);
            prop_assert_eq!(text.parse(), Ok(fingerprint));
        }

        /// One changed character gives another fingerprint or none.
        #[test]
        fn a_text_of_one_fingerprint_is_that_of_no_other(at in 7..50_usize, with in "[ -~]") {
            let mut changed = TEXT.to_owned();
            changed.replace_range(at..=at, &with);
            let parsed = changed.parse::<Fingerprint>();
            prop_assert!(changed == TEXT || parsed != TEXT.parse());
            prop_assert!(parsed.is_err() || parsed.unwrap().to_string() == changed);
        }
    }
}

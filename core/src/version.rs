//! Versions of a file.

use core::fmt;

/// The longest version in bytes. It is part of the protocol.
const MAX_BYTES: usize = 64;

/// An opaque word that changes whenever the content of a file may have changed.
///
/// It has 1 to 64 of the characters `A`–`Z`, `a`–`z`, `0`–`9`, `.`, `_` and `-`.
///
/// ```
/// use haul_core::Version;
///
/// let version = Version::parse("5-3f.A_").expect("it has the form of one");
/// assert_eq!(version.as_str(), "5-3f.A_");
/// assert_eq!(Version::parse("no spaces"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    bytes: [u8; MAX_BYTES],
    length: u8,
}

impl Version {
    /// Parses a version; `None` if the word is malformed.
    pub fn parse(word: &str) -> Option<Self> {
        let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if word.is_empty() || !word.bytes().all(is_good) {
            return None;
        }
        let mut bytes = [0; MAX_BYTES];
        bytes.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
        Some(Self { bytes, length: u8::try_from(word.len()).ok()? })
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        // It is ASCII, so this never fails.
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Version").field(&self.as_str()).finish()
    }
}

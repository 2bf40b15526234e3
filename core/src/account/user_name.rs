//! Names of users.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// The name of a user: 1 to 64 of the characters `a`–`z`, `0`–`9`, `.`, `_` and `-`, the first one a letter or a digit.
///
/// Such a name is also a good name for a directory, on every file system, and means the same one whether or not the
/// file system distinguishes case. It is safe to print.
///
/// ```
/// use haul_core::account::UserName;
///
/// assert_eq!(UserName::parse("alice")?.as_str(), "alice");
/// assert!(UserName::parse("Alice").is_err() && UserName::parse("../alice").is_err());
/// # Ok::<(), haul_core::account::UserNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

impl UserName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Checks the rules.
    ///
    /// # Errors
    /// If `text` breaks a rule.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins = text.bytes().next().is_some_and(is_plain);
        let is_good = |byte| is_plain(byte) || matches!(byte, b'.' | b'_' | b'-');
        if !begins || text.len() > Self::MAX_BYTES || !text.bytes().all(is_good) {
            return Err(UserNameError);
        }
        Ok(Self(text.into()))
    }

    /// The name of everybody who has not identified themselves, where a server serves them.
    pub fn anonymous() -> Self {
        Self("anonymous".into())
    }

    /// Whether it is the [anonymous](Self::anonymous) one. No account has this name.
    pub fn is_anonymous(&self) -> bool {
        *self == Self::anonymous()
    }

    /// The name as the protocol writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        Self::parse(text)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A text is not a [`UserName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a user name has 1 to 64 of a-z 0-9 . _ - and begins with a letter or a digit")]
pub struct UserNameError;

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn only_plain_names_are_user_names() {
        for good in ["a", "7", "alice", "bob-2.test_x", &"a".repeat(64)] {
            assert_eq!(UserName::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        let huge: String = "a".repeat(5 << 10);
        for bad in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "_a",
            "a/b",
            "a\\b",
            "A",
            "aB",
            "a b",
            "a\0",
            "a\n",
            "\u{202e}a",
            "é",
            "a=b",
            "a\"",
            &long,
            &huge,
        ] {
            assert_eq!(UserName::parse(bad), Err(UserNameError), "{bad:?}");
        }
        assert!(UserName::anonymous().is_anonymous());
        assert!(!UserName::parse("alice").unwrap().is_anonymous());
    }
}

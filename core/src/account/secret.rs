//! Secrets that identify a user.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use zeroize::Zeroize;

/// A secret text, such as a password: 1 to 1024 bytes without control characters.
///
/// It is overwritten when it is dropped, and neither `Debug` nor anything else prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// The longest secret, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Takes the text; `None` if it is empty, longer than [`MAX_BYTES`](Self::MAX_BYTES), or has a control character,
    /// which no line can have.
    pub fn new(text: String) -> Option<Self> {
        let mut text = text;
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        if !fits || text.contains(char::is_control) {
            text.zeroize();
            return None;
        }
        // A copy, because shrinking a string may leave its bytes behind.
        let secret = Self(text.as_str().into());
        text.zeroize();
        Some(secret)
    }

    /// The place of a secret that is kept from those who need not know it.
    fn withheld() -> Self {
        Self(Box::default())
    }

    /// The text. It must not reach a log, an error or an argument list.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a user shows to be identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The password of the account.
    Password(Secret),
    /// An invitation, which binds the key of the TLS handshake to the account.
    Invite(Secret),
}

impl Proof {
    /// The same kind of proof, without the secret.
    #[must_use]
    pub fn withheld(&self) -> Self {
        match self {
            Self::Password(_) => Self::Password(Secret::withheld()),
            Self::Invite(_) => Self::Invite(Secret::withheld()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_secret_has_bounds_and_is_never_printed() {
        assert_eq!(Secret::new(String::new()), None);
        assert_eq!(Secret::new("x".repeat(1025)), None);
        assert_eq!(Secret::new("x\ny".into()), None);
        let secret = Secret::new("x".repeat(1024)).unwrap();
        assert_eq!(secret.expose().len(), 1024);
        let shown = format!("{:?}", Proof::Password(secret));
        assert_eq!(shown, "Password(Secret)");
    }
}

//! Hashes of passwords.

use std::fmt;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use haul_core::account::Secret;

use crate::error::AccountsError;
use crate::random::random;

/// How parameters stand in a PHC string.
const PARAMETERS: &str = "m=19456,t=2,p=1";
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// Argon2id with the minimum configuration of the OWASP Password Storage Cheat Sheet: 19 MiB, 2 iterations, 1 lane. A
/// server verifies passwords of strangers, so each hash must be cheap enough for that.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The hash of a password, as a string of the [PHC format].
///
/// All hashes have the same parameters, so that to verify one takes as long as to verify another.
///
/// [PHC format]: https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
#[derive(Clone, PartialEq)]
pub struct PasswordHash(phc::PasswordHash);

impl PasswordHash {
    /// Hashes a password, with a new salt. It takes some 20 ms and 19 MiB.
    ///
    /// # Errors
    /// If there is no randomness or no memory.
    pub fn of(password: &Secret) -> Result<Self, AccountsError> {
        let salt = random::<SALT_BYTES>()?;
        let password = password.expose().as_bytes();
        let hash = argon2().hash_password_with_salt(password, &salt);
        hash.map(Self).map_err(|_| AccountsError::CannotHash)
    }

    /// Parses a string of the PHC format; `None` if it is none, or has other parameters.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let is_ours = hash.algorithm == argon2::ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && hash.params.as_str() == PARAMETERS
            && hash.salt.is_some_and(|salt| salt.len() == SALT_BYTES)
            && hash.hash.is_some_and(|output| output.len() == OUTPUT_BYTES);
        is_ours.then_some(Self(hash))
    }

    /// A hash that no password has, to be verified where there is none.
    pub(crate) fn of_nothing() -> Result<Self, AccountsError> {
        let (salt, output) = (random::<SALT_BYTES>()?, random::<OUTPUT_BYTES>()?);
        let (salt, output) = (phc::Salt::new(&salt), phc::Output::new(&output));
        let (Ok(salt), Ok(output)) = (salt, output) else { return Err(AccountsError::CannotHash) };
        Ok(Self(phc::PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: PARAMETERS.parse().map_err(|_| AccountsError::CannotHash)?,
            salt: Some(salt),
            hash: Some(output),
        }))
    }

    /// Whether it is the hash of this password.
    pub(crate) fn verify(&self, password: &Secret) -> bool {
        argon2().verify_password(password.expose().as_bytes(), &self.0).is_ok()
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A hash can be guessed against, so it is not printed by the way.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_password_has_its_hash_and_no_other() {
        let right = secret("correct horse");
        let hash = PasswordHash::of(&right).unwrap();
        let parsed = PasswordHash::parse(&hash.to_string()).unwrap();
        assert_eq!(parsed, hash);
        assert!(parsed.verify(&right));
        for wrong in ["correct horse ", "correct hors", "Correct horse", " ", &"x".repeat(1024)] {
            assert!(!parsed.verify(&secret(wrong)), "{wrong:?}");
        }
        assert_ne!(PasswordHash::of(&right).unwrap(), hash, "the salt is new");
    }

    #[test]
    fn the_hash_of_nothing_looks_like_others() {
        let (nothing, other) =
            (PasswordHash::of_nothing().unwrap(), PasswordHash::of(&secret("x")).unwrap());
        assert_eq!(PasswordHash::parse(&nothing.to_string()).as_ref(), Some(&nothing));
        assert_eq!(nothing.to_string().len(), other.to_string().len());
        assert!(!nothing.verify(&secret("x")));
    }

    #[test]
    fn only_hashes_that_cost_the_same_are_taken() {
        let good = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
        assert_eq!(PasswordHash::parse(good).unwrap().to_string(), good);
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("$v=19", ""),
            ("m=19456", "m=4096"),
            ("t=2", "t=1"),
            ("p=1", "p=2"),
            ("p=1", "p=1,keyid=AAAA"),
            ("MDEyMzQ1Njc4OWFiY2RlZg$", "MDEyMzQ1Njc4OWFi$"),
            ("ZjAxMjM0NTY3ODlhYmNkZWY", ""),
            ("$argon2id", "argon2id"),
            ("ZWY", "ZWY="),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(PasswordHash::parse(&bad), None, "{bad}");
        }
        assert_eq!(PasswordHash::parse(""), None);
        assert_eq!(PasswordHash::parse("hunter2"), None);
    }
}

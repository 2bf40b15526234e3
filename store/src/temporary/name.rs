//! The names that files have until they are published.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The directory in which earlier versions made such files.
pub(crate) const OLD_STAGING: &str = ".haul-staging";

/// A name that no other file has: as long as any other of its kind, and not made from any name of the peer's.
#[derive(Debug)]
pub(crate) struct TemporaryName(pub(crate) String);

impl TemporaryName {
    const PREFIX: &str = ".haul-";
    const DIGITS: usize = 16;

    pub(crate) fn new() -> Self {
        // Keyed at random once a thread, and otherwise each time; a name that is taken all the same is refused.
        let random = RandomState::new().build_hasher().finish();
        Self(format!("{}{random:016x}", Self::PREFIX))
    }

    /// Whether `name` looks like one.
    pub(crate) fn matches(name: &[u8]) -> bool {
        name.split_at_checked(Self::PREFIX.len()).is_some_and(|(prefix, digits)| {
            prefix.eq_ignore_ascii_case(Self::PREFIX.as_bytes())
                && digits.len() == Self::DIGITS
                && digits.iter().all(u8::is_ascii_hexdigit)
        })
    }
}

/// Whether a component of a path is a name that only Haul gives: at any depth, since files are made where they will be, and in any case, since file systems may not care.
pub(crate) fn is_temporary(component: &[u8]) -> bool {
    TemporaryName::matches(component) || component.eq_ignore_ascii_case(OLD_STAGING.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_known_and_differ() {
        let [one, other] = [TemporaryName::new(), TemporaryName::new()];
        assert_ne!(one.0, other.0);
        assert_eq!(one.0.len(), 22);
        assert!(TemporaryName::matches(one.0.as_bytes()));
        assert!(TemporaryName::matches(one.0.to_ascii_uppercase().as_bytes()));
        for name in [
            "",
            ".haul-",
            ".haul-staging",
            ".haul-0123456789abcde",
            ".haul-0123456789abcdefg",
            "xhaul-0123456789abcdef",
        ] {
            assert!(!TemporaryName::matches(name.as_bytes()), "{name}");
        }
        assert!(
            is_temporary(b".haul-staging")
                && is_temporary(b".HAUL-Staging")
                && !is_temporary(b".haul-other")
        );
    }
}

//! The names of files before they are published.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The directory in which earlier versions created these files.
pub(crate) const OLD_STAGING: &str = ".haul-staging";

/// The temporary names in use by this process.
static IN_USE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn in_use() -> MutexGuard<'static, BTreeSet<String>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A unique temporary name. All have the same length, and none contains a name from the peer. No sweep of this process
/// removes the file until this is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryName(pub(crate) String);

fn random() -> u64 {
    // The hasher has a random key for each thread and differs each time. Creating a file under a name in use fails
    // anyway.
    RandomState::new().build_hasher().finish()
}

impl TemporaryName {
    const PREFIX: &str = ".haul-";
    const DIGITS: usize = 16;

    pub(crate) fn new() -> Self {
        Self::used(format!("{}{:016x}", Self::PREFIX, random()))
    }

    /// A name with letters, all in upper case.
    pub(super) fn in_capitals() -> Self {
        Self::used(format!("{}{:016X}", Self::PREFIX, random() | 0xa << 60).to_ascii_uppercase())
    }

    fn used(name: String) -> Self {
        in_use().insert(name.clone());
        Self(name)
    }

    /// Whether this process uses `name`.
    pub(super) fn is_in_use(name: &str) -> bool {
        in_use().contains(name)
    }

    /// Whether `name` has the form of a temporary name.
    pub(crate) fn matches(name: &[u8]) -> bool {
        name.split_at_checked(Self::PREFIX.len()).is_some_and(|(prefix, digits)| {
            prefix.eq_ignore_ascii_case(Self::PREFIX.as_bytes())
                && digits.len() == Self::DIGITS
                && digits.iter().all(u8::is_ascii_hexdigit)
        })
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        in_use().remove(&self.0);
    }
}

/// Whether a component of a path has the form of a temporary name. They occur at any depth, because a file is created
/// where it will be. Case does not matter, because a file system may ignore it.
pub(crate) fn is_temporary_name(component: &[u8]) -> bool {
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
        assert!(TemporaryName::is_in_use(&one.0));
        let unused = one.0.clone();
        drop(one);
        assert!(!TemporaryName::is_in_use(&unused) && TemporaryName::is_in_use(&other.0));
        let one = other;
        assert!(TemporaryName::matches(one.0.as_bytes()));
        assert!(TemporaryName::matches(one.0.to_ascii_uppercase().as_bytes()));
        let capitals = TemporaryName::in_capitals();
        assert!(TemporaryName::matches(capitals.0.as_bytes()));
        assert_eq!(capitals.0, capitals.0.to_ascii_uppercase());
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
            is_temporary_name(b".haul-staging")
                && is_temporary_name(b".HAUL-Staging")
                && !is_temporary_name(b".haul-other")
        );
    }
}

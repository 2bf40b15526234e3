//! Why a user may do something, or may not.

use std::fmt;

use haul_core::FilePath;
use haul_core::account::{Mount, Right};

use crate::place::Place;
use crate::source::StoredAccount;

/// Whether a user has a right at a path of their view, and what decides it. Its `Display` is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// No: there is no such account.
    NoAccount,
    /// No: the account is disabled.
    Disabled,
    /// No: no mount covers the path, so it does not exist for the user.
    NotCovered,
    /// No: the mount that covers the path lacks the right.
    Refused {
        /// The right.
        right: Right,
        /// The mount.
        mount: Mount,
    },
    /// Yes.
    Allowed {
        /// The right.
        right: Right,
        /// The mount that gives it.
        mount: Mount,
        /// What the path is in the share.
        place: Place,
    },
}

impl Decision {
    /// Whether it is a yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccount => f.write_str("no: there is no such account"),
            Self::Disabled => f.write_str("no: the account is disabled"),
            Self::NotCovered => f.write_str("no: no mount covers the path"),
            Self::Refused { right, mount } => {
                write!(
                    f,
                    "no: the mount {} has no right {right}, ",
                    Place::from(mount.at.clone())
                )?;
                if mount.rights.is_empty() {
                    f.write_str("and no other")
                } else {
                    write!(f, "only {}", mount.rights)
                }
            }
            Self::Allowed { right, mount, place } => write!(
                f,
                "yes: the mount {} has the right {right}; in the share the path is {place}",
                Place::from(mount.at.clone())
            ),
        }
    }
}

/// Explains whether the user with this account has a right at a path of their view.
pub fn explain(account: Option<&StoredAccount>, right: Right, path: &Place) -> Decision {
    let Some(account) = account else { return Decision::NoAccount };
    if account.disabled {
        return Decision::Disabled;
    }
    let Some((mount, rest)) = account.access.resolve(path.path()) else {
        return Decision::NotCovered;
    };
    let mount = mount.clone();
    if !mount.rights.contain(right) {
        return Decision::Refused { right, mount };
    }
    match below(mount.directory.as_ref(), rest) {
        Some(place) => Decision::Allowed { right, mount, place },
        // The path is longer there than a path can be.
        None => Decision::NotCovered,
    }
}

fn below(directory: Option<&FilePath>, rest: Option<FilePath>) -> Option<Place> {
    match (directory, rest) {
        (Some(directory), Some(rest)) => {
            let joined = rest
                .components()
                .try_fold(directory.clone(), |path, component| path.join(component));
            joined.ok().map(Place::from)
        }
        (directory, rest) => Some(Place::from(rest.or_else(|| directory.cloned()))),
    }
}

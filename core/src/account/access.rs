//! What a user sees of the shared directory, and what they may do there.

use alloc::vec::Vec;

use thiserror::Error;

use super::rights::Rights;
use super::user_name::UserName;
use crate::name::FilePath;

/// A directory of the share at a place in a user's view, with the user's rights there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where the user sees it; `None` is the root of the view.
    pub at: Option<FilePath>,
    /// The directory of the share; `None` is the whole share.
    pub directory: Option<FilePath>,
    /// What the user may do there.
    pub rights: Rights,
    /// Whether it is the user's home: the quota counts what is below it, and names that begin with `.` are names like
    /// others.
    pub home: bool,
}

/// Everything that one user sees and may do: a set of mounts with different places, and a quota.
///
/// The longest mount that is a prefix of a path, by whole components, decides alone. What no mount covers does not
/// exist for the user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    mounts: Vec<Mount>,
    quota: Option<u64>,
}

impl Access {
    /// The most mounts of one user.
    pub const MAX_MOUNTS: usize = 256;

    /// The access with these mounts and this quota in bytes.
    ///
    /// # Errors
    /// If two mounts have the same place, if there are too many, or if there is more than one home.
    pub fn new(mut mounts: Vec<Mount>, quota: Option<u64>) -> Result<Self, AccessError> {
        if mounts.len() > Self::MAX_MOUNTS {
            return Err(AccessError::TooManyMounts);
        }
        mounts.sort_by(|one, other| one.at.cmp(&other.at));
        if mounts.windows(2).any(|pair| pair[0].at == pair[1].at) {
            return Err(AccessError::SamePlace);
        }
        if mounts.iter().filter(|mount| mount.home).count() > 1 {
            return Err(AccessError::TwoHomes);
        }
        Ok(Self { mounts, quota })
    }

    /// The mounts, sorted by their places.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The number of bytes that may be below the home.
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// The mount that decides about `path`, and the rest of the path below it: `None` is the mount itself.
    ///
    /// `None` if no mount covers the path.
    pub fn resolve(&self, path: Option<&FilePath>) -> Option<(&Mount, Option<FilePath>)> {
        self.mounts
            .iter()
            .filter_map(|mount| Some((mount, below(mount.at.as_ref(), path)?)))
            .max_by_key(|(mount, _)| mount.at.as_ref().map_or(0, |at| at.as_str().len()))
    }

    /// What WHOAMI lists.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        self.mounts.iter().map(|mount| Grant { path: mount.at.clone(), rights: mount.rights })
    }
}

/// The rest of `path` below the place `at`; `None` if the path is elsewhere.
#[expect(clippy::option_option, reason = "no path is the place itself")]
fn below(at: Option<&FilePath>, path: Option<&FilePath>) -> Option<Option<FilePath>> {
    let (Some(at), Some(path)) = (at, path) else {
        return at.is_none().then(|| path.cloned());
    };
    let rest = path.as_str().strip_prefix(at.as_str())?;
    if rest.is_empty() {
        return Some(None);
    }
    // What follows a whole component is a good path again.
    FilePath::parse(rest.strip_prefix('/')?).ok().map(Some)
}

/// Why mounts are no [`Access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Two mounts have the same place.
    #[error("two mounts have the same place")]
    SamePlace,
    /// There are more than [`Access::MAX_MOUNTS`].
    #[error("an account has at most 256 mounts")]
    TooManyMounts,
    /// More than one mount is the home.
    #[error("an account has one home")]
    TwoHomes,
}

/// A mount as WHOAMI lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where the user sees it; `None` is the root of the view.
    pub path: Option<FilePath>,
    /// What the user may do there.
    pub rights: Rights,
}

/// How much a user may store, and how much of that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The most bytes below the home.
    pub limit: u64,
    /// The bytes that are there or promised to uploads under way.
    pub used: u64,
}

/// What WHOAMI says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The user; `None` if nobody is identified.
    pub user: Option<UserName>,
    /// The mounts.
    pub grants: Vec<Grant>,
    /// The quota, if there is one.
    pub quota: Option<Quota>,
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::super::rights::Role;
    use super::*;

    fn path(text: &str) -> Option<FilePath> {
        (!text.is_empty()).then(|| FilePath::parse(text).unwrap())
    }

    fn mount(at: &str, directory: &str) -> Mount {
        let rights = Role::Read.rights();
        Mount { at: path(at), directory: path(directory), rights, home: at.is_empty() }
    }

    #[test]
    fn the_longest_mount_of_whole_components_decides() {
        let mounts = vec![mount("a/b", "x"), mount("", "home"), mount("a", "y/z")];
        let access = Access::new(mounts, None).unwrap();
        let resolved = |text: &str| {
            let (mount, rest) = access.resolve(path(text).as_ref()).unwrap();
            (mount.directory.clone().unwrap(), rest)
        };
        for (asked, directory, rest) in [
            ("", "home", ""),
            ("ab", "home", "ab"),
            ("b/a", "home", "b/a"),
            ("a", "y/z", ""),
            ("a/bc", "y/z", "bc"),
            ("a/b", "x", ""),
            ("a/b/c/d", "x", "c/d"),
            ("A", "home", "A"),
        ] {
            assert_eq!(resolved(asked), (path(directory).unwrap(), path(rest)), "{asked}");
        }
    }

    #[test]
    fn what_no_mount_covers_is_nowhere() {
        let access = Access::new(vec![mount("a/b", "x")], None).unwrap();
        for nowhere in ["", "a", "a/bb", "b"] {
            assert_eq!(access.resolve(path(nowhere).as_ref()), None, "{nowhere}");
        }
        assert!(access.resolve(path("a/b").as_ref()).is_some());
    }

    #[test]
    fn mounts_are_sorted_and_listed_as_grants() {
        let access = Access::new(vec![mount("b", "x"), mount("", "y")], Some(7)).unwrap();
        let places: Vec<_> = access.mounts().iter().map(|mount| mount.at.clone()).collect();
        assert_eq!(places, [None, path("b")]);
        let rights = Role::Read.rights();
        let grants: Vec<_> = access.grants().collect();
        assert_eq!(grants, [Grant { path: None, rights }, Grant { path: path("b"), rights }]);
        assert_eq!(access.quota(), Some(7));
        assert_eq!(Access::default().quota(), None);
    }

    #[test]
    fn an_access_has_one_mount_a_place() {
        let twice = vec![mount("a", "x"), mount("b", "x"), mount("a", "y")];
        assert_eq!(Access::new(twice, None), Err(AccessError::SamePlace));
        let homes = ["a", "b"].map(|at| Mount { home: true, ..mount(at, "x") }).to_vec();
        assert_eq!(Access::new(homes, None), Err(AccessError::TwoHomes));
        let many = (0..257).map(|n| mount(&alloc::format!("m{n}"), "x")).collect();
        assert_eq!(Access::new(many, None), Err(AccessError::TooManyMounts));
        let most = (0..256).map(|n| mount(&alloc::format!("m{n}"), "x")).collect();
        assert_eq!(Access::new(most, None).unwrap().mounts().len(), 256);
    }
}

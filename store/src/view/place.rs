//! Where a path of a view leads.

use haul_core::account::{Access, Mount, Right, Rights};
use haul_core::{FilePath, StoreError, StoreErrorKind};

use crate::error::forbidden;
use crate::{MountOptions, Mountable};

/// Where a path of a view leads: to a path in the directory of a mount.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) mount: Mount,
    /// The rest of the path; `None` is the mount itself.
    pub(super) rest: Option<FilePath>,
    /// The places of deeper mounts, relative to this mount.
    pub(super) nested: Vec<FilePath>,
}

impl Place {
    /// Where `path` leads.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] if no mount covers it.
    pub(super) fn find(access: &Access, path: Option<&FilePath>) -> Result<Self, StoreError> {
        let (mount, rest) = access.resolve(path).ok_or_else(not_found)?;
        let nested = access.mounts().iter().filter_map(|other| {
            let at = other.at.as_ref()?;
            FilePath::parse(rest_below(mount.at.as_ref(), at)?).ok()
        });
        Ok(Self { mount: mount.clone(), rest, nested: nested.collect() })
    }

    pub(super) fn require(&self, right: Right) -> Result<(), StoreError> {
        if self.has(right) { Ok(()) } else { Err(forbidden(right)) }
    }

    pub(super) fn has(&self, right: Right) -> bool {
        self.mount.rights.contain(right)
    }

    /// Of `rights`, those that the user has here.
    pub(super) fn of(&self, rights: &[Right]) -> Rights {
        let held = rights.iter().copied().filter(|right| self.has(*right));
        held.fold(Rights::NONE, Rights::with)
    }

    /// Whether both are in one mount.
    pub(super) fn is_in_mount_of(&self, other: &Self) -> bool {
        (&self.mount.at, &self.mount.directory) == (&other.mount.at, &other.mount.directory)
    }

    /// How the directory of the mount is opened.
    pub(super) fn options(&self) -> MountOptions {
        MountOptions {
            home: self.mount.home,
            // A link could lead to what a deeper mount hides.
            follows_links: self.nested.is_empty(),
            makes_parents: self.has(Right::MakeDirectory),
        }
    }

    /// Whether it is a mount, or a directory on the way to one.
    pub(super) fn leads_to_mount(&self) -> bool {
        match &self.rest {
            None => true,
            Some(rest) => self.nested.iter().any(|at| rest_below(Some(rest), at).is_some()),
        }
    }

    /// Fails if the storage takes the path for one that leads to a deeper mount.
    pub(super) fn require_apart(&self, store: &impl Mountable) -> Result<(), StoreError> {
        let Some(rest) = &self.rest else { return Ok(()) };
        for nested in &self.nested {
            let levels = levels(nested).min(levels(rest));
            let (one, other) = (first(rest, levels), first(nested, levels));
            if one != other && store.are_same(&one, &other) {
                return Err(not_found());
            }
        }
        Ok(())
    }

    /// The path in the share, for [`Quotas`](super::quota::Quotas).
    pub(super) fn in_share(&self) -> String {
        let parts = [&self.mount.directory, &self.rest];
        let parts: Vec<_> = parts.into_iter().flatten().map(FilePath::as_str).collect();
        parts.join("/")
    }
}

pub(super) fn not_found() -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, "the user has no mount there")
}

/// The number of components.
pub(super) fn levels(path: &FilePath) -> usize {
    path.components().count()
}

/// The first `levels` components of a path, at least one.
fn first(path: &FilePath, levels: usize) -> FilePath {
    let mut path = path.clone();
    for _ in levels..self::levels(&path) {
        path = path.parent().unwrap_or(path);
    }
    path
}

/// The rest of `path` if it is below `above`, where `None` is the root; not if they are equal.
pub(super) fn rest_below<'a>(above: Option<&FilePath>, path: &'a FilePath) -> Option<&'a str> {
    match above {
        None => Some(path.as_str()),
        Some(above) => path.as_str().strip_prefix(above.as_str())?.strip_prefix('/'),
    }
}

//! Stores whose directories can be mounted in views.

use haul_core::{FilePath, StoreError};

use crate::Store;

/// A store that can give the store that is rooted in one of its directories.
///
/// [`sync`](Store::sync), [`sync_directories`](Store::sync_directories) and [`copy`](Store::copy) of a store take the
/// files and changes of all stores that it mounted, together.
pub trait Mountable: Store + Sized {
    /// Returns the store rooted in `directory`, or in the root of this store for `None`.
    ///
    /// No path leads out of that directory: no `..`, no link, and nothing that is mounted in it. `directory` itself is
    /// not reached through links. Unlike in a path of [`Store`], its names may be hidden ones.
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound), [`NotAFile`](haul_core::StoreErrorKind::NotAFile) and
    /// [`Denied`](haul_core::StoreErrorKind::Denied) as for [`Store::list`]; if it is created, those of
    /// [`Store::make_directory`].
    fn mount(
        &self,
        directory: Option<&FilePath>,
        options: MountOptions,
    ) -> Result<Self, StoreError>;

    /// Whether the root of this store is still where it was when it was mounted. If not, calls fail, and it has to be
    /// mounted again.
    fn is_in_place(&self) -> bool;

    /// Whether both paths lead to one file or directory, because the storage takes different names for one. A store
    /// that does not know may say that they do.
    fn are_same(&self, one: &FilePath, other: &FilePath) -> bool;
}

/// How a directory becomes the root of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountOptions {
    /// Whether it is the home of a user: it is created if it is missing, and names that begin with `.` are names like
    /// others. Otherwise both are as in the store that it is in.
    pub home: bool,
    /// Whether links within the directory are followed. If not, and for every directory but the root, nothing that is
    /// mounted in it is reached either.
    pub follows_links: bool,
    /// Whether missing parents of a new name are created. If not, a call that needs one fails with
    /// [`Forbidden`](haul_core::StoreErrorKind::Forbidden).
    pub makes_parents: bool,
}

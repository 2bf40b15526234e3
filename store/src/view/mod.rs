//! What one user sees of a store, and may do there.
//!
//! A [`View`] is a store over any store whose directories can be mounted ([`Mountable`]). It has the mounts, rights and
//! quota of an [`Access`].
//!
//! **Mounts.** The longest mount that is a prefix of a path, by whole components, decides alone. What no mount covers
//! is [not found](haul_core::StoreErrorKind::NotFound). Each mount is a root of its own: no link, no `..` and nothing
//! that is mounted in its directory leads out of it. A mount is listed as a directory, and so are the directories on
//! the way to it; they hide what has their names in the storage, under any other spelling too. Where a mount has deeper
//! ones in it, its links are not followed, because they could lead to what these hide. A mount, or a directory on the
//! way to one, cannot be deleted, moved or replaced. A home is created when it is first used.
//!
//! **Rights.** They are looked up for every command, for every piece of a body, and once more before publication, so
//! that whoever loses one loses it at once. A file that began as a replacement, or with the right to create
//! directories, needs that right until it is published. A right that is gained meanwhile is used by the next command.
//! What a link leads to is read, but a link is deleted, moved and replaced itself.
//!
//! **Quota.** It counts the bytes of all files below the home, whoever puts them there through a view of the same
//! [`Share`], by their sizes and once for each name. An announced size is reserved when an upload begins, other bytes
//! before they are written. What is not published is given back when it is discarded; what is replaced or deleted is
//! given back then. The sum never exceeds the quota, however many sessions there are; a replacement needs room for both
//! files.
//!
//! The files are counted once, at the first upload below the home, which reads all of it. Changes by local programs,
//! and by other servers of the same directory, are not noticed. The files are counted again when the home was moved or
//! replaced, and when an upload does not fit and the last count is older than a minute. Links that local programs made
//! within the home can make the count too high, but never too low: what is replaced or deleted through them is given
//! back at the next count.

mod access;
mod accounting;
mod files;
mod listing;
mod place;
mod quota;
mod share;

use std::fmt;
use std::sync::Arc;

use haul_core::account::{Access, Grant, Quota, Right};
use haul_core::{Checksum, Depth, FilePath, Mode, StoreError, StoreErrorKind, Version};

pub use self::access::AccessSource;
use self::access::{Everything, Permission};
use self::accounting::size_of_all;
pub use self::files::{ViewSource, ViewStaged};
pub use self::listing::ViewListing;
use self::place::Place;
pub use self::share::Share;
use crate::error::{forbidden, revoked};
use crate::{Mountable, NewFile, Store};

/// What one user sees of a shared store, and may do there.
///
/// The [module's documentation](self) describes its guarantees.
pub struct View<S: Mountable> {
    share: Arc<Share<S>>,
    source: Arc<dyn AccessSource>,
}

impl<S: Mountable> View<S> {
    /// The view of the user whose access `source` knows.
    pub fn new(share: &Arc<Share<S>>, source: Arc<dyn AccessSource>) -> Self {
        Self { share: Arc::clone(share), source }
    }

    /// The view of everybody on a server without accounts: the whole store, with all rights and without a quota.
    pub fn everything(share: &Arc<Share<S>>) -> Self {
        Self::new(share, Arc::new(Everything::default()))
    }

    /// What the user may do at this moment.
    ///
    /// # Errors
    /// If the account was removed or disabled.
    pub fn access(&self) -> Result<Arc<Access>, StoreError> {
        self.source.access().ok_or_else(revoked)
    }

    /// The quota of the user, and how much of it is used; `None` without a quota. The first call may have to read the
    /// whole home.
    ///
    /// # Errors
    /// If the account was removed or disabled; those of [`Store::list`] about the home.
    pub fn quota(&self) -> Result<Option<Quota>, StoreError> {
        let Some(ledger) = self.share.quotas.of(&*self.access()?) else { return Ok(None) };
        self.share.count(&ledger, |ledger| !ledger.is_counted())?;
        Ok(ledger.quota())
    }

    /// Calls `work` with the store of the mount, if its path leads to no deeper mount.
    fn with<T>(
        &self,
        place: &Place,
        work: impl Fn(&S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.share.with(place.mount.directory.as_ref(), place.options(), |store| {
            place.require_apart(&**store)?;
            work(store)
        })
    }

    /// Begins a file. `None` if `begin` says that there is no room for another one.
    fn begin(
        &self,
        file: &NewFile,
        begin: impl Fn(&S, &NewFile) -> Result<Option<S::Staged>, StoreError>,
    ) -> Result<Option<ViewStaged<S>>, StoreError> {
        let access = self.access()?;
        let place = Place::find(&access, Some(&file.path))?;
        place.require(Right::Put)?;
        let mode = mode(&place, file.mode);
        if mode != file.mode && file.if_match.is_some() {
            return Err(forbidden(Right::Replace));
        }
        let rest = require_no_mount(&place, mode)?;
        let mut needs = place.of(&[Right::Put, Right::MakeDirectory]);
        if mode == Mode::Replace {
            needs = needs.with(Right::Replace);
        }
        self.share.quotas.of(&access);
        let reservation = self.share.reserve(&place.in_share(), file.size.unwrap_or(0))?;
        let inner = NewFile { path: rest, mode, ..file.clone() };
        let staged = self.with(&place, |store| begin(store, &inner))?;
        let Some(staged) = staged else { return Ok(None) };
        Ok(Some(ViewStaged {
            file: Some(staged),
            permission: Permission::new(&self.source, access, Some(&file.path), place, needs),
            share: Arc::clone(&self.share),
            reservation,
            written: 0,
        }))
    }
}

impl<S: Mountable> Store for View<S> {
    type Listing = ViewListing<S>;
    type Source = ViewSource<S>;
    type Staged = ViewStaged<S>;
    type Change = S::Change;

    fn grants(&self) -> Result<(Vec<Grant>, Option<Quota>), StoreError> {
        Ok((self.access()?.grants().collect(), self.quota()?))
    }

    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<ViewListing<S>, StoreError> {
        ViewListing::begin(&self.share, &self.source, path, depth, omitted)
    }

    fn open(&self, path: &FilePath) -> Result<ViewSource<S>, StoreError> {
        let access = self.access()?;
        let place = Place::find(&access, Some(path))?;
        place.require(Right::Get)?;
        let rest = require_no_mount(&place, Mode::Replace)?;
        let file = self.with(&place, |store| store.open(&rest))?;
        let needs = place.of(&[Right::Get]);
        let permission = Permission::new(&self.source, access, Some(path), place, needs);
        Ok(ViewSource { file, permission })
    }

    fn create(&self, file: &NewFile) -> Result<ViewStaged<S>, StoreError> {
        let begun = self.begin(file, |store, file| store.create(file).map(Some))?;
        begun.ok_or_else(|| StoreError::new(StoreErrorKind::Io, "the store did not begin the file"))
    }

    fn create_another(&self, file: &NewFile) -> Result<Option<ViewStaged<S>>, StoreError> {
        self.begin(file, S::create_another)
    }

    fn sync(&self, files: &mut [ViewStaged<S>]) -> Result<(), StoreError> {
        files::with_files(files, |files| self.share.store().sync(files))
    }

    fn copy(
        &self,
        source: &mut ViewSource<S>,
        staged: &mut ViewStaged<S>,
        offset: u64,
        length: usize,
    ) -> Result<(usize, Checksum), StoreError> {
        source.permission.require()?;
        staged.copy(&mut source.file, offset, length, |source, staged, length| {
            self.share.store().copy(source, staged, offset, length)
        })
    }

    fn delete(&self, path: &FilePath, if_match: Option<&Version>) -> Result<S::Change, StoreError> {
        let place = Place::find(&*self.access()?, Some(path))?;
        place.require(Right::Delete)?;
        let rest = match &place.rest {
            None => return Err(mount_stays(StoreErrorKind::Denied)),
            Some(_) if place.leads_to_mount() => {
                return Err(mount_stays(StoreErrorKind::NotEmpty));
            }
            Some(rest) => rest,
        };
        self.share
            .delete(&place.in_share(), || self.with(&place, |store| store.delete(rest, if_match)))
    }

    fn make_directory(&self, path: &FilePath) -> Result<S::Change, StoreError> {
        let place = Place::find(&*self.access()?, Some(path))?;
        place.require(Right::MakeDirectory)?;
        let rest = require_no_mount(&place, Mode::Create)?;
        self.with(&place, |store| store.make_directory(&rest))
    }

    fn rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<S::Change, StoreError> {
        let access = self.access()?;
        let [old, new] = [Place::find(&access, Some(from))?, Place::find(&access, Some(to))?];
        old.require(Right::Move)?;
        new.require(Right::Put)?;
        let mode = self::mode(&new, mode);
        let (Some(rest), false) = (&old.rest, old.leads_to_mount()) else {
            return Err(mount_stays(StoreErrorKind::Denied));
        };
        let new_rest = require_no_mount(&new, mode)?;
        if !old.is_in_mount_of(&new) {
            let detail = "nothing is moved from one mount to another";
            return Err(StoreError::new(StoreErrorKind::NotSupported, detail));
        }
        self.share.quotas.of(&access);
        self.share.rename(
            &old.in_share(),
            &new.in_share(),
            || self.with(&old, |store| size_of_all(store, Some(rest))),
            || {
                self.with(&old, |store| {
                    new.require_apart(store)?;
                    store.rename(rest, &new_rest, mode, if_match)
                })
            },
        )
    }

    fn sync_directories(
        &self,
        files: &mut [ViewStaged<S>],
        changes: &mut [S::Change],
    ) -> Result<(), StoreError> {
        files::with_files(files, |files| self.share.store().sync_directories(files, changes))
    }
}

/// The mode of a user who may lack the right to replace files.
fn mode(place: &Place, asked: Mode) -> Mode {
    if place.has(Right::Replace) { asked } else { Mode::Create }
}

/// The path in the mount, unless it is that of a mount or leads to one. Such a name is a directory's.
fn require_no_mount(place: &Place, mode: Mode) -> Result<FilePath, StoreError> {
    match &place.rest {
        Some(rest) if !place.leads_to_mount() => Ok(rest.clone()),
        _ => Err(mount_stays(match mode {
            Mode::Create => StoreErrorKind::Exists,
            Mode::Replace => StoreErrorKind::IsDirectory,
        })),
    }
}

fn mount_stays(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "it is a mount, or leads to one")
}

impl<S: Mountable> fmt::Debug for View<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

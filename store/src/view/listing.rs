//! Listings that go into mounts.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::vec;

use haul_core::account::{Access, Right, Rights};
use haul_core::{Depth, Entry, ErrorCode, FilePath, StoreError, StoreErrorKind};

use super::access::{AccessSource, Permission};
use super::place::{Place, levels, rest_below};
use super::share::Share;
use crate::error::revoked;
use crate::{Listing, Mountable};

/// An open listing of a [`View`](super::View).
///
/// It lists the directory that was asked for, and then each deeper mount.
pub struct ViewListing<S: Mountable> {
    share: Arc<Share<S>>,
    source: Arc<dyn AccessSource>,
    /// What was asked for.
    path: Option<FilePath>,
    depth: Depth,
    omitted: bool,
    /// The right to list it; `None` if it is only on the way to mounts.
    asked: Option<Permission>,
    /// The mount that is being listed.
    part: Option<Part<S>>,
    /// Entries that come next.
    ready: VecDeque<Entry>,
    /// The deeper mounts to list.
    mounts: vec::IntoIter<FilePath>,
    /// The directories on the way to mounts that were listed.
    on_the_way: BTreeSet<FilePath>,
    /// Mounts whose content may not be listed.
    closed: Vec<FilePath>,
    /// The names that complete parts have omitted.
    skipped: u64,
}

/// The listing of one mount.
struct Part<S: Mountable> {
    listing: S::Listing,
    store: Arc<S>,
    permission: Permission,
    /// Paths, relative to the mount, that a deeper mount hides though they are spelled otherwise.
    other_spellings: Vec<FilePath>,
}

impl<S: Mountable> ViewListing<S> {
    pub(super) fn begin(
        share: &Arc<Share<S>>,
        source: &Arc<dyn AccessSource>,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<Self, StoreError> {
        let access = source.access().ok_or_else(revoked)?;
        let below = |at: &FilePath| rest_below(path, at).is_some();
        let mounts = access.mounts().iter().filter_map(|mount| mount.at.clone());
        let mounts: Vec<_> = mounts.filter(below).collect();
        let mut listing = Self {
            share: Arc::clone(share),
            source: Arc::clone(source),
            path: path.cloned(),
            depth,
            omitted,
            asked: None,
            part: None,
            ready: VecDeque::new(),
            mounts: Vec::new().into_iter(),
            on_the_way: BTreeSet::new(),
            closed: Vec::new(),
            skipped: 0,
        };
        let leads_to_mounts = !mounts.is_empty();
        match Place::find(&access, path) {
            Ok(place) => {
                place.require(Right::List)?;
                match listing.open(&access, path, &place, depth) {
                    Ok(part) => listing.part = Some(part),
                    // Its store does not know that it leads to mounts.
                    Err(error)
                        if leads_to_mounts
                            && place.rest.is_some()
                            && matches!(
                                error.kind,
                                StoreErrorKind::NotFound | StoreErrorKind::NotAFile
                            ) => {}
                    Err(error) => return Err(error),
                }
                listing.pass(&access, Some(&place), &mounts);
                let needs = Rights::of(&[Right::List]);
                listing.asked = Some(Permission::new(source, access, path, place, needs));
            }
            Err(_) if leads_to_mounts => listing.pass(&access, None, &mounts),
            Err(error) => return Err(error),
        }
        listing.mounts = mounts.into_iter();
        Ok(listing)
    }

    fn open(
        &self,
        access: &Arc<Access>,
        path: Option<&FilePath>,
        place: &Place,
        depth: Depth,
    ) -> Result<Part<S>, StoreError> {
        let needs = Rights::of(&[Right::List]);
        let directory = place.mount.directory.as_ref();
        self.share.with(directory, place.options(), |store| {
            place.require_apart(&**store)?;
            let listing = store.list(place.rest.as_ref(), depth, self.omitted)?;
            let (access, place) = (Arc::clone(access), place.clone());
            let permission = Permission::new(&self.source, access, path, place, needs);
            Ok(Part { listing, store: Arc::clone(store), permission, other_spellings: Vec::new() })
        })
    }

    /// Lists the directories on the way to `mounts` that are in the mount of `place`, or in none: they come before what
    /// is in them, and exist even if the storage has something else there.
    fn pass(&mut self, access: &Access, place: Option<&Place>, mounts: &[FilePath]) {
        let mut found = BTreeSet::new();
        for at in mounts {
            let above = std::iter::successors(at.parent(), FilePath::parent);
            found.extend(above.filter(|above| rest_below(self.path.as_ref(), above).is_some()));
        }
        for path in found {
            let there = Place::find(access, Some(&path)).ok();
            let here = match (&there, place) {
                (Some(there), Some(place)) => there.is_in_mount_of(place) && there.rest.is_some(),
                (None, None) => true,
                _ => false,
            };
            if here && self.lists(self.level(&path)) && self.on_the_way.insert(path.clone()) {
                self.ready.push_back(Entry::Directory { path, error: None, link: false });
            }
        }
    }

    /// The level of a path below the listed directory, whose own entries are at level 1.
    fn level(&self, path: &FilePath) -> u64 {
        let above = self.path.as_ref().map_or(0, levels);
        levels(path).saturating_sub(above) as u64
    }

    /// Whether what is at `level` is listed.
    fn lists(&self, level: u64) -> bool {
        level <= 1 || self.depth.goes_below(level - 1)
    }

    /// Lists the mount `at`, and begins with its content.
    fn enter(&mut self, at: FilePath) -> Result<(), StoreError> {
        let access = self.source.access().ok_or_else(revoked)?;
        let level = self.level(&at);
        let is_closed = self.closed.iter().any(|closed| rest_below(Some(closed), &at).is_some());
        let place = Place::find(&access, Some(&at));
        let Some(place) = place.ok().filter(|place| place.rest.is_none()) else { return Ok(()) };
        if is_closed || !self.lists(level) {
            return Ok(());
        }
        let mut error = None;
        if self.depth.goes_below(level) {
            let opened = place
                .require(Right::List)
                .and_then(|()| self.open(&access, Some(&at), &place, left(self.depth, level)));
            match opened {
                Ok(part) => self.part = Some(part),
                Err(why) => {
                    self.closed.push(at.clone());
                    error = Some(match why.kind.code() {
                        ErrorCode::Denied => ErrorCode::Denied,
                        _ => ErrorCode::Io,
                    });
                }
            }
        }
        self.ready.push_back(Entry::Directory { path: at, error, link: false });
        if error.is_none() {
            let mounts = self.mounts.as_slice().to_vec();
            self.pass(&access, Some(&place), &mounts);
        }
        Ok(())
    }
}

impl<S: Mountable> Part<S> {
    /// The entry as the view has it; `None` if a deeper mount hides it.
    fn seen(&mut self, entry: Entry) -> Option<Entry> {
        let place = self.permission.place();
        for nested in &place.nested {
            let hidden = match &entry {
                Entry::Omitted { shown, .. } => is_on_way(shown, &nested.escaped().to_string()),
                Entry::File { path, .. } | Entry::Directory { path, .. } => {
                    if may_be_same(path, nested) && self.store.are_same(path, nested) {
                        self.other_spellings.push(path.clone());
                    }
                    is_on_way(path.as_str(), nested.as_str())
                }
            };
            if hidden {
                return None;
            }
        }
        if let Some(path) = entry.path() {
            let is_other =
                |other: &FilePath| other == path || rest_below(Some(other), path).is_some();
            if self.other_spellings.iter().any(is_other) {
                return None;
            }
        }
        Some(match &place.mount.at {
            Some(at) => entry.below(at),
            None => entry,
        })
    }
}

/// Whether the path is that of a mount, is below it, or leads to it.
fn is_on_way(path: &str, mount: &str) -> bool {
    let is_below = |path: &str, above: &str| {
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_below(path, mount) || is_below(mount, path)
}

/// Whether the storage may take two different paths for one.
fn may_be_same(path: &FilePath, mount: &FilePath) -> bool {
    let (path, mount) = (path.as_str(), mount.as_str());
    path != mount
        && path.matches('/').count() == mount.matches('/').count()
        && (path.eq_ignore_ascii_case(mount) || !path.is_ascii() || !mount.is_ascii())
}

/// What is left of the depth below a directory at `level`, which has to be listed.
fn left(depth: Depth, level: u64) -> Depth {
    match depth {
        Depth::All => Depth::All,
        Depth::Levels(levels) => {
            let left = NonZeroU64::new(levels.get().saturating_sub(level));
            left.map_or(Depth::ONE, Depth::Levels)
        }
    }
}

impl<S: Mountable> Listing for ViewListing<S> {
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError> {
        if let Some(asked) = &mut self.asked {
            asked.require()?;
        }
        let access = self.source.access().ok_or_else(revoked)?;
        let still_leads_to_mount = |entry: &Entry| {
            let at_or_below = |at: &FilePath| {
                entry.path().is_some_and(|path| is_on_way(path.as_str(), at.as_str()))
            };
            access.mounts().iter().filter_map(|mount| mount.at.as_ref()).any(at_or_below)
        };
        self.ready.retain(still_leads_to_mount);
        let mut entries = Vec::new();
        while entries.len() < max {
            if let Some(entry) = self.ready.pop_front() {
                entries.push(entry);
            } else if let Some(part) = &mut self.part {
                part.permission.require()?;
                let found = part.listing.next(max - entries.len())?;
                let ended = found.is_empty();
                for entry in found {
                    let has_path = entry.path().is_some();
                    let Some(entry) = part.seen(entry) else { continue };
                    let is_too_long = has_path && entry.path().is_none();
                    self.skipped += u64::from(is_too_long);
                    entries.extend((self.omitted || !is_too_long).then_some(entry));
                }
                if ended {
                    self.skipped += part.listing.skipped();
                    self.part = None;
                }
            } else if let Some(at) = self.mounts.next() {
                self.enter(at)?;
            } else {
                break;
            }
        }
        Ok(entries)
    }

    fn skipped(&self) -> u64 {
        self.skipped + self.part.as_ref().map_or(0, |part| part.listing.skipped())
    }
}

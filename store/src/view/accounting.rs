//! Keeps the ledgers of quotas while files change.

use std::sync::{Arc, MutexGuard};

use haul_core::{Depth, Entry, FilePath, StoreError, StoreErrorKind};

use super::quota::Ledger;
use super::share::Share;
use crate::{Listing, MountOptions, Mountable};

/// How a home is read to count it. Links are not followed, so that nothing is counted twice.
const COUNTED: MountOptions =
    MountOptions { home: true, follows_links: false, makes_parents: true };

/// How many entries of a home are read at once.
const BATCH: usize = 256;

/// Bytes that are promised to a file, in the ledgers of all homes that it is below. Dropping it gives them back.
#[derive(Debug, Default)]
pub(super) struct Reservation {
    ledgers: Vec<Arc<Ledger>>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledgers.iter().for_each(|ledger| ledger.release(self.bytes));
    }
}

impl Reservation {
    /// The number of reserved bytes; `None` if nothing is below a home with a quota.
    pub(super) fn bytes(&self) -> Option<u64> {
        (!self.ledgers.is_empty()).then_some(self.bytes)
    }
}

impl<S: Mountable> Share<S> {
    /// Reserves `bytes` for a file that will have the name `path`.
    pub(super) fn reserve(&self, path: &str, bytes: u64) -> Result<Reservation, StoreError> {
        let mut reservation = Reservation { ledgers: Vec::new(), bytes };
        for ledger in self.quotas.covering(path) {
            self.reserve_in(&ledger, bytes)?;
            reservation.ledgers.push(ledger);
        }
        Ok(reservation)
    }

    /// Reserves at least `bytes` in all.
    pub(super) fn grow(&self, reservation: &mut Reservation, bytes: u64) -> Result<(), StoreError> {
        let Some(more) = bytes.checked_sub(reservation.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut grown = Reservation { ledgers: Vec::new(), bytes: more };
        for ledger in &reservation.ledgers {
            self.reserve_in(ledger, more)?;
            grown.ledgers.push(Arc::clone(ledger));
        }
        grown.ledgers.clear();
        reservation.bytes = bytes;
        Ok(())
    }

    fn reserve_in(&self, ledger: &Ledger, bytes: u64) -> Result<(), StoreError> {
        self.count(ledger, |ledger| !ledger.is_counted())?;
        if ledger.reserve(bytes) {
            return Ok(());
        }
        // A local program may have made room.
        self.count(ledger, Ledger::is_stale)?;
        if ledger.reserve(bytes) {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::NoSpace, "the quota of the home is used up"))
    }

    /// Counts the files below a home if `wanted` still says so when nobody changes any.
    pub(super) fn count(
        &self,
        ledger: &Ledger,
        wanted: impl Fn(&Ledger) -> bool,
    ) -> Result<(), StoreError> {
        if !wanted(ledger) {
            return Ok(());
        }
        let _changes = ledger.lock();
        while wanted(ledger) {
            ledger.count(|| {
                let home = ledger.directory.as_ref();
                self.with(home, COUNTED, |home| size_of_all(&**home, None))
            })?;
        }
        Ok(())
    }

    /// Publishes a file of `written` bytes under the name `path`.
    pub(super) fn publish<T>(
        &self,
        path: &str,
        written: u64,
        reservation: &mut Reservation,
        publish: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let known = self.quotas.len();
        for ledger in self.quotas.covering(path) {
            // A home may have got a quota since the file was begun.
            if !reservation.ledgers.iter().any(|other| Arc::ptr_eq(other, &ledger)) {
                self.reserve_in(&ledger, reservation.bytes)?;
                reservation.ledgers.push(ledger);
            }
        }
        sort(&mut reservation.ledgers);
        let ledgers = reservation.ledgers.clone();
        let locks = lock(&ledgers);
        let replaced: Vec<u64> = ledgers.iter().map(|ledger| self.size_in(ledger, path)).collect();
        let published = publish()?;
        for (ledger, replaced) in ledgers.iter().zip(replaced) {
            ledger.settle(reservation.bytes, written, replaced);
        }
        reservation.ledgers.clear();
        drop(locks);
        self.doubt_new(known, path, &ledgers);
        Ok(published)
    }

    /// Deletes what has the name `path`.
    pub(super) fn delete<T>(
        &self,
        path: &str,
        delete: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let known = self.quotas.len();
        let ledgers = self.quotas.covering(path);
        let locks = lock(&ledgers);
        let sizes: Vec<u64> = ledgers.iter().map(|ledger| self.size_in(ledger, path)).collect();
        let deleted = delete()?;
        for (ledger, size) in ledgers.iter().zip(sizes) {
            ledger.settle(0, 0, size);
        }
        drop(locks);
        self.doubt_new(known, path, &ledgers);
        Ok(deleted)
    }

    /// Renames what has the name `from`, and has `size` bytes in all, to `to`.
    pub(super) fn rename<T>(
        &self,
        from: &str,
        to: &str,
        size: impl FnOnce() -> Result<u64, StoreError>,
        rename: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let known = self.quotas.len();
        let (leaving, entering) = (self.quotas.covering(from), self.quotas.covering(to));
        let is_in = |ledger: &Arc<Ledger>, ledgers: &[Arc<Ledger>]| {
            ledgers.iter().any(|other| Arc::ptr_eq(other, ledger))
        };
        let mut arriving = Reservation::default();
        if entering.iter().any(|ledger| !is_in(ledger, &leaving)) {
            arriving.bytes = size()?;
            for ledger in entering.iter().filter(|ledger| !is_in(ledger, &leaving)) {
                self.reserve_in(ledger, arriving.bytes)?;
                arriving.ledgers.push(Arc::clone(ledger));
            }
        }
        let mut ledgers = [leaving.clone(), arriving.ledgers.clone()].concat();
        sort(&mut ledgers);
        let locks = lock(&ledgers);
        let found = ledgers.iter().map(|ledger| Look {
            leaves: is_in(ledger, &leaving),
            stays: is_in(ledger, &leaving) && is_in(ledger, &entering),
            moved: self.size_in(ledger, from),
            replaced: self.size_in(ledger, to),
            tree: if is_in(ledger, &entering) { 0 } else { self.tree_in(ledger, from) },
        });
        let found: Vec<Look> = found.collect();
        let renamed = rename()?;
        for (ledger, look) in ledgers.iter().zip(found) {
            if look.stays {
                // The storage may have taken both names for one. Then nothing was replaced.
                let (left, there) = (self.size_in(ledger, from), self.size_in(ledger, to));
                if left == 0 && there == look.moved {
                    ledger.settle(0, 0, look.replaced);
                }
            } else if look.leaves {
                ledger.settle(0, 0, look.tree);
            } else {
                let arrived = self.tree_in(ledger, to).max(arriving.bytes);
                ledger.settle(arriving.bytes, arrived, look.replaced);
            }
        }
        arriving.ledgers.clear();
        drop(locks);
        self.doubt_new(known, from, &ledgers);
        self.doubt_new(known, to, &ledgers);
        self.quotas.doubt_below(from);
        self.quotas.doubt_below(to);
        Ok(renamed)
    }

    /// Has those ledgers counted that appeared during a change and may have missed it.
    fn doubt_new(&self, known: usize, path: &str, ledgers: &[Arc<Ledger>]) {
        if self.quotas.len() == known {
            return;
        }
        for ledger in self.quotas.covering(path) {
            if !ledgers.iter().any(|other| Arc::ptr_eq(other, &ledger)) {
                ledger.doubt();
            }
        }
    }

    /// The size of the file `path`; 0 if there is none, or if it cannot be found out: rather too much is counted than
    /// too little.
    fn size_in(&self, ledger: &Ledger, path: &str) -> u64 {
        let Some(rest) = ledger.rest(path) else { return 0 };
        let size = self.with(ledger.directory.as_ref(), COUNTED, |home| {
            let first = home.list(Some(&rest), Depth::ONE, false)?.next(1)?.pop();
            Ok(match first {
                Some(Entry::File { path, size, .. }) if path == rest => size,
                _ => 0,
            })
        });
        size.unwrap_or(0)
    }

    /// The size of the file `path`, or of all files below it.
    fn tree_in(&self, ledger: &Ledger, path: &str) -> u64 {
        let Some(rest) = ledger.rest(path) else { return 0 };
        let size =
            self.with(ledger.directory.as_ref(), COUNTED, |home| size_of_all(&**home, Some(&rest)));
        size.unwrap_or(0)
    }
}

/// What was found before a rename, by the ledger of one home.
struct Look {
    /// Whether the old name is below the home, and whether the new one is too.
    leaves: bool,
    stays: bool,
    /// The size of the renamed file, and of what it replaces.
    moved: u64,
    replaced: u64,
    /// The size of all that leaves the home.
    tree: u64,
}

/// Sorts ledgers, so that all sessions lock them in one order, and none twice.
fn sort(ledgers: &mut Vec<Arc<Ledger>>) {
    ledgers.sort_by(|one, other| one.directory.cmp(&other.directory));
    ledgers.dedup_by(|one, other| Arc::ptr_eq(one, other));
}

fn lock(ledgers: &[Arc<Ledger>]) -> Vec<MutexGuard<'_, ()>> {
    ledgers.iter().map(|ledger| ledger.lock()).collect()
}

/// The size of a file, or of all files below a directory.
pub(super) fn size_of_all(
    store: &impl Mountable,
    path: Option<&FilePath>,
) -> Result<u64, StoreError> {
    let mut listing = store.list(path, Depth::All, false)?;
    let mut size = 0_u64;
    loop {
        let entries = listing.next(BATCH)?;
        if entries.is_empty() {
            return Ok(size);
        }
        for entry in entries {
            if let Entry::File { size: bytes, .. } = entry {
                size = size.saturating_add(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use haul_core::account::{Access, Mount, Rights};

    use super::*;
    use crate::{Directory, Options};

    /// A local program may have made room, but not every upload that does not fit may read the whole home.
    #[test]
    fn a_full_home_is_counted_again_after_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, [0; 80]).unwrap();
        let share = Share::new(Directory::open(directory.path(), Options::default()).unwrap());
        let home = Mount { at: None, directory: None, rights: Rights::ALL, home: true };
        let access = Access::new(vec![home], Some(100)).unwrap();
        let ledger = share.quotas.of(&access).unwrap();
        let reserve = || share.reserve("new", 30).map(drop).map_err(|error| error.kind);
        assert_eq!(reserve(), Err(StoreErrorKind::NoSpace));
        fs::remove_file(&file).unwrap();
        assert_eq!(reserve(), Err(StoreErrorKind::NoSpace));
        ledger.age();
        assert_eq!(reserve(), Ok(()));
    }
}

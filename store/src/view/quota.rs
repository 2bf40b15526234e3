//! The bytes below each home that has a quota.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use haul_core::account::{Access, Quota};
use haul_core::{FilePath, StoreError};

/// How long a count is believed when a home seems to be full. A count reads the whole home.
const BELIEVED: Duration = Duration::from_mins(1);

/// The ledgers of all homes that have, or had, a quota.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    /// By the path of the home in the share; the whole share is "".
    ledgers: RwLock<BTreeMap<String, Arc<Ledger>>>,
    /// The number of ledgers. Without any, nobody has to look for them.
    count: AtomicUsize,
}

/// The bytes below one home.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The home, in the share.
    pub(super) directory: Option<FilePath>,
    /// Held by whoever changes files below the home, from the look at what it replaces to the change, and by a count.
    changes: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limit: Option<u64>,
    /// The bytes of published files.
    stored: u64,
    /// The bytes promised to files that are not published yet.
    reserved: u64,
    /// When the files were counted; `None` if they have to be counted first.
    counted: Option<Instant>,
    /// How often the count was doubted.
    doubts: u64,
}

impl Quotas {
    /// The ledger of the user's home, with the quota that it has now; `None` if it has none.
    pub(super) fn of(&self, access: &Access) -> Option<Arc<Ledger>> {
        if access.quota().is_none() && self.len() == 0 {
            return None;
        }
        let home = access.mounts().iter().find(|mount| mount.home)?;
        let key = key(home.directory.as_ref());
        let known = self.read().get(key).cloned();
        let ledger = match (known, access.quota()) {
            (Some(ledger), _) => ledger,
            (None, None) => return None,
            (None, Some(_)) => self.add(key, home.directory.clone()),
        };
        ledger.state().limit = access.quota();
        access.quota().map(|_| ledger)
    }

    fn add(&self, key: &str, directory: Option<FilePath>) -> Arc<Ledger> {
        let mut ledgers = self.ledgers.write().unwrap_or_else(PoisonError::into_inner);
        let new =
            || Arc::new(Ledger { directory, changes: Mutex::default(), state: Mutex::default() });
        let ledger = Arc::clone(ledgers.entry(key.to_owned()).or_insert_with(new));
        self.count.store(ledgers.len(), Ordering::Release);
        ledger
    }

    /// The number of ledgers.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// The ledgers of all homes that `path` is below, the outermost first.
    pub(super) fn covering(&self, path: &str) -> Vec<Arc<Ledger>> {
        if self.len() == 0 {
            return Vec::new();
        }
        let ledgers = self.read();
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        [""].into_iter().chain(above).filter_map(|home| ledgers.get(home).cloned()).collect()
    }

    /// Has the homes counted again that are at or below `path`, which leads elsewhere by now.
    pub(super) fn doubt_below(&self, path: &str) {
        if self.len() == 0 {
            return;
        }
        let ledgers = self.read();
        let moved = ledgers.iter().filter(|(home, _)| is_at_or_below(home, path));
        moved.for_each(|(_, ledger)| ledger.doubt());
    }

    /// As [`doubt_below`](Self::doubt_below), and the homes around it too.
    pub(super) fn doubt(&self, directory: Option<&FilePath>) {
        self.doubt_below(key(directory));
        self.covering(key(directory)).iter().for_each(|ledger| ledger.doubt());
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Ledger>>> {
        self.ledgers.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(directory: Option<&FilePath>) -> &str {
    directory.map_or("", FilePath::as_str)
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    above.is_empty()
        || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Ledger {
    /// Keeps others from changing files below the home.
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rest of a path of the share below the home.
    pub(super) fn rest(&self, path: &str) -> Option<FilePath> {
        let rest = match &self.directory {
            None => path,
            Some(home) => path.strip_prefix(home.as_str())?.strip_prefix('/')?,
        };
        FilePath::parse(rest).ok()
    }

    /// Has the files counted again before the next reservation.
    pub(super) fn doubt(&self) {
        let mut state = self.state();
        (state.counted, state.doubts) = (None, state.doubts + 1);
    }

    pub(super) fn is_counted(&self) -> bool {
        self.state().counted.is_some()
    }

    /// Whether the last count is too old to be believed.
    pub(super) fn is_stale(&self) -> bool {
        self.state().counted.is_none_or(|counted| counted.elapsed() >= BELIEVED)
    }

    /// Counts the files with `count`, while nobody changes any.
    pub(super) fn count(
        &self,
        count: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        let doubts = self.state().doubts;
        let stored = count()?;
        let mut state = self.state();
        state.stored = stored;
        // If it was doubted meanwhile, it may have missed something.
        state.counted = (state.doubts == doubts).then(Instant::now);
        Ok(())
    }

    /// Reserves `bytes`, if they fit.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let used = state.used().saturating_add(bytes);
        let fits = state.limit.is_none_or(|limit| used <= limit);
        if fits {
            state.reserved = state.reserved.saturating_add(bytes);
        }
        fits
    }

    pub(super) fn release(&self, bytes: u64) {
        let mut state = self.state();
        state.reserved = state.reserved.saturating_sub(bytes);
    }

    /// Notes files of `bytes` that were published or moved here, for which `reserved` were reserved, and others of
    /// `freed` that are gone.
    pub(super) fn settle(&self, reserved: u64, bytes: u64, freed: u64) {
        let mut state = self.state();
        state.reserved = state.reserved.saturating_sub(reserved);
        state.stored = state.stored.saturating_add(bytes).saturating_sub(freed);
    }

    /// The quota, and how much of it is used.
    pub(super) fn quota(&self) -> Option<Quota> {
        let state = self.state();
        Some(Quota { limit: state.limit?, used: state.used() })
    }

    /// Makes the last count as old as it must be to be repeated.
    #[cfg(test)]
    pub(super) fn age(&self) {
        let mut state = self.state();
        state.counted = state.counted.and_then(|counted| counted.checked_sub(BELIEVED));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn used(&self) -> u64 {
        self.stored.saturating_add(self.reserved)
    }
}

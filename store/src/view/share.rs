//! What all views of a store share: the opened mounts and the quotas.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haul_core::{FilePath, StoreError};

use super::quota::Quotas;
use crate::{MountOptions, Mountable};

/// The maximum number of mounts that stay open while nobody uses them.
const MAX_OPEN: usize = 128;

/// A store that many users have views of.
pub struct Share<S> {
    store: Arc<S>,
    mounts: Mutex<Mounts<S>>,
    pub(super) quotas: Quotas,
}

type Key = (Option<FilePath>, MountOptions);

struct Mounts<S> {
    open: BTreeMap<Key, Open<S>>,
    /// The number of uses so far.
    uses: u64,
}

struct Open<S> {
    store: Arc<S>,
    last_use: u64,
}

impl<S: Mountable> Share<S> {
    /// Shares `store`, and nothing of it yet.
    pub fn new(store: S) -> Arc<Self> {
        let mounts = Mutex::new(Mounts { open: BTreeMap::new(), uses: 0 });
        Arc::new(Self { store: Arc::new(store), mounts, quotas: Quotas::default() })
    }

    /// The whole store.
    pub(super) fn store(&self) -> &S {
        &self.store
    }

    /// Calls `work` with the store that is rooted in `directory`. If that was moved or replaced since it was opened,
    /// this opens it again and repeats the call, which failed and changed nothing.
    pub(super) fn with<T>(
        &self,
        directory: Option<&FilePath>,
        options: MountOptions,
        work: impl Fn(&Arc<S>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if directory.is_none() && !options.home && options.follows_links && options.makes_parents {
            return work(&self.store);
        }
        let key = (directory.cloned(), options);
        let store = self.mount(&key)?;
        match work(&store) {
            Err(_) if !store.is_in_place() => {
                self.forget(&key, &store);
                self.quotas.doubt(directory);
                work(&self.mount(&key)?)
            }
            done => done,
        }
    }

    fn mount(&self, key: &Key) -> Result<Arc<S>, StoreError> {
        let mut mounts = self.mounts();
        mounts.uses += 1;
        let last_use = mounts.uses;
        if let Some(open) = mounts.open.get_mut(key) {
            open.last_use = last_use;
            return Ok(Arc::clone(&open.store));
        }
        drop(mounts);
        let (directory, options) = key;
        let store = Arc::new(self.store.mount(directory.as_ref(), *options)?);
        let mut mounts = self.mounts();
        if mounts.open.len() >= MAX_OPEN {
            let oldest = mounts.open.iter().min_by_key(|(_, open)| open.last_use);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                mounts.open.remove(&key);
            }
        }
        mounts.open.insert(key.clone(), Open { store: Arc::clone(&store), last_use });
        Ok(store)
    }

    fn forget(&self, key: &Key, store: &Arc<S>) {
        let mut mounts = self.mounts();
        if mounts.open.get(key).is_some_and(|open| Arc::ptr_eq(&open.store, store)) {
            mounts.open.remove(key);
        }
    }

    fn mounts(&self) -> MutexGuard<'_, Mounts<S>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> fmt::Debug for Share<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").finish_non_exhaustive()
    }
}

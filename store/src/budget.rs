//! Descriptors for files that wait for their commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

/// A staged file with the directory that it goes into.
const DESCRIPTORS: u64 = 2;
/// The part of all descriptors of the process that may go to such files.
const SHARE: u64 = 4;
/// The part that may go to the directories of listings.
const LISTINGS_SHARE: u64 = 8;
/// More make no commit better.
const MOST: u64 = 4096;

/// A bound on what sessions have open beyond one file or directory each, so that it never takes the descriptors that
/// sessions themselves need. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// A place for one file, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicUsize>);

impl Budget {
    pub(crate) fn new() -> Self {
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let permits = (most / SHARE / DESCRIPTORS).min(MOST);
        Self::of(usize::try_from(permits).unwrap_or(0))
    }

    /// For directories that listings have open beside the one that they are in.
    pub(crate) fn of_listings() -> Self {
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::of(usize::try_from(most / LISTINGS_SHARE).unwrap_or(usize::MAX))
    }

    pub(crate) fn of(permits: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(permits)))
    }

    /// Takes a place, if there is one.
    pub(crate) fn take(&self) -> Option<Permit> {
        let less = |permits: usize| permits.checked_sub(1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.ok().map(|_| Permit(Arc::clone(&self.0)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_permits_are_returned() {
        let budget = Budget::of(2);
        let permits = [budget.take(), budget.take()];
        assert!(permits.iter().all(Option::is_some) && budget.take().is_none());
        drop(permits);
        assert!(budget.take().is_some());
    }
}

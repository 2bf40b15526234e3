//! Limits on the file descriptors that sessions keep open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

/// A staged file and the directory that it goes into.
const DESCRIPTORS: u64 = 2;
/// Waiting files may use one in so many of the descriptors of the process.
const SHARE: u64 = 4;
/// Directories of listings may use one in so many.
const LISTINGS_SHARE: u64 = 8;
/// A larger commit is no faster.
const MOST: u64 = 4096;

/// A limit on what sessions have open beyond one file or directory each, so that the sessions themselves never run out
/// of descriptors. Clones share the limit.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// A permit for one file or directory, which is returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicUsize>);

impl Budget {
    pub(crate) fn new() -> Self {
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let permits = (most / SHARE / DESCRIPTORS).min(MOST);
        Self::of(usize::try_from(permits).unwrap_or(0))
    }

    /// The budget for the directories that listings have open beyond the one that they read.
    pub(crate) fn of_listings() -> Self {
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::of(usize::try_from(most / LISTINGS_SHARE).unwrap_or(usize::MAX))
    }

    pub(crate) fn of(permits: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(permits)))
    }

    /// Takes a permit, if one is left.
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

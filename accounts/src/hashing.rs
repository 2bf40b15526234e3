//! How many passwords are verified at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use haul_core::account::Secret;

use crate::password::PasswordHash;

/// Verifies passwords: a bounded number at once, and a bounded number that waits.
#[derive(Debug)]
pub(crate) struct Hashing {
    most_running: usize,
    most_waiting: usize,
    counts: Mutex<Counts>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    running: usize,
    waiting: usize,
    /// How many were verified.
    #[cfg(test)]
    verified: usize,
}

/// Too many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// A place among those who run.
struct Permit<'a>(&'a Hashing);

impl Hashing {
    /// At most `most_running` at once, at least one, and at most `most_waiting` behind them.
    pub(crate) fn new(most_running: usize, most_waiting: usize) -> Self {
        let most_running = most_running.max(1);
        Self { most_running, most_waiting, counts: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a place.
    fn permit(&self) -> Result<Permit<'_>, Busy> {
        let mut counts = self.counts();
        if counts.running >= self.most_running {
            if counts.waiting >= self.most_waiting {
                return Err(Busy);
            }
            counts.waiting += 1;
            let full = |counts: &mut Counts| counts.running >= self.most_running;
            counts = self.freed.wait_while(counts, full).unwrap_or_else(PoisonError::into_inner);
            counts.waiting -= 1;
        }
        counts.running += 1;
        Ok(Permit(self))
    }

    /// Whether the password has the hash, which is asked for when there is a place.
    pub(crate) fn verify(
        &self,
        hash: impl FnOnce() -> PasswordHash,
        password: &Secret,
    ) -> Result<bool, Busy> {
        let _permit = self.permit()?;
        #[cfg(test)]
        {
            self.counts().verified += 1;
        }
        Ok(hash().verify(password))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn verified(&self) -> usize {
        self.counts().verified
    }

    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.counts().running
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.counts().waiting
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.counts().running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_bounded_number_waits_and_the_others_are_busy() {
        let hashing = Hashing::new(1, 2);
        let running = hashing.permit().unwrap();
        thread::scope(|scope| {
            let waiting = [(), ()].map(|()| scope.spawn(|| hashing.permit().map(drop)));
            while hashing.waiting() < 2 {
                thread::yield_now();
            }
            assert_eq!(hashing.permit().map(drop), Err(Busy));
            drop(running);
            for waited in waiting {
                assert_eq!(waited.join().unwrap(), Ok(()));
            }
        });
        assert_eq!(hashing.permit().map(drop), Ok(()));
    }

    #[test]
    fn no_more_run_at_once_than_may() {
        let hashing = Hashing::new(3, 100);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let _permit = hashing.permit().unwrap();
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        let counts = hashing.counts();
        assert_eq!((counts.running, counts.waiting), (0, 0));
    }

    #[test]
    fn a_panic_gives_its_place_back() {
        let hashing = Hashing::new(1, 0);
        let secret = Secret::new("x".to_owned()).unwrap();
        let panicked = thread::scope(|scope| {
            scope.spawn(|| hashing.verify(|| panic!("on purpose"), &secret)).join().is_err()
        });
        assert!(panicked);
        assert_eq!(hashing.permit().map(drop), Ok(()));
    }
}

//! Flushes a whole file system, for several sessions at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::system::uname;

use crate::file_system::FileSystem;

/// The first Linux whose `syncfs` reports write errors.
const TELLS_ERRORS: (u32, u32) = (5, 8);

/// A queue for flushes. A session that arrives while one is under way waits for the next one, which serves all sessions
/// that arrived meanwhile: the current flush may have missed what they wrote.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    state: Mutex<State>,
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of flushes that were started, which is also the number of the last one.
    begun: u64,
    /// The number of flushes that have ended; it is lower than `begun` while one is under way.
    ended: u64,
    /// The last flush that failed, and its error.
    failed: Option<(u64, Errno)>,
}

impl Flushes {
    /// Makes durable whatever was written before. One of the waiting sessions calls `flush`.
    ///
    /// All sessions that waited for a flush get its error.
    pub(crate) fn flush(&self, flush: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        self.wait_for(self.next(), flush)
    }

    /// The number of the first flush that starts after this call.
    fn next(&self) -> u64 {
        self.state().begun + 1
    }

    fn wait_for(
        &self,
        number: u64,
        flush: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut state = self.state();
        while state.begun > state.ended && state.ended < number {
            state = self.progress.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended < number {
            state.begun += 1;
            drop(state);
            let outcome = flush();
            state = self.state();
            state.ended = state.begun;
            if let Err(errno) = outcome {
                state.failed = Some((state.ended, errno));
            }
            self.progress.notify_all();
        }
        // A later flush may have ended before this thread could check. If that one failed, nobody knows whose bytes
        // were lost.
        match state.failed {
            Some((failed, errno)) if failed >= number => Err(errno),
            _ => Ok(()),
        }
    }

    /// The number of the last flush that failed. The kernel reports a loss once, to whoever asks next: after a failed
    /// flush, everything that was written before it may be lost, even by others.
    pub(crate) fn last_failed(&self) -> Option<u64> {
        self.state().failed.map(|(number, _)| number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a flush of this file system is as good as an fsync of each file and reports write errors. Where it does not,
/// each file is synced on its own.
pub(crate) fn can_flush(file_system: FileSystem) -> bool {
    let release = uname().release().to_string_lossy().into_owned();
    version(&release) >= Some(TELLS_ERRORS) && file_system.can_flush()
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn releases_have_versions() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version("5.7"), Some((5, 7)));
        assert_eq!(version("5.10-rc1"), Some((5, 10)));
        assert_eq!(version("mine"), None);
        assert!(version("5.7.19") < Some(TELLS_ERRORS) && version("5.8.0") >= Some(TELLS_ERRORS));
    }

    fn never() -> Result<(), Errno> {
        panic!("another flush served this one too")
    }

    /// Bytes that are written during a flush are covered by the next one, which all sessions that arrive meanwhile
    /// share.
    #[test]
    fn followers_share_a_flush_that_begins_after_they_came() {
        let flushes = Flushes::default();
        let mut followers = Vec::new();
        let first = flushes.flush(|| {
            followers = vec![flushes.next(), flushes.next()];
            Ok(())
        });
        assert_eq!(first, Ok(()));
        let mut called = false;
        let flush = || {
            called = true;
            Ok(())
        };
        assert_eq!(flushes.wait_for(followers[0], flush), Ok(()));
        assert!(called, "the flush had begun before");
        assert_eq!(flushes.wait_for(followers[1], never), Ok(()));
    }

    #[test]
    fn a_failure_is_told_to_all_who_waited() {
        let flushes = Flushes::default();
        let followers = [flushes.next(), flushes.next()];
        assert_eq!(flushes.wait_for(followers[0], || Err(Errno::IO)), Err(Errno::IO));
        assert_eq!(flushes.wait_for(followers[1], never), Err(Errno::IO));
        assert_eq!(flushes.flush(|| Ok(())), Ok(()));
        assert_eq!(flushes.wait_for(followers[1], never), Err(Errno::IO));
    }

    /// One at a time, however many sessions ask, and none waits for ever.
    #[test]
    fn flushes_do_not_overlap() {
        let flushes = Flushes::default();
        let running = AtomicBool::new(false);
        let flush = || {
            assert!(!running.swap(true, Ordering::SeqCst), "two at once");
            thread::yield_now();
            running.store(false, Ordering::SeqCst);
            Ok(())
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| assert_eq!(flushes.flush(flush), Ok(()))));
            }
        });
        let state = flushes.state();
        assert_eq!(state.begun, state.ended);
    }

    #[test]
    fn the_last_failure_is_remembered() {
        let flushes = Flushes::default();
        assert_eq!((flushes.flush(|| Ok(())), flushes.last_failed()), (Ok(()), None));
        assert_eq!(flushes.flush(|| Err(Errno::IO)), Err(Errno::IO));
        assert_eq!((flushes.flush(|| Ok(())), flushes.last_failed()), (Ok(()), Some(2)));
    }
}

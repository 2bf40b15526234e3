//! File descriptors: how many there may be, and the one that is kept for clients who find none left.

use std::fs::File;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The part of all descriptors that stays for files, whatever connections take: one in so many.
const FOR_FILES: u64 = 4;
/// What a server has open for itself.
const OWN: u64 = 16;
/// Clients that are refused at once, each with a descriptor: one in so many, and no more than these.
const REFUSED: (u64, usize) = (8, 64);
/// What one session may need at once: its socket, the pipe that payload goes through, a file with its directory, and
/// what a listing holds open.
const OF_A_SESSION: u64 = 8;

/// Lets this process have as many descriptors as the system allows it, and answers how many those are. To be called
/// before anything divides them up.
///
/// # Errors
/// If the system refuses; then it stays at what it was.
pub fn raise_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}

/// How many sessions fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionLimits {
    /// The most descriptors of the process.
    pub(crate) limit: u64,
    /// The most sessions that leave descriptors for files.
    pub(crate) most: usize,
    /// The most clients that are refused at once.
    pub(crate) refusals: usize,
    /// Beyond so many some may find none for their files, if all are at their most.
    pub(crate) without_shortage: usize,
}

impl SessionLimits {
    pub(crate) fn now() -> Self {
        Self::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    fn of(limit: u64) -> Self {
        let left = limit.saturating_sub(OWN);
        let count = |share: u64| usize::try_from(left / share).unwrap_or(usize::MAX).max(1);
        let (share, most_refusals) = REFUSED;
        Self {
            limit,
            most: count(1) - count(FOR_FILES) + 1,
            refusals: count(share).min(most_refusals),
            without_shortage: count(OF_A_SESSION),
        }
    }
}

/// A descriptor that is kept for a client who would find none left, so that it can be accepted and told.
#[derive(Debug)]
pub(crate) struct SpareDescriptor(Option<File>);

impl SpareDescriptor {
    /// Keeps one, if there is one.
    pub(crate) fn new() -> Self {
        let mut reserve = Self(None);
        reserve.restore();
        reserve
    }

    /// Whether there is one to give up.
    pub(crate) fn is_available(&self) -> bool {
        self.0.is_some()
    }

    /// Gives it up for whatever comes next.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }

    /// Takes one again, if there is one.
    pub(crate) fn restore(&mut self) {
        if self.0.is_none() {
            self.0 = another().ok();
        }
    }
}

/// Whether this process could open something.
pub(crate) fn can_open() -> bool {
    another().is_ok()
}

fn another() -> io::Result<File> {
    File::open("/dev/null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        let room = |limit| {
            let SessionLimits { most, refusals, without_shortage, .. } = SessionLimits::of(limit);
            (most, refusals, without_shortage)
        };
        assert_eq!(room(1024), (757, 64, 126));
        assert_eq!(room(32), (13, 2, 2));
        assert_eq!(room(1), (1, 1, 1));
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let raised = raise_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), raised);
    }
}

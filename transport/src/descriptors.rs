//! File descriptors: how to divide them, and a spare one for clients that would get none.

use std::fs::File;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One in so many descriptors is kept for files, however many connections there are.
const FOR_FILES: u64 = 4;
/// The descriptors that a server needs for itself.
const OWN: u64 = 16;
/// The clients to refuse at the same time, each with a descriptor: one in so many descriptors, and at most this number.
const REFUSED: (u64, usize) = (8, 64);
/// The handshakes at the same time, each with a descriptor: at most one in so many descriptors.
const HANDSHAKES: u64 = 8;
/// The maximum that one session needs at once: its socket, the pipe for payload, a file and its directory, and the
/// directories of a listing.
const OF_A_SESSION: u64 = 8;

/// Raises the limit on descriptors of this process as far as the system allows, and returns it. Call it before anything
/// divides them.
///
/// # Errors
/// If the system refuses; the limit then stays as it was.
pub fn raise_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}

/// The number of sessions that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionLimits {
    /// The maximum number of descriptors of the process.
    pub(crate) limit: u64,
    /// The maximum number of sessions that leave descriptors for files.
    pub(crate) most: usize,
    /// The maximum number of clients to refuse at the same time.
    pub(crate) refusals: usize,
    /// The maximum number of clients whose handshake is not complete.
    pub(crate) handshakes: usize,
    /// Beyond this number some sessions may get no descriptors for their files, if all need their maximum.
    pub(crate) without_shortage: usize,
}

impl SessionLimits {
    /// With at most `handshakes` at the same time; `None` if there are none.
    pub(crate) fn now(handshakes: Option<usize>) -> Self {
        Self::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), handshakes)
    }

    fn of(limit: u64, handshakes: Option<usize>) -> Self {
        let left = limit.saturating_sub(OWN);
        let count = |share: u64| usize::try_from(left / share).unwrap_or(usize::MAX).max(1);
        let (share, most_refusals) = REFUSED;
        let handshakes = handshakes.map_or(0, |most| most.clamp(1, count(HANDSHAKES)));
        Self {
            limit,
            most: (count(1) - count(FOR_FILES) + 1).saturating_sub(handshakes).max(1),
            refusals: count(share).min(most_refusals),
            handshakes,
            without_shortage: count(OF_A_SESSION),
        }
    }
}

/// A spare descriptor for a client that would get none, so that the server can accept and refuse it.
#[derive(Debug)]
pub(crate) struct SpareDescriptor(Option<File>);

impl SpareDescriptor {
    /// Takes a descriptor, if one is free.
    pub(crate) fn new() -> Self {
        let mut reserve = Self(None);
        reserve.restore();
        reserve
    }

    /// Whether there is a descriptor to release.
    pub(crate) fn is_available(&self) -> bool {
        self.0.is_some()
    }

    /// Releases it for the next operation.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }

    /// Takes a descriptor again, if one is free.
    pub(crate) fn restore(&mut self) {
        if self.0.is_none() {
            self.0 = another().ok();
        }
    }
}

/// Whether this process can open a file now.
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
        let room = |limit, most_handshakes| {
            let SessionLimits { most, refusals, handshakes, without_shortage, .. } =
                SessionLimits::of(limit, most_handshakes);
            (most, refusals, handshakes, without_shortage)
        };
        assert_eq!(room(1024, None), (757, 64, 0, 126));
        assert_eq!(room(32, None), (13, 2, 0, 2));
        assert_eq!(room(1, None), (1, 1, 0, 1));
        assert_eq!(room(1024, Some(100)), (657, 64, 100, 126));
        assert_eq!(room(32, Some(100)), (11, 2, 2, 2));
        assert_eq!(room(1, Some(100)), (1, 1, 1, 1));
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let raised = raise_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), raised);
    }
}

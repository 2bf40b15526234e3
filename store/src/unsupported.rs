//! Operations that a file system does not support, each logged once.
//!
//! A missing operation is no reason to refuse a file: each one has a fallback, and the log says what the fallback does
//! not guarantee.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use crate::stat::Device;

/// An operation that a file system does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unsupported {
    /// `fsync` of a directory; its names are durable once the system writes them.
    DirectorySync,
    /// `fsync` of a directory that this process may not read; it syncs the file instead.
    UnreadableDirectorySync,
    /// Modification times; a file keeps the time of its last write.
    Times,
    /// Giving a file a name only if that is free; this process checks the name first, and another program may take it
    /// in between.
    ExclusiveRename,
    /// Locks; leftovers of a crash are not removed.
    Locks,
    /// The permissions, group or ACL of the file that is replaced.
    Rights,
}

/// The maximum number of warnings.
const MOST: usize = 256;

static WARNED: Mutex<BTreeSet<(Device, Unsupported)>> = Mutex::new(BTreeSet::new());

/// Logs once that `device` does not support `operation`; `name` is the file that showed it.
pub(crate) fn warn_once(operation: Unsupported, device: Device, name: &str) {
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.len() >= MOST || !warned.insert((device, operation)) {
        return;
    }
    drop(warned);
    let (major, minor) = device;
    let what = match operation {
        Unsupported::DirectorySync => {
            "cannot sync directories: a power cut may take names that were just given"
        }
        Unsupported::UnreadableDirectorySync => {
            "has a directory that may not be read here and cannot be synced: a power cut may take names that were just given in it"
        }
        Unsupported::Times => {
            "does not let this user set times: files have the time of their last write"
        }
        Unsupported::ExclusiveRename => {
            "cannot take a name only if it is free: another program may lose a file to one that must be new"
        }
        Unsupported::Locks => {
            "has no locks: unfinished files that a crash leaves on it are not removed"
        }
        Unsupported::Rights => {
            "does not let this user set the permissions of the file that is replaced: the new file gives less"
        }
    };
    tracing::warn!("the file system {major}:{minor} {what} (seen with {name})");
}

/// Whether an operation failed because the file system does not support it.
pub(crate) fn is_unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY)
}

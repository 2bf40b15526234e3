//! What file systems lack, each told to the log once.
//!
//! A file system that cannot do something is no reason to refuse a file: each operation has a fallback, and where the fallback does less than the operation that is said.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use crate::stat::Device;

/// An operation that a file system does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lack {
    /// `fsync` of a directory; the names in it come to stable storage when the system writes them.
    NameSync,
    /// `fsync` of a directory that this process may not read; the file itself is synced instead.
    UnreadableSync,
    /// Modification times; a file has that of its last write.
    Times,
    /// To give a file a name only if that is free; the name is looked at first, and another program may take it in between.
    NewNames,
    /// Locks; what a crash leaves is not removed.
    Locks,
    /// The permissions, group or access list of the file that is replaced.
    Rights,
}

/// Beyond this many nothing more is told.
const MOST: usize = 256;

static TOLD: Mutex<BTreeSet<(Device, Lack)>> = Mutex::new(BTreeSet::new());

/// Tells of something that `device` lacks, unless that was told before; `name` is the file that showed it.
pub(crate) fn tell(lack: Lack, device: Device, name: &str) {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() >= MOST || !told.insert((device, lack)) {
        return;
    }
    drop(told);
    let (major, minor) = device;
    let what = match lack {
        Lack::NameSync => {
            "cannot sync directories: a power cut may take names that were just given"
        }
        Lack::UnreadableSync => {
            "has a directory that may not be read here and cannot be synced: a power cut may take names that were just given in it"
        }
        Lack::Times => "does not let this user set times: files have the time of their last write",
        Lack::NewNames => {
            "cannot take a name only if it is free: another program may lose a file to one that must be new"
        }
        Lack::Locks => "has no locks: unfinished files that a crash leaves on it are not removed",
        Lack::Rights => {
            "does not let this user set the permissions of the file that is replaced: the new file gives less"
        }
    };
    tracing::warn!("the file system {major}:{minor} {what} (seen with {name})");
}

/// Whether an operation failed because it is not there, and not because of what it was to do.
pub(crate) fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY)
}

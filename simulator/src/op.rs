//! Changes of the served files, as clients ask for them and as the server makes them.

use std::fmt;

use bytes::Bytes;
use haul_core::{Checksum, FilePath, Version};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Upload { path: FilePath, data: Bytes },
    Copy { from: FilePath, to: FilePath },
    Move { from: FilePath, to: FilePath },
    Delete { path: FilePath },
    MakeDirectory { path: FilePath },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload { path, data } => {
                write!(f, "the upload of {} bytes to {:?}", data.len(), path.as_str())
            }
            Self::Copy { from, to } => {
                write!(f, "the copy of {:?} to {:?}", from.as_str(), to.as_str())
            }
            Self::Move { from, to } => {
                write!(f, "the move of {:?} to {:?}", from.as_str(), to.as_str())
            }
            Self::Delete { path } => write!(f, "the deletion of {:?}", path.as_str()),
            Self::MakeDirectory { path } => write!(f, "the new directory {:?}", path.as_str()),
        }
    }
}

/// A change that the server has made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) op: Op,
    /// Of a copy: the version of the file that was copied, and the checksum of what was.
    pub(super) copied: Option<(Option<Version>, Checksum)>,
}

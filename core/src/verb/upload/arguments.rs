//! The arguments of `UPLOAD`.

use crate::message::Mode;
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::version::Version;

/// The arguments of `UPLOAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The name on the server.
    pub path: FilePath,
    /// The size in bytes, if known.
    pub size: Option<u64>,
    /// Whether an existing file may be replaced.
    pub mode: Mode,
    /// The modification time to set.
    pub modified: Option<Timestamp>,
    /// Whether the owner may execute the file.
    pub executable: bool,
    /// The version of the file that it must replace.
    pub if_match: Option<Version>,
}

/// The line that requests the body, without its ending.
pub(in crate::verb) const READY: &str = "READY";

//! The arguments of `DOWNLOAD`.

use crate::name::FilePath;
use crate::version::Version;

/// The arguments of `DOWNLOAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The file.
    pub path: FilePath,
    /// The first byte, from the start of the file.
    pub offset: u64,
    /// The maximum number of bytes; `None` is all to the end.
    pub length: Option<u64>,
    /// The version that the file must have.
    pub if_match: Option<Version>,
}

//! Faults of files.

use haul_core::StoreErrorKind;

/// The faults of files.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The effect of this number, from 0, fails with this kind.
    pub fail: Option<(usize, StoreErrorKind)>,
    /// A read returns at most this many bytes.
    pub short_reads: Option<usize>,
    /// Payload of a source passes by the machine where possible. Otherwise the answer is
    /// [`Done::Read`](haul_core::Done::Read).
    pub pass_through: Option<PassThrough>,
    /// This happens to the open file when it was read up to this offset.
    pub change: Option<(u64, Change)>,
    /// The size of a file is not known when it is opened.
    pub unknown_size: bool,
    /// The maximum number of staged files at once; 0 means any number.
    pub room: usize,
    /// The number of names in every listing that break the rules.
    pub skipped: u64,
}

/// Whether prepared payload comes with its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassThrough {
    /// It does, and the checksum of the whole file is not known.
    WithChecksum,
    /// It does not: the checksum of the whole file is known when it is opened.
    WithoutChecksum,
}

/// What happens to a file while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is truncated here.
    Cut,
    /// It is written to, with the same length.
    Replaced,
}

//! What goes wrong with files.

use haul_core::StoreErrorKind;

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The effect of this number, from 0, fails with this kind.
    pub fail: Option<(usize, StoreErrorKind)>,
    /// A read answers with at most this many bytes.
    pub short_reads: Option<usize>,
    /// What is to be held is: otherwise it is answered by [`Done::Read`](haul_core::Done::Read).
    pub hold: Option<Hold>,
    /// Happens to the open file when it was read up to this offset.
    pub change: Option<(u64, Change)>,
    /// Nobody knows the size of a file that is read.
    pub unknown_size: bool,
    /// The files that may be staged at once; 0 stands for any number.
    pub room: usize,
    /// Names that break the rules, in every listing.
    pub skipped: u64,
}

/// Whether held bytes come with their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// They do: nothing is known of the whole file.
    WithChecksum,
    /// The whole file's is known when it is opened.
    WithoutChecksum,
}

/// What happens to a file while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ends here.
    Cut,
    /// It is written to: its length stays.
    Replaced,
}

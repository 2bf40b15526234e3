//! Skips the rest of a refused body (R-DISC-1 to R-DISC-3).

/// Counts the payload of a refused body.
#[derive(Debug, Default)]
pub(super) struct RefusedBody {
    /// The payload of the current `DATA` that has not arrived yet.
    left: u64,
    /// All payload that was skipped since the last command.
    skipped: u64,
}

impl RefusedBody {
    /// A body that is refused within a `DATA` of which `left` bytes have not arrived yet.
    pub(super) fn begin(left: u64) -> Self {
        Self { left, skipped: 0 }
    }

    /// Resets the count, because a command was answered.
    pub(super) fn answered(&mut self) {
        self.skipped = 0;
    }

    /// The number of bytes to skip before the next line.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Whether a further `DATA` of `length` bytes stays within `most` skipped bytes in all.
    pub(super) fn takes(&self, length: u64, most: u64) -> bool {
        self.skipped.saturating_add(length) <= most
    }

    /// A further `DATA` of `length` bytes starts.
    pub(super) fn data(&mut self, length: u64) {
        self.left = length;
        self.skipped = self.skipped.saturating_add(length);
    }

    /// `count` bytes were skipped.
    pub(super) fn skip(&mut self, count: u64) {
        self.left -= count;
    }
}

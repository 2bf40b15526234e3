//! What still comes of a body that was refused (R-DISC-1 to R-DISC-3).

/// Counts the payload of a refused body.
#[derive(Debug, Default)]
pub(super) struct RefusedBody {
    /// Payload of the current `DATA` that is still to come in.
    left: u64,
    /// All payload that was skipped since the last command.
    skipped: u64,
}

impl RefusedBody {
    /// A body is refused within a `DATA` of which `left` bytes are still to come.
    pub(super) fn begin(left: u64) -> Self {
        Self { left, skipped: 0 }
    }

    /// A command was answered: what was skipped before is forgotten.
    pub(super) fn answered(&mut self) {
        self.skipped = 0;
    }

    /// Payload that is to be skipped before the next line.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Whether a further `DATA` of `length` bytes keeps within the `most` that is skipped in all.
    pub(super) fn takes(&self, length: u64, most: u64) -> bool {
        self.skipped.saturating_add(length) <= most
    }

    /// A further `DATA` of `length` bytes begins.
    pub(super) fn data(&mut self, length: u64) {
        self.left = length;
        self.skipped = self.skipped.saturating_add(length);
    }

    /// `count` bytes were skipped.
    pub(super) fn skip(&mut self, count: u64) {
        self.left -= count;
    }
}

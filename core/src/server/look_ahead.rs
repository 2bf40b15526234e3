//! How far the input was scanned while a command runs: an `ABORT` takes effect ahead of its turn.

/// Positions in the input, in bytes from its start.
#[derive(Debug, Default)]
pub(super) struct LookAhead {
    /// Lines before this position were scanned.
    seen: usize,
    /// Commands that start before this position are cancelled.
    cancelled: usize,
    /// Whether the socket was read since the last piece of the reply.
    is_fresh: bool,
}

impl LookAhead {
    /// The position of the next line to scan.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Records that the line up to `end` was scanned.
    pub(super) fn saw(&mut self, end: usize) {
        self.seen = end;
    }

    /// Cancels everything scanned so far, and the current command.
    pub(super) fn cancel(&mut self, end: usize) {
        self.cancelled = end;
    }

    /// Records that the first `count` bytes of the input were consumed.
    pub(super) fn consumed(&mut self, count: usize) {
        self.seen = self.seen.saturating_sub(count);
        self.cancelled = self.cancelled.saturating_sub(count);
    }

    /// Whether the next command in the input, or the current one, is cancelled.
    pub(super) fn cancels(&self) -> bool {
        self.cancelled > 0
    }

    /// Whether the socket was read since the last piece of the reply.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Records that the socket was read.
    pub(super) fn read(&mut self) {
        self.is_fresh = true;
    }

    /// Records that a piece of the reply follows, or that the reply is complete.
    pub(super) fn spent(&mut self) {
        self.is_fresh = false;
    }
}

//! How far the input was looked through while a command is carried out: an `ABORT` counts before its turn.

/// Positions in the input, in bytes from its front.
#[derive(Debug, Default)]
pub(super) struct LookAhead {
    /// Lines before this were looked at.
    seen: usize,
    /// Commands that begin before this are cancelled.
    cancelled: usize,
    /// Whether the socket was read since the last piece of the reply.
    is_fresh: bool,
}

impl LookAhead {
    /// Where the next line begins that was not looked at.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// The line that ends at `end` was looked at.
    pub(super) fn saw(&mut self, end: usize) {
        self.seen = end;
    }

    /// Everything that was looked at so far is cancelled, and so is the command under way.
    pub(super) fn cancel(&mut self, end: usize) {
        self.cancelled = end;
    }

    /// The first `count` bytes of the input are used up.
    pub(super) fn consumed(&mut self, count: usize) {
        self.seen = self.seen.saturating_sub(count);
        self.cancelled = self.cancelled.saturating_sub(count);
    }

    /// Whether the command at the front of the input, or the one under way, is cancelled.
    pub(super) fn cancels(&self) -> bool {
        self.cancelled > 0
    }

    /// Whether the socket was read since the last piece of the reply.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// The socket was read.
    pub(super) fn read(&mut self) {
        self.is_fresh = true;
    }

    /// A piece of the reply follows, or the reply is over.
    pub(super) fn spent(&mut self) {
        self.is_fresh = false;
    }
}

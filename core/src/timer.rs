//! Measures the time spent waiting for the peer.

use core::time::Duration;

/// What a machine waits for, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// No limit: the peer owes nothing.
    Never,
    /// Waits for one event.
    Fixed { what: FixedWait, limit: Duration },
    /// Waits for any byte.
    Progress { limit: Duration },
    /// Requires a number of bytes in each window. The first window is twice as long, so that a slow start, or a person
    /// at a keyboard, is tolerated. For a peer that keeps nobody waiting only silence counts.
    Flow { window: Duration, min_bytes: u64, silence: Duration },
    /// Waits for the rest of a line. For a peer that keeps nobody waiting only silence counts.
    Line { limit: Duration, silence: Duration },
}

/// The kinds of fixed waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedWait {
    Idle,
    Greeting,
    Reply,
    Goodbye,
    Linger,
}

/// A clock that runs only while the machine waits for the peer.
#[derive(Debug)]
pub(crate) struct Timer {
    now: Duration,
    waited: Duration,
    waiting: bool,
    timeout: Timeout,
    ends: Duration,
    bytes: u64,
    /// The value of `waited` when the last byte passed.
    last_byte: Duration,
    /// Whether a slow peer keeps others waiting.
    scarce: bool,
    /// Whether it did when this window began: a slow peer gets a whole window to catch up.
    strict: bool,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self {
            now: Duration::ZERO,
            waited: Duration::ZERO,
            waiting: false,
            timeout: Timeout::Never,
            ends: Duration::ZERO,
            bytes: 0,
            last_byte: Duration::ZERO,
            scarce: true,
            strict: true,
        }
    }

    /// Advances to `now`.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.waiting {
            self.waited += now.saturating_sub(self.now);
        }
        self.now = self.now.max(now);
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Sets whether a slow peer keeps others waiting.
    pub(crate) fn set_scarce(&mut self, scarce: bool) {
        self.scarce = scarce;
    }

    /// Sets whether the machine waits for the peer from now on, and for what.
    pub(crate) fn wait(&mut self, waiting: bool, timeout: Timeout) {
        self.waiting = waiting;
        if waiting && timeout != self.timeout {
            self.begin(timeout);
        }
    }

    /// Restarts the wait, because the awaited event came.
    pub(crate) fn restart(&mut self) {
        self.begin(self.timeout);
    }

    fn begin(&mut self, timeout: Timeout) {
        self.timeout = timeout;
        self.last_byte = self.waited;
        let first = match timeout {
            Timeout::Never => Duration::MAX,
            Timeout::Fixed { limit, .. }
            | Timeout::Progress { limit }
            | Timeout::Line { limit, .. } => limit,
            Timeout::Flow { window, .. } if self.scarce => window.saturating_mul(2),
            Timeout::Flow { window, .. } => window,
        };
        self.begin_window(first);
    }

    fn begin_window(&mut self, length: Duration) {
        self.bytes = 0;
        self.strict = self.scarce;
        self.ends = self.waited.saturating_add(length);
    }

    /// `count` bytes passed.
    pub(crate) fn flowed(&mut self, count: u64) {
        self.bytes = self.bytes.saturating_add(count);
        self.last_byte = self.waited;
    }

    /// Whether the peer's time is over.
    pub(crate) fn expired(&mut self) -> bool {
        if !self.waiting || self.waited < self.ends() {
            return false;
        }
        let (too_slow, silence, window) = match self.timeout {
            Timeout::Never => return false,
            Timeout::Fixed { .. } | Timeout::Progress { .. } => return true,
            Timeout::Flow { window, min_bytes, silence } => {
                (self.bytes < min_bytes, silence, window)
            }
            Timeout::Line { limit, silence } => (true, silence, limit),
        };
        let up = if self.scarce {
            self.strict && too_slow
        } else {
            self.waited >= self.last_byte.saturating_add(silence)
        };
        // What follows, such as the last reply to the peer, gets its own time.
        self.begin_window(window);
        if up {
            self.last_byte = self.waited;
        }
        up
    }

    /// When the wait, or its current window, ends.
    fn ends(&self) -> Duration {
        match self.timeout {
            Timeout::Progress { limit } => self.last_byte.saturating_add(limit),
            Timeout::Flow { silence, .. } | Timeout::Line { silence, .. } if !self.scarce => {
                self.ends.min(self.last_byte.saturating_add(silence))
            }
            _ => self.ends,
        }
    }

    /// When to check again.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let ends = self.ends();
        if !self.waiting || ends == Duration::MAX {
            return None;
        }
        Some(self.now.saturating_add(ends.saturating_sub(self.waited)))
    }
}

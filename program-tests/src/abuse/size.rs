//! How large attacks are.

/// How large attacks are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// As small as still shows what the attack is for.
    Quick,
    /// So many hundredths of the full size.
    Percent(usize),
}

impl Size {
    /// `full`, the share of it that is asked for, or `quick`; never less than that.
    pub(super) fn of(self, full: usize, quick: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Percent(percent) => (full * percent / 100).max(quick),
        }
    }

    /// For `--patience`, in seconds: how long slow clients are borne.
    pub(super) fn patience(self) -> &'static str {
        match self {
            Self::Quick => "1",
            Self::Percent(_) => "5",
        }
    }

    /// Requests from which the honest client's time without an attack is known.
    pub(super) fn requests(self) -> usize {
        self.of(600, 1)
    }
}

//! How large attacks are.

/// How large an attack is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// The smallest size that shows the effect of the attack.
    Quick,
    /// So many hundredths of the full size.
    Percent(usize),
}

impl Size {
    /// This size's share of `full`, and at least `quick`.
    pub(super) fn of(self, full: usize, quick: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Percent(percent) => (full * percent / 100).max(quick),
        }
    }

    /// The value of `--patience`, in seconds: how long the server tolerates slow clients.
    pub(super) fn patience(self) -> &'static str {
        match self {
            Self::Quick => "1",
            Self::Percent(_) => "5",
        }
    }

    /// The number of requests by which the honest client is measured without an attack.
    pub(super) fn requests(self) -> usize {
        self.of(600, 1)
    }
}

//! What came of transfers with faults.

use std::collections::BTreeMap;
use std::fmt;

/// How transfers with faults ended, and how often.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub(super) fn count(&mut self, kind: String) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        for (kind, count) in other.0 {
            *self.0.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.0 {
            writeln!(f, "{count:7}  {kind}")?;
        }
        write!(f, "{:7}  in all, and what every client said is true", self.0.values().sum::<u64>())
    }
}

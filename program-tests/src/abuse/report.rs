//! What an attack cost, as a row of a table.

use std::fmt;
use std::time::Duration;

/// The result of one attack.
#[derive(Debug, Default)]
pub struct Report {
    /// Its name.
    pub attack: &'static str,
    /// The number of attackers.
    pub attackers: usize,
    /// The server's peak of resident memory, in bytes.
    pub peak: u64,
    /// The server's processor time during the attack.
    pub cpu: Duration,
    /// The time from the end of the attack until all was as before.
    pub recovered: Duration,
    /// The 99th percentile of an honest client's requests, before and under the attack.
    pub honest: Option<(Duration, Duration)>,
    /// Further figures.
    pub figures: Vec<String>,
    /// Goals in time that were missed. These depend on the machine too.
    pub missed: Vec<String>,
    /// What must not happen.
    pub violations: Vec<String>,
}

impl Report {
    /// The head of a table of reports, in Markdown.
    pub const HEAD: &'static str = "\
| attack | attackers | peak RSS, MiB | CPU, s | recovered, ms | honest p99 before → under, ms | figures |
| --- | --- | --- | --- | --- | --- | --- |";

    /// Notes a violation unless `holds`.
    pub(super) fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }

    /// Notes a missed goal unless `reached`.
    pub(super) fn aim(&mut self, reached: bool, otherwise: impl FnOnce() -> String) {
        if !reached {
            self.missed.push(otherwise());
        }
    }

    /// # Panics
    /// When there was a violation.
    pub(super) fn assert_held(&self) {
        assert!(self.violations.is_empty(), "{}: {:#?}", self.attack, self.violations);
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A row of the table.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attack, attackers, peak, .. } = self;
        let (cpu, recovered) = (self.cpu.as_secs_f64(), milliseconds(self.recovered));
        write!(
            f,
            "| {attack} | {attackers} | {} | {cpu:.2} | {recovered:.0} | ",
            peak.div_ceil(1 << 20)
        )?;
        match self.honest {
            Some((before, under)) => {
                let ratio = under.as_secs_f64() / before.as_secs_f64();
                let (before, under) = (milliseconds(before), milliseconds(under));
                write!(f, "{before:.2} → {under:.2} ({ratio:.1}×)")?;
            }
            None => write!(f, "–")?,
        }
        let missed = self.missed.iter().map(|goal| format!("MISSED {goal}"));
        let violations = self.violations.iter().map(|violation| format!("VIOLATION {violation}"));
        let all: Vec<String> =
            self.figures.iter().cloned().chain(missed).chain(violations).collect();
        write!(f, " | {} |", all.join("; "))
    }
}

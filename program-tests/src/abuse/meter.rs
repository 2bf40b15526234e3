//! The resources that a server uses, as the system reports them.

use std::time::Duration;

use procfs::process::Process;

/// Measures a process.
pub(crate) struct Meter(Process);

impl Meter {
    pub(crate) fn new(id: u32) -> Self {
        let id = i32::try_from(id).expect("a process has a small number");
        Self(Process::new(id).expect("the process is there"))
    }

    /// The peak of resident memory, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.peak_while_it_lives().expect("the process lives")
    }

    /// The same for a process that may have ended.
    pub(crate) fn peak_while_it_lives(&self) -> Option<u64> {
        self.0.status().ok()?.vmhwm.map(|kibibytes| kibibytes << 10)
    }

    /// Processor time so far of all threads, in user and kernel mode, in steps of 10 ms.
    pub(super) fn cpu(&self) -> Duration {
        let stat = self.0.stat().expect("the process lives");
        let ticks = Duration::from_secs(stat.utime + stat.stime);
        ticks / u32::try_from(procfs::ticks_per_second()).unwrap_or(u32::MAX)
    }

    /// Open descriptors.
    pub(super) fn descriptors(&self) -> usize {
        self.0.fd_count().expect("the process lives")
    }
}

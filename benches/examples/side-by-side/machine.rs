//! The machine of the run.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::Process;
use procfs::{CpuInfo, Current, Meminfo};

use crate::Result;

pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    system: String,
    file_system: String,
    memory: u64,
    load: String,
    rounds: usize,
}

impl Machine {
    pub(crate) fn describe(place: &Path, rounds: usize) -> Result<Self> {
        let processors = CpuInfo::current()?;
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cores: processors.num_cores(),
            processor: processors.model_name(0).unwrap_or("unknown").to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            system: system.unwrap_or("unknown").trim_matches('"').to_owned(),
            file_system: file_system(place)?,
            memory: Meminfo::current()?.mem_total >> 30,
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            rounds,
        })
    }
}

/// The type of the file system that a path is on.
fn file_system(path: &Path) -> Result<String> {
    let mounts = Process::myself()?.mountinfo()?.0;
    let on = mounts.into_iter().filter(|mount| path.starts_with(&mount.mount_point));
    let nearest = on.max_by_key(|mount| PathBuf::from(&mount.mount_point).components().count());
    Ok(nearest.ok_or("a path on no file system")?.fs_type)
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, kernel, system, file_system, memory, load, rounds } = self;
        writeln!(
            f,
            "{cores} cores ({processor}), {memory} GiB of memory, {system}, Linux {kernel}, files on {file_system}; load {load} before it began."
        )?;
        writeln!(
            f,
            "Everything ran on one machine, over loopback, from the page cache. A figure is the median (least–most) of {rounds} rounds in turn, after one that does not count."
        )?;
        writeln!(
            f,
            "CPU is that of client and server together. MiB is the peak resident memory, summed over all processes of a side."
        )
    }
}

//! The cost of a run: time, the CPU of all processes involved, and memory.

use std::collections::HashSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use procfs::process::{ProcState, Process, Stat, Status, all_processes};
use procfs::{CurrentSI, KernelStats};
use rustix::process::{getpid, set_child_subreaper};

use crate::Result;

/// Memory is sampled soon, and then less and less often, because sampling takes time from the measurement. The kernel
/// keeps a process's peak, so only its last moments can be missed, and children that come and go between two samples.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOKS: Duration = Duration::from_millis(160);
/// How long a server may take to end the processes of a client that is gone.
const SETTLING: Duration = Duration::from_millis(500);

/// The cost of a command and its server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// The CPU time of client and server, in seconds.
    pub(crate) cpu: f64,
    /// The peak resident memory of the client and its children, in bytes.
    pub(crate) client_peak: u64,
    /// The peak resident memory of the server with its children, in bytes. Shared pages count for each process.
    pub(crate) server_peak: u64,
}

/// Runs a command to its end. The error contains its last output.
pub(crate) fn run(command: &mut Command, server: Option<u32>) -> Result<Cost> {
    if let Some(server) = server {
        forget_peak(server)?;
    }
    let (cpu_before, count_before) = below()?;
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let client = child.id();
    let (stop, stopped) = mpsc::channel::<()>();
    let sampler = thread::spawn(move || {
        let mut peaks = [0; 2];
        let mut pause = FIRST_LOOK;
        loop {
            let more = stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout);
            let all = everybody().unwrap_or_default();
            for (peak, root) in peaks.iter_mut().zip([Some(client), server]) {
                *peak = root.map_or(0, |root| sum(&all, root, |status| status.vmhwm)).max(*peak);
            }
            if !more {
                return peaks;
            }
            pause = (pause * 2).min(LAST_LOOKS);
        }
    });
    let ended = finish(child);
    let wall = began.elapsed();
    drop(stop);
    let [client_peak, server_peak] = sampler.join().map_err(|_| "memory was not measured")?;
    ended?;
    let settled = Instant::now() + SETTLING;
    let mut last = f64::NAN;
    let cpu_after = loop {
        let (cpu, count) = below()?;
        // Wait for two equal samples: a process that ends during a sample may be counted neither by itself nor with its
        // parent.
        #[allow(clippy::float_cmp)]
        if (count <= count_before && cpu == last) || Instant::now() > settled {
            break cpu;
        }
        last = cpu;
        thread::sleep(Duration::from_millis(2));
    };
    Ok(Cost { wall, cpu: cpu_after - cpu_before, client_peak, server_peak })
}

fn finish(child: Child) -> Result<()> {
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing said");
    Err(format!("{}: {last}", output.status).into())
}

/// Makes this process the parent of orphans below it. A server may end before the processes that it started for a
/// client, and their CPU time would be lost.
pub(crate) fn adopt_orphans() -> Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// The CPU time of everything below this process, in seconds, and how many of those processes still run. This process
/// itself only measures.
pub(crate) fn below() -> Result<(f64, usize)> {
    let myself = Process::myself()?;
    let all = everybody()?;
    let below = family(&all, myself.pid.unsigned_abs());
    let ticks: u64 = below
        .iter()
        .map(|stat| {
            let own = if stat.pid == myself.pid { 0 } else { stat.utime + stat.stime };
            own + (stat.cutime + stat.cstime).unsigned_abs()
        })
        .sum();
    // Nobody waits for orphans, so their CPU time stays readable.
    let running = below.iter().filter(|stat| !matches!(stat.state(), Ok(ProcState::Zombie)));
    Ok((seconds(ticks), running.count()))
}

/// The data of every process.
fn everybody() -> Result<Vec<Stat>> {
    Ok(all_processes()?.flatten().filter_map(|one| one.stat().ok()).collect())
}

/// A process and all its descendants.
fn family(all: &[Stat], root: u32) -> Vec<&Stat> {
    let mut known = HashSet::from([root.cast_signed()]);
    loop {
        let before = known.len();
        let children = all.iter().filter(|one| known.contains(&one.ppid)).map(|one| one.pid);
        known.extend(children.collect::<Vec<_>>());
        if known.len() == before {
            return all.iter().filter(|one| known.contains(&one.pid)).collect();
        }
    }
}

/// Resets the peak memory of a process and its descendants to the current value, and returns it.
pub(crate) fn forget_peak(root: u32) -> Result<u64> {
    let all = everybody()?;
    for process in family(&all, root) {
        // Where that is not allowed, the peak is that of the whole lifetime.
        let _ = fs::write(format!("/proc/{}/clear_refs", process.pid), "5");
    }
    Ok(sum(&all, root, |status| status.vmrss))
}

/// The peak resident memory of a process and its current descendants.
pub(crate) fn peak_of(root: u32) -> Result<u64> {
    Ok(sum(&everybody()?, root, |status| status.vmhwm))
}

/// Their current resident memory.
pub(crate) fn resident(root: u32) -> Result<u64> {
    Ok(sum(&everybody()?, root, |status| status.vmrss))
}

fn sum(all: &[Stat], root: u32, of: impl Fn(&Status) -> Option<u64>) -> u64 {
    let one = |stat: &Stat| of(&Process::new(stat.pid).ok()?.status().ok()?);
    family(all, root).into_iter().filter_map(one).sum::<u64>() << 10
}

/// The share of the machine that other programs use, besides this one and all below it.
pub(crate) struct Disturbance {
    began: Instant,
    others: f64,
}

impl Disturbance {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { began: Instant::now(), others: others()? })
    }

    /// The share of all cores since the start, from 0 to 1.
    pub(crate) fn share(&self) -> Result<f64> {
        let cores = thread::available_parallelism()?.get();
        #[allow(clippy::cast_precision_loss)]
        let available = self.began.elapsed().as_secs_f64() * cores as f64;
        Ok(((others()? - self.others) / available).clamp(0.0, 1.0))
    }
}

/// The CPU time of everything else, in seconds.
fn others() -> Result<f64> {
    let total = KernelStats::current()?.total;
    let more = [total.irq, total.softirq, total.steal].into_iter().flatten().sum::<u64>();
    let all = seconds(total.user + total.nice + total.system + more);
    let own = Process::myself()?.stat()?;
    Ok(all - seconds(own.utime + own.stime) - below()?.0)
}

#[allow(clippy::cast_precision_loss)]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

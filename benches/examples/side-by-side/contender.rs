//! Rows, those who run in them, and what they reach.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haul_program_tests::proxy::Proxy;

use crate::data;
use crate::haul::{Haul, Sync};
use crate::measure::{self, Cost};
use crate::peers::Peer;
use crate::rig::Rig;
use crate::{GIGA, MEBI, Result};

/// What is measured, the main figure of a row first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    Throughput,
    Seconds,
    PerSecond,
    PerConnection,
    Connections,
    BusyP99,
    IdleP99,
    IdleP50,
    FirstLine,
    Cpu,
    CpuPerGigabyte,
    ServerGrowth,
    ClientPeak,
    ServerPeak,
}

impl Metric {
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Throughput | Self::PerSecond)
    }

    /// What stands above its column.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Throughput => "GB/s",
            Self::Seconds => "seconds",
            Self::PerSecond => "a second",
            Self::PerConnection => "KiB each",
            Self::Connections => "connections",
            Self::BusyP99 => "p99 beside 8 bulk transfers, ms",
            Self::IdleP99 => "p99 alone, ms",
            Self::IdleP50 => "p50 alone, ms",
            Self::FirstLine => "first line, ms",
            Self::Cpu => "CPU s",
            Self::CpuPerGigabyte => "CPU s/GB",
            Self::ServerGrowth => "server grows by MiB",
            Self::ClientPeak => "client MiB",
            Self::ServerPeak => "server MiB",
        }
    }
}

/// What one run reached.
pub(crate) type Sample = BTreeMap<Metric, f64>;

/// Whom a contender belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Haul, durable where nothing else is said.
    Haul,
    /// What a user would pick instead, over the network.
    Peer,
    /// The same machine without a network between.
    Local,
    /// The least that can be done.
    Bare,
}

pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The command, as one would type it; or what is done.
    pub(crate) shown: String,
    pub(crate) run: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

/// What is run together.
pub(crate) struct Row<'a> {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// What a reader must know to compare.
    pub(crate) note: String,
    pub(crate) contenders: Vec<Contender<'a>>,
    /// Kept as long as it runs.
    pub(crate) proxies: Vec<Proxy>,
}

/// How much a transfer moves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moved {
    Bytes(u64),
    Files,
}

/// Where a command finds the server that it talks to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// The server's process.
    pub(crate) process: u32,
    pub(crate) port: u16,
}

/// A row whose contenders are commands that all bring the same files to the same place.
pub(crate) struct Transfers<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) moved: Moved,
    /// What is moved: `$FROM` in a command,
    pub(crate) from: PathBuf,
    /// and where it must be then: `$TO`. It is removed before each run.
    pub(crate) to: PathBuf,
}

impl<'a> Transfers<'a> {
    /// One that runs `line`, in which `$PORT` is the server's.
    pub(crate) fn contender(
        &self,
        name: impl Into<String>,
        kind: Kind,
        at: Option<At>,
        line: impl Into<String>,
    ) -> Contender<'a> {
        let Self { rig, moved, from, to } = self;
        let (rig, moved, from, to) = (*rig, *moved, from.clone(), to.clone());
        let shown = line.into();
        let port = at.map_or(0, |at| at.port).to_string();
        let full = [("$FROM", &from), ("$TO", &to)]
            .into_iter()
            .fold(shown.replace("$PORT", &port), |line, (name, path)| {
                line.replace(name, &path.display().to_string())
            });
        let run = move || {
            rig.place.put_away(&to)?;
            rig.place.settle()?;
            let cost = measure::run(&mut rig.command(&full)?, at.map(|at| at.process))?;
            data::must_be_equal(&from, &to)?;
            rig.place.put_away(&to)?;
            Ok(sample(cost, moved, at.is_some()))
        };
        Contender { name: name.into(), kind, shown, run: Box::new(run) }
    }

    /// Those of the peers that run.
    pub(crate) fn peers(&self, lines: &[(Peer, &str, &str)]) -> Vec<Contender<'a>> {
        let running = lines.iter().filter_map(|(peer, name, line)| {
            let at = self.rig.peer(*peer)?;
            Some(self.contender(*name, Kind::Peer, Some(at), *line))
        });
        running.collect()
    }

    /// Haul's three programs, servers that confirm like this.
    pub(crate) fn hauls(&self, sync: Sync, rest: &str) -> Vec<Contender<'a>> {
        let hauls = self.rig.hauls(sync);
        hauls.map(|haul| self.haul(haul, haul.at(), rest)).collect()
    }

    /// One of them, whose server is reached at `at`.
    pub(crate) fn haul(&self, haul: &Haul, at: At, rest: &str) -> Contender<'a> {
        let name = haul.name();
        let line = format!("{name} --quiet --server haul://127.0.0.1:$PORT {rest}");
        self.contender(name, Kind::Haul, Some(at), line)
    }
}

#[allow(clippy::cast_precision_loss)]
fn sample(cost: Cost, moved: Moved, has_server: bool) -> Sample {
    let seconds = cost.wall.as_secs_f64();
    let mut sample = match moved {
        Moved::Bytes(bytes) => {
            let gigabytes = bytes as f64 / GIGA;
            Sample::from([
                (Metric::Throughput, gigabytes / seconds),
                (Metric::CpuPerGigabyte, cost.cpu / gigabytes),
            ])
        }
        Moved::Files => Sample::from([(Metric::Seconds, seconds), (Metric::Cpu, cost.cpu)]),
    };
    for (metric, peak, is_there) in [
        // Who ended before anybody looked has none.
        (Metric::ClientPeak, cost.client_peak, cost.client_peak > 0),
        (Metric::ServerPeak, cost.server_peak, has_server),
    ] {
        if is_there {
            sample.insert(metric, peak as f64 / MEBI);
        }
    }
    sample
}

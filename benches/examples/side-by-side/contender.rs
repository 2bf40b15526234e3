//! Rows, their contenders, and the results.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haul_program_tests::proxy::Proxy;

use crate::data;
use crate::haul::{Haul, Sync};
use crate::measure::{self, Cost};
use crate::peers::Peer;
use crate::rig::Rig;
use crate::{GIGA, MEBI, Result};

/// The metrics, a row's main one first.
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

    /// The heading of its column.
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

/// The result of one run.
pub(crate) type Sample = BTreeMap<Metric, f64>;

/// The kind of a contender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Haul, durable unless stated otherwise.
    Haul,
    /// An alternative to Haul, over the network.
    Peer,
    /// A local command, without a network.
    Local,
    /// The least possible work.
    Bare,
}

pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The command as a user would type it, or a description.
    pub(crate) shown: String,
    pub(crate) run: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

/// Contenders that are run in turn.
pub(crate) struct Row<'a> {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// What a reader needs to know for a comparison.
    pub(crate) note: String,
    pub(crate) contenders: Vec<Contender<'a>>,
    /// Kept while the row runs.
    pub(crate) proxies: Vec<Proxy>,
}

/// The amount that a transfer moves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moved {
    Bytes(u64),
    Files,
}

/// The address of a command's server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// The server's process.
    pub(crate) process: u32,
    pub(crate) port: u16,
}

/// A row whose contenders are commands that all transfer the same files to the same place.
pub(crate) struct Transfers<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) moved: Moved,
    /// The source: `$FROM` in a command.
    pub(crate) from: PathBuf,
    /// The destination: `$TO`. It is removed before each run.
    pub(crate) to: PathBuf,
}

impl<'a> Transfers<'a> {
    /// A contender that runs `line`, in which `$PORT` is the server's port.
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

    /// The contenders of the peers that run.
    pub(crate) fn peers(&self, lines: &[(Peer, &str, &str)]) -> Vec<Contender<'a>> {
        let running = lines.iter().filter_map(|(peer, name, line)| {
            let at = self.rig.peer(*peer)?;
            Some(self.contender(*name, Kind::Peer, Some(at), *line))
        });
        running.collect()
    }

    /// Haul's three programs, with servers that confirm in this way.
    pub(crate) fn hauls(&self, sync: Sync, rest: &str) -> Vec<Contender<'a>> {
        let hauls = self.rig.hauls(sync);
        hauls.map(|haul| self.haul(haul, haul.at(), rest)).collect()
    }

    /// One of Haul's programs, whose server is at `at`.
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
        // A process that ended before the first look has none.
        (Metric::ClientPeak, cost.client_peak, cost.client_peak > 0),
        (Metric::ServerPeak, cost.server_peak, has_server),
    ] {
        if is_there {
            sample.insert(metric, peak as f64 / MEBI);
        }
    }
    sample
}

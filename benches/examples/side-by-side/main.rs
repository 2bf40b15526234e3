//! Haul beside what a user would pick instead, on this machine.
//!
//! ```sh
//! cargo run --release -p haul-benches --example side-by-side
//! cargo run --release -p haul-benches --example side-by-side -- down up --rounds 9 --peers nginx,rsyncd
//! cargo run -p haul-benches --example side-by-side -- --quick
//! ```
//!
//! It makes the data, builds Haul's three programs, starts all servers over one directory, and runs each row's contenders in turn (A B A B …) after a round that does not count. What
//! arrived is compared with what was sent, outside of the time that is taken. Peers that are missing are installed: from Debian's packages, or as crates under `target`; what cannot be had
//! is left out with a line that says why. Tables, plots and every sample are written into a folder.
//!
//! Wanted on a quiet machine, as root (vsftpd needs it), with 6 GB free; the figures only compare within one run.

mod contender;
mod data;
mod goals;
mod haul;
mod install;
mod machine;
mod measure;
mod peers;
mod plot;
mod process;
mod prototype;
mod report;
mod results;
mod rig;
mod rows;

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Parser, ValueEnum};
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use data::{Place, Sizes};
use install::Programs;
use machine::Machine;
use peers::Peer;
use results::Results;
use rig::Rig;
use rows::RowName;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const GIGA: f64 = 1e9;
const MEBI: f64 = 1_048_576.0;
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure [default: everything]
    rows: Vec<RowName>,
    /// How often, after a round that does not count [default: 5]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Whom to compare with [default: all]
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    peers: Option<Vec<Peer>>,
    /// Install no program that is missing
    #[arg(long)]
    no_install: bool,
    /// One round of little data and no peers, to see that all of it works
    #[arg(long)]
    quick: bool,
    /// Where the data is: a folder on the file system to measure [default: side-by-side/data in target]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the results go [default: side-by-side/results in target]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    #[arg(long, hide = true, num_args = 2)]
    prototype: Option<Vec<PathBuf>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some([from, to]) = arguments.prototype.as_deref() {
        return prototype::transfer(from, to);
    }
    allow_many_files()?;
    measure::adopt_orphans()?;
    // Whoever stops this wants the servers stopped too.
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    let Arguments { rows, rounds, peers, no_install, quick, data, results, .. } = arguments;
    if !quick && !haul::OPTIMISED {
        return Err("figures of programs that are not optimised tell nothing: cargo run --release, or --quick to see that all of it works".into());
    }
    let rows = if rows.is_empty() { RowName::value_variants().to_vec() } else { rows };
    let (sizes, few) = if quick { (Sizes::QUICK, 1) } else { (Sizes::FULL, 5) };
    let rounds = rounds.unwrap_or(few);
    let all = if quick { &[] } else { Peer::value_variants() };
    let peers = peers.unwrap_or_else(|| all.to_vec());
    // This is target/PROFILE/examples/side-by-side.
    let this = env::current_exe()?;
    let target = this.ancestors().nth(3).ok_or("a program without a place")?;
    let folder = target.join("side-by-side");
    // What is made once for a long run is not made anew after a quick one.
    let usual = if quick { "data-quick" } else { "data" };
    let results = results.unwrap_or_else(|| folder.join("results"));
    let place = Place::make(&data.unwrap_or_else(|| folder.join(usual)))?;
    let machine = Machine::describe(place.root(), rounds)?;
    let programs = Programs::new(&folder.join("peers"), !no_install);
    let rig = Rig::start(place, sizes, &peers, &programs)?;
    rig.place.warm_up(4 * sizes.big)?;
    let mut reached = Vec::new();
    for row in rows {
        reached.push(Results::of(row.prepare(&rig)?, rounds, &stopped)?);
        // After each row, so that what was measured is kept whatever comes.
        report::write(&results, &machine, &rig.missing, &reached, quick)?;
    }
    rig.place.clear()?;
    println!("{}", results.join("README.md").display());
    let failed =
        reached.iter().flat_map(|row| &row.entries).filter(|entry| entry.failure.is_some()).count();
    if failed > 0 { Err(format!("{failed} did not run to the end").into()) } else { Ok(()) }
}

/// For those who come in crowds.
fn allow_many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

//! Compares Haul with its alternatives, on this machine.
//!
//! ```sh
//! cargo run --release -p haul-benches --example side-by-side
//! cargo run --release -p haul-benches --example side-by-side -- down up --rounds 9 --peers nginx,rsyncd
//! cargo run -p haul-benches --example side-by-side -- --quick
//! ```
//!
//! It creates the data, builds Haul's three programs, starts all servers on one directory, and runs each row's
//! contenders in turn (A B A B …) after a round that does not count. It compares what arrived with what was sent,
//! outside of the measured time. It installs missing peers, from Debian's packages or as crates under `target`. If one
//! cannot be installed, it leaves it out, and says why. It writes tables, plots and every sample into a folder.
//!
//! Run it on a quiet machine, as root (for vsftpd), with 6 GB free. Compare figures only within one run.

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
    /// The number of rounds, after one that does not count [default: 5]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// The peers to compare with [default: all]
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    peers: Option<Vec<Peer>>,
    /// Do not install missing programs
    #[arg(long)]
    no_install: bool,
    /// Run one round with little data and no peers, to check that everything works
    #[arg(long)]
    quick: bool,
    /// The folder of the data, on the file system to measure [default: side-by-side/data in target]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder of the results [default: side-by-side/results in target]
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
    // A signal to this process must stop the servers too.
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
    // The data of a long run is not created again after a quick one.
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
        // Write after each row, so that no measurement is lost.
        report::write(&results, &machine, &rig.missing, &reached, quick)?;
    }
    rig.place.clear()?;
    println!("{}", results.join("README.md").display());
    let failed =
        reached.iter().flat_map(|row| &row.entries).filter(|entry| entry.failure.is_some()).count();
    if failed > 0 { Err(format!("{failed} did not run to the end").into()) } else { Ok(()) }
}

/// Rows with many connections need it.
fn allow_many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

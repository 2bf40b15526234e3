//! Long campaigns against a whole program: what its checks do a few dozen times, as often as one likes.
//!
//! ```sh
//! cargo build --release -p haul-std
//! cargo run --release -p haul-conformance --example torture -- power 500 --program target/release/haul-std
//! ```
//!
//! `power` cuts the power and `kills` kills the server so many times; `--seed` repeats a run. `injected` has each system call of server and client fail at each of its first
//! occurrences, so many of them. `network` flips bits and cuts ends off, so many in all, then cuts connections at each byte and interrupts
//! clients. `wires` (as root) transfers so many files each over lossy and slow wires, and measures when a server knows that its peer is gone.
//! `abuse` attacks a server in all the ways that there are, with so many hundredths of the full size:
//!
//! ```sh
//! cargo run --release -p haul-conformance --example torture -- abuse 100 --program target/release/haul-std
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use haul_conformance::program::{self, FILE_SYSTEMS, FileSystem};

const USAGE: &str = "torture power|kills|injected|network|wires|abuse COUNT --program PATH [--seed SEED] [--file-system NAME|all] [--sync POLICY]";

struct Campaign {
    mode: String,
    count: u64,
    program: PathBuf,
    seed: u64,
    file_systems: Vec<FileSystem>,
    /// Options of the server.
    options: Vec<String>,
}

impl Campaign {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mode = words.next()?;
        let count = words.next()?.parse().ok()?;
        let (mut program, mut seed) = (None, 4285);
        let (mut file_systems, mut options) = (FILE_SYSTEMS[..1].to_vec(), Vec::new());
        while let Some(word) = words.next() {
            match word.as_str() {
                // Clients run in a directory of their own.
                "--program" => program = Some(Path::new(&words.next()?).canonicalize().ok()?),
                "--seed" => seed = words.next()?.parse().ok()?,
                "--file-system" => file_systems = chosen(&words.next()?)?,
                "--sync" => options.push(format!("--sync={}", words.next()?)),
                _ => return None,
            }
        }
        Some(Self { mode, count, program: program?, seed, file_systems, options })
    }

    fn run(&self) -> Result<String, String> {
        let Self { mode, count, program, seed, file_systems, options } = self;
        match mode.as_str() {
            "power" => {
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let mut failed = Ok(String::new());
                for &system in file_systems {
                    let name = system.name();
                    match program::power_cuts(program, system, *count, *seed, &options) {
                        Ok(crashes) => println!("{name}: {crashes}"),
                        Err(reason) => {
                            println!("{reason}");
                            failed = Err("there were violations".to_owned());
                        }
                    }
                }
                failed
            }
            "kills" => program::kills(program, *count, *seed).map(|crashes| crashes.to_string()),
            "injected" => {
                let injected = program::injected_failures(program, *count, usize::MAX);
                let report = injected.to_string();
                if injected.violations.is_empty() { Ok(report) } else { Err(report) }
            }
            "network" => {
                let flips = program::flips(program, *count, *seed)?;
                let cuts = program::cuts(program, 1)?;
                let interrupts = program::interrupts(program, count / 100, *seed)?;
                Ok(format!("{flips}\n{cuts}\n{interrupts}"))
            }
            "wires" => program::wires(program, *count),
            "abuse" => {
                println!("{}", program::Report::HEAD);
                let percent = usize::try_from(*count).map_err(|error| error.to_string())?;
                let held = program::abuse(program, percent, |report| println!("{report}"));
                if held { Ok(String::new()) } else { Err("there were violations".to_owned()) }
            }
            _ => Err(USAGE.to_owned()),
        }
    }
}

/// The file systems of this name, or all.
fn chosen(name: &str) -> Option<Vec<FileSystem>> {
    match name {
        "all" => Some(FILE_SYSTEMS.to_vec()),
        name => FileSystem::named(name).map(|system| vec![system]),
    }
}

fn main() -> ExitCode {
    let Some(campaign) = Campaign::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match campaign.run() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

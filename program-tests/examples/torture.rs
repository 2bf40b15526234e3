//! Long campaigns against a whole program: the same checks as in the tests, as often as you like.
//!
//! ```sh
//! cargo build --release -p haul-std
//! cargo run --release -p haul-program-tests --example torture -- power 500 --program target/release/haul-std
//! ```
//!
//! `power` cuts the power COUNT times on each file system, or on the one that `--file-system` names. `kills` kills the
//! server COUNT times. `--seed` repeats a run. `matrix` runs everyday uses on one file system after the other, and
//! prints a table. `injected` makes each system call of server and client fail, at each of its first COUNT occurrences.
//! `network` flips bits and cuts ends off in COUNT transfers, then cuts connections at each byte and interrupts
//! clients. `wires` (as root) transfers COUNT files each over lossy and slow networks, and measures how long a server
//! takes to detect that its peer is gone. `abuse` attacks a server in all ways, at COUNT percent of the full size:
//!
//! ```sh
//! cargo run --release -p haul-program-tests --example torture -- abuse 100 --program target/release/haul-std
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use haul_program_tests::{self as program, FILE_SYSTEMS};

const USAGE: &str = "torture power|kills|injected|network|wires|abuse COUNT|matrix --program PATH [--seed SEED] [--file-system NAME] [--sync POLICY]";

struct Campaign {
    mode: String,
    count: u64,
    program: PathBuf,
    seed: u64,
    /// The one that was named, or all.
    file_system: Option<String>,
    /// Options of the server.
    options: Vec<String>,
}

impl Campaign {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mode = words.next()?;
        // The matrix runs once.
        let count = if mode == "matrix" { 1 } else { words.next()?.parse().ok()? };
        let (mut program, mut seed) = (None, 4285);
        let (mut file_system, mut options) = (None, Vec::new());
        while let Some(word) = words.next() {
            match word.as_str() {
                // Clients run in a directory of their own.
                "--program" => program = Some(Path::new(&words.next()?).canonicalize().ok()?),
                "--seed" => seed = words.next()?.parse().ok()?,
                "--file-system" => file_system = Some(words.next()?).filter(|name| name != "all"),
                "--sync" => options.push(format!("--sync={}", words.next()?)),
                _ => return None,
            }
        }
        let known = |name: &str| {
            program::matrix_names().any(|known| known == name)
                || FILE_SYSTEMS.iter().any(|system| system.name() == name)
        };
        if file_system.as_deref().is_some_and(|name| !known(name)) {
            return None;
        }
        Some(Self { mode, count, program: program?, seed, file_system, options })
    }

    fn run(&self) -> Result<String, String> {
        let Self { mode, count, program, seed, file_system, options } = self;
        let wanted = |name: &str| file_system.as_ref().is_none_or(|wanted| wanted == name);
        match mode.as_str() {
            "power" => {
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let mut held = true;
                for system in FILE_SYSTEMS.iter().filter(|system| wanted(system.name())) {
                    let name = system.name();
                    if file_system.is_none() && !system.is_known() {
                        println!("{name}: this kernel does not have it");
                        continue;
                    }
                    match program::power_cuts(program, *system, *count, *seed, &options) {
                        Ok(crashes) => println!("{name}: {crashes}"),
                        Err(reason) => {
                            println!("{reason}");
                            held = false;
                        }
                    }
                }
                violations(held)
            }
            "matrix" => {
                // The row shows why a check failed.
                std::panic::set_hook(Box::new(|_| ()));
                println!("{}", program::Row::head());
                let mut held = true;
                for name in program::matrix_names().filter(|&name| wanted(name)) {
                    let row = program::Row::of(program, name);
                    println!("{row}");
                    held &= row.held();
                }
                violations(held)
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
                violations(held)
            }
            _ => Err(USAGE.to_owned()),
        }
    }
}

fn violations(held: bool) -> Result<String, String> {
    if held { Ok(String::new()) } else { Err("there were violations".to_owned()) }
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

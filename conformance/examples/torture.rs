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

use haul_conformance::program;

const USAGE: &str =
    "torture power|kills|injected|network|wires|abuse COUNT --program PATH [--seed SEED]";

struct Campaign {
    mode: String,
    count: u64,
    program: PathBuf,
    seed: u64,
}

impl Campaign {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mode = words.next()?;
        let count = words.next()?.parse().ok()?;
        let (mut program, mut seed) = (None, 4285);
        while let Some(word) = words.next() {
            match word.as_str() {
                // Clients run in a directory of their own.
                "--program" => program = Some(Path::new(&words.next()?).canonicalize().ok()?),
                "--seed" => seed = words.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(Self { mode, count, program: program?, seed })
    }

    fn run(&self) -> Result<String, String> {
        let Self { mode, count, program, seed } = self;
        match mode.as_str() {
            "power" => {
                program::power_cuts(program, *count, *seed, &[]).map(|crashes| crashes.to_string())
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

//! Runs the simulator for many seeds: `simulate [SEEDS] [FIRST]`.

use std::process::ExitCode;
use std::time::Instant;

use haul_simulator::{self as sim, Tally};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Ok(seeds), Ok(first)) =
        (arguments.next().unwrap_or(Ok(100_000)), arguments.next().unwrap_or(Ok(0)))
    else {
        eprintln!("usage: simulate [SEEDS] [FIRST]");
        return ExitCode::from(2);
    };
    let (began, mut tally, mut steps, mut failed) =
        (Instant::now(), Tally::default(), 0_u64, 0_u64);
    for seed in first..first.saturating_add(seeds) {
        match sim::check(seed, None) {
            Ok(outcome) => {
                tally.add(&outcome.tally);
                steps += u64::from(outcome.steps);
            }
            Err(report) => {
                println!("{report}");
                failed += 1;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    print!("{tally}");
    println!("seeds {first} and on, {seeds} runs, {steps} steps, {failed} failed, {seconds:.1} s");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

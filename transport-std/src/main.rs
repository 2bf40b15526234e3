//! The program `haul-std`.

use std::process::ExitCode;

fn main() -> ExitCode {
    haul_cli::main(haul_std::StdRuntime::default())
}

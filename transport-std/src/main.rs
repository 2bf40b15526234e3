//! The program `haul-std`.

use std::process::ExitCode;

use haul_cli::{BlockOn, Program};

struct Threads;

impl BlockOn for Threads {
    const PROGRAM: &'static str = "haul-std";

    /// The log tells at most 4096 threads apart and panics in the next one, so clients beyond these are told `busy`.
    const MOST_CLIENTS: usize = 4_000;

    type Runtime = haul_std::Std;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        haul_std::block_on(future)
    }
}

fn main() -> ExitCode {
    haul_cli::main(Program::new(Threads))
}

//! The program `haul-tokio`.

use std::process::ExitCode;

use haul_cli::{Asynchronous, BlockOn, Exit};
use tokio::runtime::Runtime;

struct Tokio(Runtime);

impl BlockOn for Tokio {
    const PROGRAM: &'static str = "haul-tokio";

    type Runtime = haul_tokio::Tokio;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

fn main() -> ExitCode {
    match Runtime::new() {
        Ok(runtime) => haul_cli::main(Asynchronous::new(Tokio(runtime))),
        Err(error) => {
            eprintln!("{}: cannot start Tokio: {error}", Tokio::PROGRAM);
            Exit::Unexpected.into()
        }
    }
}

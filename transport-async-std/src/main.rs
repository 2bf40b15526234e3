//! The program `haul-async-std`.

use std::process::ExitCode;

use haul_cli::{Asynchronous, BlockOn};

struct AsyncStd;

impl BlockOn for AsyncStd {
    const PROGRAM: &'static str = "haul-async-std";

    type Runtime = haul_async_std::AsyncStd;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

fn main() -> ExitCode {
    haul_cli::main(Asynchronous::new(AsyncStd))
}

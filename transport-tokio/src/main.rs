//! The program `haul-tokio`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use haul_cli::{Asynchronous, BlockOn, Exit, start_runtime};
use tokio::runtime::{Builder, Runtime};

/// The most threads for file work. They stay, so there shall not be many; more would only wait for the same storage.
const FILE_THREADS: usize = 64;

struct Tokio(Runtime);

impl BlockOn for Tokio {
    const PROGRAM: &'static str = "haul-tokio";

    type Runtime = haul_tokio::Tokio;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

fn main() -> ExitCode {
    match start_runtime(Tokio::PROGRAM, start) {
        Ok(runtime) => haul_cli::main(Asynchronous::new(Tokio(runtime))),
        Err(error) => {
            eprintln!("{}: cannot start Tokio: {error}", Tokio::PROGRAM);
            Exit::Unexpected.into()
        }
    }
}

/// Starts Tokio, with all threads that it cannot do without.
///
/// One is for file work, and it stays: if later no other one can start, work waits for its turn with it, while without any Tokio would panic.
fn start() -> io::Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .thread_keep_alive(Duration::MAX)
        .build()?;
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}

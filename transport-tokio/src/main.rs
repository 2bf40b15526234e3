//! The program `haul-tokio`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use haul_cli::{BlockOn, Exit, Program, start_runtime};
use tokio::runtime::{Builder, Runtime};

/// The most threads for file work: one for each session at the most, since each may hang in its storage, and never in the way of others. Those without work go.
const FILE_THREADS: usize = 100_000;
/// How long a thread without work stays.
const KEPT: Duration = Duration::from_secs(10);
/// How long file work under way is waited for when the program ends. It may hang.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

struct Tokio(Option<Runtime>);

impl BlockOn for Tokio {
    const PROGRAM: &'static str = "haul-tokio";

    type Runtime = haul_tokio::Tokio;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is there until it is dropped").block_on(future)
    }
}

impl Drop for Tokio {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(ENDS_WITHIN);
        }
    }
}

fn main() -> ExitCode {
    match start_runtime(Tokio::PROGRAM, start) {
        Ok(runtime) => haul_cli::main(Program::new(Tokio(Some(runtime)))),
        Err(error) => {
            eprintln!("{}: cannot start Tokio: {error}", Tokio::PROGRAM);
            Exit::Unexpected.into()
        }
    }
}

/// Starts Tokio, with all threads that it cannot do without.
///
/// One is for file work, and it is kept: if later no other one can start, work waits for its turn with it, while without any Tokio would panic.
fn start() -> io::Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .thread_keep_alive(KEPT)
        .build()?;
    drop(runtime.spawn_blocking(|| ()));
    runtime.spawn(async {
        loop {
            tokio::time::sleep(KEPT / 2).await;
            // That it does nothing is enough: its thread has had work.
            drop(tokio::task::spawn_blocking(|| ()).await);
        }
    });
    Ok(runtime)
}

//! The program `haul-async-std`.

use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;

use async_std::task;
use haul_cli::{BlockOn, Exit, Program, start_runtime};

/// The most threads for file work: one for each session at the most, since each may hang in its storage, and never in the way of others. Those without work go.
const FILE_THREADS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

struct AsyncStd;

impl BlockOn for AsyncStd {
    const PROGRAM: &'static str = "haul-async-std";

    type Runtime = haul_async_std::AsyncStd;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        task::block_on(future)
    }
}

fn main() -> ExitCode {
    match start_runtime(AsyncStd::PROGRAM, start) {
        Ok(()) => haul_cli::main(Program::new(AsyncStd)),
        Err(error) => {
            eprintln!("{}: cannot start a thread: {error}", AsyncStd::PROGRAM);
            Exit::Unexpected.into()
        }
    }
}

/// Has async-std start its threads, which it does at the first use, and looks whether there can be one for files as well: for that one it would wait without a word.
fn start() -> io::Result<()> {
    task::block_on(async {});
    blocking::set_max_blocking_threads(FILE_THREADS);
    drop(thread::Builder::new().spawn(|| ())?.join());
    Ok(())
}

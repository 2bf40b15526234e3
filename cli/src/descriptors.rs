//! Checks that the process has a usable standard input and output.
//!
//! Rust's runtime opens /dev/null in place of each closed standard descriptor before `main` runs
//! (`sanitize_standard_fds` in std's `sys/pal/unix/mod.rs`). std's own handles also take `EBADF` for the end of a file,
//! or for a successful write. Either way a program would store an empty file, or lose its download, and report success.
//!
//! /dev/null itself is no evidence: other programs pass one on purpose, open for reading and writing like the runtime's
//! (Python's `subprocess.DEVNULL`, `daemon(3)`). So this module inspects the descriptors before the runtime starts, and
//! uses them without std's handles.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::stdio::{stdin, stdout};

const USABLE: u8 = 0;
const CLOSED: u8 = 1;
const OTHER_DIRECTION: u8 = 2;

static STDIN: AtomicU8 = AtomicU8::new(USABLE);
static STDOUT: AtomicU8 = AtomicU8::new(USABLE);

ctor::declarative::ctor! {
    // Sound before `main`: two system calls and two stores, without std's runtime.
    #[ctor(unsafe)]
    fn look() {
        STDIN.store(state(fcntl_getfl(stdin()), OFlags::WRONLY), Ordering::Relaxed);
        STDOUT.store(state(fcntl_getfl(stdout()), OFlags::RDONLY), Ordering::Relaxed);
    }
}

fn state(flags: rustix::io::Result<OFlags>, useless: OFlags) -> u8 {
    match flags {
        Err(_) => CLOSED,
        Ok(flags) if flags & OFlags::RWMODE == useless => OTHER_DIRECTION,
        Ok(flags) if flags.contains(OFlags::PATH) => OTHER_DIRECTION,
        Ok(_) => USABLE,
    }
}

/// Why nothing can be read from stdin, if that is so.
pub(crate) fn stdin_fault() -> Option<&'static str> {
    match STDIN.load(Ordering::Relaxed) {
        USABLE => None,
        CLOSED => Some("stdin is closed"),
        _ => Some("stdin is not open for reading"),
    }
}

/// Why nothing can be written to stdout, if that is so.
pub(crate) fn stdout_fault() -> Option<&'static str> {
    match STDOUT.load(Ordering::Relaxed) {
        USABLE => None,
        CLOSED => Some("stdout is closed"),
        _ => Some("stdout is not open for writing"),
    }
}

/// Descriptor 0.
pub(crate) struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(stdin(), buffer)?)
    }
}

/// Descriptor 1.
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdout(), data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The queue of a server's log. A thread writes the lines, so that no session waits for the reader of the log.
//!
//! `tracing-appender` does nearly the same. But it panics if its thread cannot be started, prints to stdout if a queue
//! is full at the end of the program, and bounds its queue by lines, which a peer can make long.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// The most bytes of waiting lines. As many more may be in the process of being written.
const MOST_WAITING: usize = 1 << 20;
/// A larger buffer is not reused, in bytes.
const KEPT: usize = 64 << 10;
/// The stack size of the writing thread, in bytes.
const STACK_SIZE: usize = 128 << 10;
/// The pause before a retry if the log accepts nothing at the moment and cannot be polled.
const PAUSE: Duration = Duration::from_millis(10);

/// Lines that wait to be written. Clones share the queue; each write is one line.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There are lines to write.
    more: Condvar,
    /// All lines are written.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// The number of lines that found the queue full.
    dropped: u64,
    writing: bool,
}

impl Queue {
    /// Starts a thread that writes to `log`, for as long as the process lives.
    pub(super) fn start(log: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            state: Mutex::default(),
            more: Condvar::new(),
            idle: Condvar::new(),
        }));
        let shared = queue.clone();
        thread::Builder::new()
            .name("haul-log".into())
            .stack_size(STACK_SIZE)
            .spawn(move || shared.write_out(Log::new(log)))?;
        Ok(queue)
    }

    /// Waits until all lines are written, but no longer than `patience`. Returns whether they are.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let unwritten = |state: &mut State| state.writing || !state.waiting.is_empty();
        let waited = self.0.idle.wait_timeout_while(self.lock(), patience, unwritten);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn write_out(&self, mut log: Log<impl Write>) {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            log.write(&lines, dropped);
            lines.clear();
            lines.shrink_to(KEPT);
        }
    }

    /// Waits for lines and moves them into `lines`, which is empty. Returns how many were dropped after them.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.writing = false;
        while state.waiting.is_empty() {
            self.0.idle.notify_all();
            state = self.0.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
        std::mem::swap(lines, &mut state.waiting);
        std::mem::take(&mut state.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so the content is consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        let waiting = state.waiting.len();
        if waiting > 0 && waiting + line.len() > MOST_WAITING {
            state.dropped += 1;
        } else {
            state.waiting.extend_from_slice(line);
            if !state.writing {
                self.0.more.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log itself. It may be on a full disk, or a pipe that nobody reads.
struct Log<W> {
    writer: W,
    /// The number of lines that could not be written, and the last error.
    lost: Option<(u64, io::Error)>,
    /// The last line was written in part.
    torn: bool,
}

impl<W: Write> Log<W> {
    fn new(writer: W) -> Self {
        Self { writer, lost: None, torn: false }
    }

    /// Writes `lines`, and a note if some were dropped after them. Lines that cannot be written are lost; a note before
    /// the next lines says so.
    fn write(&mut self, lines: &[u8], dropped: u64) {
        let earlier = match self.tell_of_lost() {
            Ok(()) => Ok(()),
            Err((count, error)) => Err((count + lines_in(lines), error)),
        };
        let outcome = earlier.and_then(|()| {
            self.write_all(lines).map_err(|(written, error)| (lines_in(&lines[written..]), error))
        });
        self.lost = match outcome {
            Ok(()) if dropped == 0 => None,
            Ok(()) => {
                let note = missing(dropped, format_args!("nobody read them"));
                self.write_all(note.as_bytes()).err().map(|(_, error)| (dropped, error))
            }
            Err((count, error)) => Some((count + dropped, error)),
        };
    }

    fn tell_of_lost(&mut self) -> Result<(), (u64, io::Error)> {
        let Some((count, error)) = self.lost.take() else {
            return Ok(());
        };
        let line_end = if self.torn { "\n" } else { "" };
        let note = missing(count, format_args!("they could not be written: {error}"));
        self.write_all(format!("{line_end}{note}").as_bytes()).map_err(|(_, error)| (count, error))
    }

    /// An error includes the number of bytes that were written before it.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.writer.write(&bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    self.torn = bytes[written - 1] != b'\n';
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another program with the same pipe or terminal made it non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

fn lines_in(text: &[u8]) -> u64 {
    text.split(|byte| *byte == b'\n').count() as u64 - 1
}

/// A line of the log about missing lines.
fn missing(lines: u64, why: fmt::Arguments<'_>) -> String {
    let mut note = String::new();
    // Neither the time nor a string fails.
    let _ = SystemTime.format_time(&mut Writer::new(&mut note));
    let what = if lines == 1 { "log line was" } else { "log lines were" };
    let _ = writeln!(note, "  WARN {}: {lines} {what} dropped because {why}", module_path!());
    note
}

#[cfg(test)]
mod tests;

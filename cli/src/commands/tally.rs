//! The outcome of a command about several things.

use std::fmt::Write as _;
use std::time::Instant;

use indicatif::BinaryBytes;

use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Transport;

/// Higher codes are those of programs that a signal ended.
const BY_SIGNAL: u8 = 128;

/// Counts outcomes and remembers the first failure.
#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    done: usize,
    bytes: u64,
    /// The number of files that were already there, and the same.
    same: usize,
    failed: usize,
    left_out: usize,
    /// The number of things that are done, but could not be printed.
    unprinted: usize,
    /// Nothing failed until something could not be printed.
    ended_by_output: bool,
    first_failure: Option<Exit>,
    interrupted: Option<Exit>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            done: 0,
            bytes: 0,
            same: 0,
            failed: 0,
            left_out: 0,
            unprinted: 0,
            ended_by_output: false,
            first_failure: None,
            interrupted: None,
        }
    }
}

impl Tally {
    /// Counts one outcome, and prints it if it is a failure. A success has the number of bytes that it transferred.
    pub(crate) fn count<T: Transport>(
        &mut self,
        app: &mut App<'_, T>,
        outcome: &Result<u64, Error>,
    ) {
        match outcome {
            Ok(bytes) => {
                self.done += 1;
                self.bytes += bytes;
            }
            Err(error) => self.fail(app, 1, error),
        }
    }

    /// Counts `things` that fail for one reason, and prints it.
    pub(crate) fn fail<T: Transport>(
        &mut self,
        app: &mut App<'_, T>,
        things: usize,
        error: &Error,
    ) {
        let exit = app.report(error);
        self.failed += things;
        self.note(exit);
    }

    /// Counts a failure that was already reported.
    pub(crate) fn reported(&mut self, exit: Exit) {
        self.failed += 1;
        self.note(exit);
    }

    fn note(&mut self, exit: Exit) {
        self.first_failure.get_or_insert(exit);
        if exit.code() > BY_SIGNAL {
            self.interrupted = Some(exit);
        }
    }

    /// Counts a success, already counted as such, that cannot be printed. The reason is printed once.
    pub(crate) fn unprinted<T: Transport>(&mut self, app: &mut App<'_, T>, error: &Error) {
        if self.unprinted == 0 {
            self.ended_by_output = self.first_failure.is_none();
            self.fail(app, 0, error);
        }
        self.unprinted += 1;
    }

    /// Counts and prints something that was left out, also with `--quiet`. The code is then not 0.
    pub(crate) fn leave_out<T: Transport>(
        &mut self,
        app: &mut App<'_, T>,
        things: u64,
        what: &str,
    ) {
        self.left_out += usize::try_from(things).unwrap_or(usize::MAX);
        app.report(&Error::safe(Exit::Partial, what.to_owned()));
    }

    /// Counts a file that was already there, and the same.
    pub(crate) fn skip(&mut self) {
        self.same += 1;
    }

    /// The number of things that have ended, in whatever way.
    pub(crate) fn ended(&self) -> usize {
        self.done + self.same + self.failed
    }

    /// The number of successes.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// Prints a summary if there were several things.
    pub(crate) fn tell<T: Transport>(&self, app: &mut App<'_, T>) {
        let Self { done, bytes, same, failed, left_out, unprinted, .. } = *self;
        if done + same + failed + left_out < 2 {
            return;
        }
        let files = if done == 1 { "file" } else { "files" };
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut line = format!("{done} {files}, {} in {seconds:.1} s", BinaryBytes(bytes));
        for (count, what) in [
            (same, "there already"),
            (failed, "failed"),
            (left_out, "left out"),
            (unprinted, "without a receipt printed"),
        ] {
            if count > 0 {
                // Writing to a string cannot fail.
                let _ = write!(line, "; {count} {what}");
            }
        }
        app.note(line);
    }

    /// The exit code of the command.
    pub(crate) fn exit(&self) -> Exit {
        match self.interrupted.or(self.first_failure) {
            None if self.left_out > 0 => Exit::Partial,
            None => Exit::Done,
            Some(exit) if self.interrupted.is_some() || self.ended_by_output => exit,
            Some(_) if self.done + self.same + self.left_out > 0 => Exit::Partial,
            Some(exit) => exit,
        }
    }
}

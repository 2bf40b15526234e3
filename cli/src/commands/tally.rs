//! The outcome of several things that were asked for at once.

use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::runtime::Runtime;

/// Counts what is done and remembers the first failure.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: usize,
    first_failure: Option<Exit>,
    interrupted: bool,
}

impl Tally {
    /// Takes in one outcome and tells of it if it is a failure.
    pub(crate) fn count<R: Runtime>(&mut self, app: &mut App<'_, R>, outcome: &Result<(), Error>) {
        match outcome {
            Ok(()) => self.done += 1,
            Err(error) => {
                let exit = app.report(error);
                self.first_failure.get_or_insert(exit);
                self.interrupted |= exit == Exit::Interrupted;
            }
        }
    }

    /// How many are done.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// The code for the whole.
    pub(crate) fn exit(&self) -> Exit {
        match self.first_failure {
            None => Exit::Done,
            Some(_) if self.interrupted => Exit::Interrupted,
            Some(_) if self.done > 0 => Exit::Partial,
            Some(exit) => exit,
        }
    }
}

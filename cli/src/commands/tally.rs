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

    /// Does all of `things`, one after another; goes on after a failure unless it leaves no hope for the rest.
    pub(crate) fn each<R: Runtime, T>(
        &mut self,
        app: &mut App<'_, R>,
        things: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut act: impl FnMut(&mut App<'_, R>, T) -> Result<(), Error>,
    ) {
        let mut things = things.into_iter();
        while let Some(thing) = things.next() {
            let outcome = act(app, thing);
            self.count(app, &outcome);
            if outcome.is_err_and(|error| error.is_hopeless()) {
                if things.len() > 0 {
                    app.note(format_args!("{} more not tried", things.len()));
                }
                return;
            }
        }
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

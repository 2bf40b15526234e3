//! Retries after a lost connection.

use std::cmp;
use std::time::Duration;

use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// The pause before the first retry. Each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts the retries since the last success.
#[derive(Debug)]
pub(crate) struct Retries {
    most: u32,
    made: u32,
}

impl Retries {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, made: 0 }
    }

    /// Resets the count after a success.
    pub(crate) fn reset(&mut self) {
        self.made = 0;
    }

    /// Prints that the program retries after `error`, and pauses. Returns `false` if there are no retries left.
    pub(crate) fn wait<T: Transport>(&mut self, app: &mut App<'_, T>, error: &Error) -> bool {
        let Some(least) = error.retry_after().filter(|_| self.made < self.most) else {
            return false;
        };
        let pause = cmp::min(FIRST * 2_u32.saturating_pow(self.made), LONGEST).max(least);
        self.made += 1;
        let Self { most, made } = self;
        let seconds = pause.as_secs();
        app.note(format_args!(
            "{}; connecting again in {seconds} s ({made} of {most})",
            error.what()
        ));
        app.transport.pause(pause);
        true
    }
}

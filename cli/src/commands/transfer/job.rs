//! The files to transfer, and how their results are printed.

use std::path::PathBuf;

use haul_core::client::{Failure, Request};
use haul_core::message::Summary;
use haul_core::{ErrorCode, FilePath};
use haul_store::ClientFiles;

use super::dots::Dotted;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Direction, Transfer};
use crate::transport::Transport;

/// A description of a file to transfer. It costs little until its turn comes, and can be begun again over another
/// connection.
pub(crate) trait Job: Send {
    /// Opens the local side, before the request goes to the server.
    fn begin(&mut self) -> Result<Begun, Error>;

    /// Whether opening it may wait for another program. Such a job begins at most once, and no connection waits
    /// meanwhile.
    fn is_stream(&self) -> bool {
        false
    }

    /// Whether opening it may have waited, so that opening it again would lose the other program.
    fn waits(&self) -> bool {
        self.is_stream()
    }

    /// For a file that is uploaded with a directory: the topmost name in its path on the server that begins with a dot.
    fn dotted(&self) -> Option<Dotted> {
        None
    }
}

/// The result of beginning a [`Job`].
pub(crate) enum Begun {
    Move(Item),
    /// The same file already exists. It has this many bytes.
    Same(u64),
}

/// A file whose transfer is about to start.
pub(crate) struct Item {
    pub(crate) request: Request,
    pub(crate) files: ClientFiles,
    pub(crate) what: What,
}

/// A step of a transfer of many files.
pub(crate) enum Step {
    Move(Box<dyn Job>),
    /// Something other than a file failed.
    Fail(Error),
    /// Something is left out, and why.
    LeaveOut(String),
}

/// What the line for a file says.
#[derive(Debug, Clone)]
pub(crate) struct What {
    pub(crate) direction: Direction,
    /// Its name on the server.
    pub(crate) path: FilePath,
    /// Its local name; `None` for a stream.
    pub(crate) local: Option<PathBuf>,
    /// Whether it replaces an existing file.
    pub(crate) replaces: bool,
}

/// How much there is to transfer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) files: usize,
    pub(crate) bytes: Option<u64>,
}

impl What {
    /// Prints the result of the file. Returns its size in bytes, and whether the result could be printed.
    pub(super) fn tell<T: Transport>(
        &self,
        app: &mut App<'_, T>,
        moved: Result<Summary, Error>,
    ) -> Result<(u64, Result<(), Error>), Error> {
        // The reader of the data is gone, so nobody reads the result either.
        if self.goes_to_stdout() && app.console.stdout.is_closed() {
            return Err(Error::output(&std::io::ErrorKind::BrokenPipe.into()));
        }
        let Self { direction, path, local, .. } = self;
        let transfer = Transfer::new(*direction, path, local.as_deref(), &moved?);
        let printed =
            if self.goes_to_stdout() { Ok(()) } else { app.result(&transfer, &transfer.record()) };
        let printed = printed.map_err(|error| {
            error.at(match direction {
                Direction::Down => "it is here and verified",
                Direction::Up => "it is stored",
            })
        });
        Ok((transfer.size, printed.map_err(|error| error.at(path.as_str()))))
    }

    fn goes_to_stdout(&self) -> bool {
        self.local.is_none() && self.direction == Direction::Down
    }

    /// Why the file was not transferred.
    pub(super) fn failed(&self, failure: &Failure) -> Error {
        let error = Error::request(self.path.as_str(), failure);
        match failure {
            Failure::Refused(refusal) if refusal.code() == Some(ErrorCode::IsDirectory) => error
                .advise(match self.direction {
                    Direction::Down => "-r downloads its content",
                    Direction::Up => "end --as with / to name the directory for the file",
                }),
            // Another spelling of the name is taken on the server.
            Failure::Refused(refusal)
                if refusal.code() == Some(ErrorCode::Exists) && self.replaces =>
            {
                error.advise("choose another name")
            }
            _ => error,
        }
    }

    /// Whether this program may have stored the existing file, before it lost the receipt.
    pub(super) fn may_be_stored(&self, failure: &Failure) -> bool {
        self.direction == Direction::Up && is_refused(failure, ErrorCode::Exists)
    }

    /// The error for a file that this program may have stored.
    pub(super) fn outcome_unknown(&self) -> Error {
        let message = "exists, perhaps from before the connection was lost";
        Error::new(Exit::OutcomeUnknown, message)
            .at(self.path.as_str())
            .advise("compare its size and time: ls -l shows them")
    }
}

pub(super) fn is_refused(failure: &Failure, code: ErrorCode) -> bool {
    matches!(failure, Failure::Refused(refusal) if refusal.code() == Some(code))
}

//! What is moved, and how the result is told.

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

/// A file to move, described: it costs little until its turn comes, and can be begun again over another connection.
pub(crate) trait Job: Send {
    /// Opens what there is to open here, before the server is asked for it.
    fn begin(&mut self) -> Result<Begun, Error>;

    /// Whether to open it may mean to wait for another program. It is begun once at most, while no connection waits with it.
    fn is_stream(&self) -> bool {
        false
    }

    /// Whether to open it has meant to wait, perhaps, and means to lose it if it is opened again.
    fn waits(&self) -> bool {
        self.is_stream()
    }

    /// Of a file that is sent with a directory: the topmost name in its path there that begins with a dot.
    fn dotted(&self) -> Option<Dotted> {
        None
    }
}

/// What comes of beginning a [`Job`].
pub(crate) enum Begun {
    Move(Item),
    /// The same file is there already. It has this many bytes.
    Same(u64),
}

/// A file about to be moved.
pub(crate) struct Item {
    pub(crate) request: Request,
    pub(crate) files: ClientFiles,
    pub(crate) what: What,
}

/// What comes next of all that there is to move.
pub(crate) enum Step {
    Move(Box<dyn Job>),
    /// Something beside the files is wrong.
    Fail(Error),
    /// Something is left out, and why.
    LeaveOut(String),
}

/// How the result for a file is printed.
#[derive(Debug, Clone)]
pub(crate) struct What {
    pub(crate) direction: Direction,
    /// Its name on the server.
    pub(crate) path: FilePath,
    /// Its name here; `None` for a stream.
    pub(crate) local: Option<PathBuf>,
    /// Whether it takes the place of what has its name.
    pub(crate) replaces: bool,
}

/// How much there is to move.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) files: usize,
    pub(crate) bytes: Option<u64>,
}

impl What {
    /// Tells what became of the file, and gives its bytes, and whether that could be printed.
    pub(super) fn tell<T: Transport>(
        &self,
        app: &mut App<'_, T>,
        moved: Result<Summary, Error>,
    ) -> Result<(u64, Result<(), Error>), Error> {
        // The data went to a reader that is gone, and so would every word about it.
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

    /// Why the file was not moved.
    pub(super) fn failed(&self, failure: &Failure) -> Error {
        let error = Error::request(self.path.as_str(), failure);
        match failure {
            Failure::Refused(refusal) if refusal.code() == Some(ErrorCode::IsDirectory) => error
                .advise(match self.direction {
                    Direction::Down => "-r brings all that is in it",
                    Direction::Up => "with a / at its end --as names the directory for the file",
                }),
            // It is taken by another name, which is one with this one there.
            Failure::Refused(refusal)
                if refusal.code() == Some(ErrorCode::Exists) && self.replaces =>
            {
                error.advise("choose another name")
            }
            _ => error,
        }
    }

    /// Whether it may have been this program that stored the file which is there, before it lost the receipt.
    pub(super) fn may_be_stored(&self, failure: &Failure) -> bool {
        self.direction == Direction::Up && is_refused(failure, ErrorCode::Exists)
    }

    /// The error of that.
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

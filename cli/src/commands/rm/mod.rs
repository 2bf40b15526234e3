//! `rm`: deletes files and directories on the server.

mod tree;

use std::vec;

use clap::Args;
use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{ErrorCode, FilePath};
use haul_transport::call;

use super::requests::{self, Answer, Asked, Requests};
use super::tally::Tally;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names;
use crate::output::Change;
use crate::transport::Transport;

/// Delete files and empty directories on the server
///
/// A line is printed for each when the server has confirmed its permanent deletion. A failure is reported, and does not
/// stop the others. A symbolic link itself is deleted, never its target.
///
/// With -r, directories are deleted with their content. The program lists a whole directory first, and then deletes it
/// from the bottom up. Names that a listing cannot show, such as those that begin with a dot, cannot be deleted: they
/// are named on stderr, also with --quiet, their directory stays, and the exit code is 8.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct RmArgs {
    /// The files and directories, as names or as whole addresses, `haul://HOST/NAME`
    #[arg(value_name = "PATH", required = true)]
    pub(crate) names: Vec<String>,
    /// Delete directories with their content
    #[arg(long, short)]
    recursive: bool,
    /// Accept names that do not exist
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &RmArgs) -> Result<Exit, Error> {
    let names = app.names_on_server(&args.names)?;
    Ok(delete(app, &RmArgs { names, ..args.clone() }))
}

/// Deletes the named files and directories on the chosen server.
pub(crate) fn delete<T: Transport>(app: &mut App<'_, T>, args: &RmArgs) -> Exit {
    let mut tally = Tally::default();
    let mut named = Named {
        paths: names::entries(app.base(), &args.names).into_iter(),
        recursive: args.recursive,
        force: args.force,
        trees: Vec::new(),
    };
    requests::all(app, &mut tally, &mut named);
    tree::delete_all(app, &mut tally, named.trees);
    tally.exit()
}

/// The named files and directories. Each is deleted as if it were a file: only the server's `not-empty` shows that a
/// name is a directory rather than a link to one.
struct Named {
    paths: vec::IntoIter<Result<FilePath, Error>>,
    recursive: bool,
    force: bool,
    /// Directories that are not empty.
    trees: Vec<FilePath>,
}

impl<T: Transport> Requests<T> for Named {
    fn next(&mut self) -> Option<Result<Asked, Error>> {
        let path = self.paths.next()?;
        Some(path.map(|path| Asked::new(&path, call::delete(&path, None))))
    }

    fn answered(
        &mut self,
        app: &mut App<'_, T>,
        asked: &Asked,
        reply: &Result<Summary, Failure>,
    ) -> Result<Answer, Error> {
        let deleted = |app: &mut App<'_, T>| app.tell(&Change::deleted(&asked.path));
        let Err(failure) = reply else { return Ok(Answer::Done(deleted(app))) };
        match requests::code(failure) {
            // It may have existed before the connection was lost.
            Some(ErrorCode::NotFound) if asked.again => Ok(Answer::Done(deleted(app))),
            Some(ErrorCode::NotFound) if self.force => Ok(Answer::Done(Ok(()))),
            Some(ErrorCode::NotEmpty) if self.recursive => {
                self.trees.push(asked.path.clone());
                Ok(Answer::Later)
            }
            Some(ErrorCode::NotEmpty) => {
                Err(asked.failed(failure).advise("-r deletes what is in it too"))
            }
            _ => Err(asked.failed(failure)),
        }
    }
}

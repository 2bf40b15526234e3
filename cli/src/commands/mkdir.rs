//! `mkdir`: creates directories on the server.

use std::vec;

use clap::Args;
use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{ErrorCode, FilePath};
use haul_transport::call;

use super::kind::{Kind, kind};
use super::requests::{self, Answer, Asked, Requests};
use super::tally::Tally;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names;
use crate::output::Change;
use crate::transport::Transport;

/// Create directories on the server
///
/// Missing parent directories are created too. `put` does not need this: it creates the directories of the files that
/// it uploads.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct MkdirArgs {
    /// The directories, or their whole addresses, `haul://HOST/NAME`
    #[arg(value_name = "PATH", required = true)]
    pub(crate) names: Vec<String>,
    /// Accept directories that already exist
    #[arg(long, short)]
    parents: bool,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &MkdirArgs) -> Result<Exit, Error> {
    let names = app.names_on_server(&args.names)?;
    Ok(make(app, &MkdirArgs { names, ..args.clone() }))
}

/// Creates the named directories on the chosen server.
pub(crate) fn make<T: Transport>(app: &mut App<'_, T>, args: &MkdirArgs) -> Exit {
    let mut tally = Tally::default();
    let paths = names::entries(app.base(), &args.names);
    let mut making = Making { paths: paths.into_iter(), parents: args.parents, taken: Vec::new() };
    requests::all(app, &mut tally, &mut making);
    for (path, error) in making.taken {
        match kind(app, Some(&path)) {
            Ok(Kind::Directory) => tally.count(app, &Ok(0)),
            Ok(Kind::File | Kind::Missing) => tally.fail(app, 1, &error),
            Err(error) => tally.fail(app, 1, &error),
        }
    }
    tally.exit()
}

struct Making {
    paths: vec::IntoIter<Result<FilePath, Error>>,
    parents: bool,
    /// Names that already exist, with the error to report for each unless it is a directory.
    taken: Vec<(FilePath, Error)>,
}

impl<T: Transport> Requests<T> for Making {
    fn next(&mut self) -> Option<Result<Asked, Error>> {
        let path = self.paths.next()?;
        Some(path.map(|path| Asked::new(&path, call::make_directory(&path))))
    }

    fn answered(
        &mut self,
        app: &mut App<'_, T>,
        asked: &Asked,
        reply: &Result<Summary, Failure>,
    ) -> Result<Answer, Error> {
        let path = &asked.path;
        match reply {
            Ok(_) => Ok(Answer::Done(app.tell(&Change::made(path)))),
            Err(failure) => match requests::code(failure) {
                Some(ErrorCode::Exists) if self.parents => {
                    let error = asked.failed(failure).advise("it is no directory");
                    self.taken.push((path.clone(), error));
                    Ok(Answer::Later)
                }
                Some(ErrorCode::Exists) => {
                    Err(asked.failed(failure).advise("-p takes a directory that is there for made"))
                }
                _ => Err(asked.failed(failure)),
            },
        }
    }
}

//! The arguments of `mv` and `cp`: names on the server, and their destination.

use std::collections::HashSet;
use std::vec;

use clap::Args;
use haul_core::client::{Failure, Request};
use haul_core::message::Summary;
use haul_core::{ErrorCode, FilePath, Mode};

use super::kind::{Kind, kind};
use super::put;
use super::requests::{self, Answer, Asked, Requests};
use super::tally::Tally;
use crate::app::App;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::names;
use crate::output::Change;
use crate::transport::Transport;

/// The sources and the destination.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct FromTo {
    /// The files on the server, as names or as whole addresses, `haul://HOST/NAME`
    #[arg(required = true)]
    pub(crate) from: Vec<String>,
    /// The new name, or the directory to put them into
    ///
    /// It is taken as a directory if one exists or if it ends with /. Missing directories are created.
    pub(crate) to: String,
    /// Refuse to replace an existing file
    #[arg(long, short = 'n', visible_alias = "no-clobber")]
    create: bool,
}

/// A name, and its new name.
struct Pair {
    from: FilePath,
    to: FilePath,
}

impl FromTo {
    /// The same arguments with each name rewritten.
    pub(super) fn with_names(
        &self,
        write: impl Fn(&str) -> Result<String, Error>,
    ) -> Result<Self, Error> {
        let from = self.from.iter().map(|name| write(name)).collect::<Result<_, _>>()?;
        Ok(Self { from, to: write(&self.to)?, ..self.clone() })
    }

    /// The same arguments with names instead of addresses, which choose the server.
    pub(super) fn on_server<T: Transport>(&self, app: &mut App<'_, T>) -> Result<Self, Error> {
        let words: Vec<String> = self.from.iter().chain([&self.to]).cloned().collect();
        let mut from = app.names_on_server(&words)?;
        let to = from.pop().unwrap_or_default();
        Ok(Self { from, to, ..self.clone() })
    }

    /// Plans the new name of each. Asks the server whether the last name is a directory, unless it ends with `/`.
    fn pairs<T: Transport>(&self, app: &mut App<'_, T>) -> Result<Vec<Result<Pair, Error>>, Error> {
        let Self { from: names, to, .. } = self;
        let target = match target(app, to)? {
            Target::File(_) if names.len() > 1 => {
                let message = format!("{}: several names need a directory", error::cut(to));
                return Err(Error::usage(message)
                    .advise("with a / at its end it is one, and is created if it is missing"));
            }
            target => target,
        };
        let base = app.base();
        let mut taken = HashSet::new();
        let mut pair = |name: &String| {
            let from = names::entry(base, name)?;
            let to = match &target {
                Target::File(path) => path.clone(),
                Target::Directory(directory) => names::join(directory.as_ref(), &own_name(&from))?,
            };
            check(&from, &to)?;
            if !taken.insert(to.clone()) {
                let message =
                    format!("{name}: another of these names becomes {}, too", to.as_str());
                return Err(Error::usage(message).advise("name them one by one, each with its TO"));
            }
            Ok(Pair { from, to })
        };
        Ok(names.iter().map(&mut pair).collect())
    }
}

/// What the last name means.
enum Target {
    /// The new name.
    File(FilePath),
    /// The directory for all of them; `None` is the shared directory.
    Directory(Option<FilePath>),
}

fn target<T: Transport>(app: &mut App<'_, T>, to: &str) -> Result<Target, Error> {
    if names::is_directory(to) {
        return names::place(app.base(), Some(to)).map(Target::Directory);
    }
    let path = names::file(app.base(), to)?;
    let kind = kind(app, Some(&path)).map_err(|error| {
        if error.exit() == Exit::Refused {
            error.advise("with a / at its end it names a directory")
        } else {
            error
        }
    })?;
    Ok(match kind {
        Kind::Directory => Target::Directory(Some(path)),
        Kind::File | Kind::Missing => Target::File(path),
    })
}

fn own_name(path: &FilePath) -> FilePath {
    FilePath::parse(path.file_name()).unwrap_or_else(|_| path.clone())
}

/// Fails if it cannot succeed, whatever is on the server.
fn check(from: &FilePath, to: &FilePath) -> Result<(), Error> {
    if from == to {
        let message = format!("{}: it has this name already", from.as_str());
        return Err(Error::usage(message).advise("choose another one"));
    }
    if names::relative(Some(from), to).is_some() {
        let message = format!("{}: it cannot go into itself, as {}", from.as_str(), to.as_str());
        return Err(Error::usage(message).advise("choose another place"));
    }
    Ok(())
}

/// Renames the named files and directories, or copies them; `ask` makes the request.
pub(super) fn all<T: Transport>(
    app: &mut App<'_, T>,
    args: &FromTo,
    ask: fn(&FilePath, &FilePath, Mode) -> Asked,
) -> Result<Exit, Error> {
    let mut tally = Tally::default();
    let pairs = args.pairs(app)?.into_iter();
    let mut going = Going { pairs, mode: put::mode(args.create), ask };
    requests::all(app, &mut tally, &mut going);
    Ok(tally.exit())
}

struct Going {
    pairs: vec::IntoIter<Result<Pair, Error>>,
    mode: Mode,
    ask: fn(&FilePath, &FilePath, Mode) -> Asked,
}

impl<T: Transport> Requests<T> for Going {
    fn next(&mut self) -> Option<Result<Asked, Error>> {
        let pair = self.pairs.next()?;
        Some(pair.map(|Pair { from, to }| (self.ask)(&from, &to, self.mode)))
    }

    fn answered(
        &mut self,
        app: &mut App<'_, T>,
        asked: &Asked,
        reply: &Result<Summary, Failure>,
    ) -> Result<Answer, Error> {
        let summary = reply.as_ref().map_err(|failure| failed(asked, failure))?;
        let change = match &asked.request {
            Request::Copy { from, to, .. } => Change::copied(from, to, summary),
            Request::Move { from, to, .. } => Change::moved(from, to),
            _ => return Ok(Answer::Done(Ok(()))),
        };
        Ok(Answer::Done(app.tell(&change)))
    }
}

/// Why the request failed.
fn failed(asked: &Asked, failure: &Failure) -> Error {
    let error = asked.failed(failure);
    let (Request::Copy { from, to, mode, .. } | Request::Move { from, to, mode, .. }) =
        &asked.request
    else {
        return error;
    };
    if error.exit() == Exit::OutcomeUnknown {
        return error;
    }
    let Some(code) = requests::code(failure) else { return error };
    let about = |subject: &str| Error::request(subject, failure);
    match code {
        ErrorCode::NotFound if to.is_hidden() && !from.is_hidden() => about(to.as_str()),
        // Unless replacing was off, the name exists under another spelling.
        ErrorCode::Exists if *mode == Mode::Replace => {
            about(to.as_str()).advise("choose another name")
        }
        ErrorCode::Exists => about(to.as_str()),
        ErrorCode::IsDirectory if matches!(asked.request, Request::Copy { .. }) => {
            error.advise("cp copies files only; get -r and put -r copy a directory by way of here")
        }
        ErrorCode::IsDirectory => about(to.as_str())
            .advise("a directory is not replaced; end its name with / to put files into it"),
        ErrorCode::NotFound | ErrorCode::TooLarge | ErrorCode::Changed => error,
        ErrorCode::NotAFile => {
            let both = format!("{} -> {}", from.as_str(), to.as_str());
            about(&both)
                .advise("a directory does not replace a file, and a file contains no others")
        }
        ErrorCode::BadArgument => error.advise("a directory cannot go into itself"),
        _ => {
            let both = format!("{} -> {}", from.as_str(), to.as_str());
            about(&both)
        }
    }
}

//! `put`: sends files to the server.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use haul_core::{FilePath, Mode, StoreErrorKind};
use haul_store::{LocalSource, Source, StreamSource};
use haul_transport::call;

use super::tally::Tally;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names::{self, DASH, Origin};
use crate::output::{Direction, Transfer};
use crate::runtime::Runtime;

/// Send files to the server
///
/// What is printed for a file is the server's receipt: it has all bytes, they are the right ones, and the file is stored under its name. Until then the name shows the old file,
/// if there was one.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The files here, or - for stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The name on the server; with a / at its end, the directory there for the files [default: each file's own name]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Refuse to replace a file that is on the server already
    #[arg(long)]
    create: bool,
}

/// What to send, and under which name.
pub(crate) struct Upload {
    pub(crate) origin: Origin,
    pub(crate) path: FilePath,
    pub(crate) mode: Mode,
}

pub(crate) fn run<R: Runtime>(app: &mut App<'_, R>, args: &PutArgs) -> Result<Exit, Error> {
    let name = args.name.as_deref();
    let one_name = name.is_some_and(|name| !name.ends_with('/'));
    if one_name && args.files.len() > 1 {
        let message = "--as gives one name to several files";
        return Err(Error::usage(message).advise("with a / at its end it is a directory for them"));
    }
    if !one_name && args.files.iter().any(|file| file == DASH) {
        let message = "what is read from stdin has no name";
        return Err(Error::usage(message).advise("give it one with --as NAME"));
    }
    let mut tally = Tally::default();
    let mut taken = HashSet::new();
    let mut uploads = Vec::new();
    for file in &args.files {
        let named = match origin(file) {
            Origin::Stdin => names::file(app.base(), name.unwrap_or_default()),
            Origin::File(file) => names::uploaded(app.base(), &file, name),
        };
        match named {
            Ok(path) if !taken.insert(path.clone()) => {
                let message =
                    format!("{}: another of these files has the same name", file.display());
                return Err(Error::usage(message)
                    .advise("send them one by one, each with its own --as NAME"));
            }
            Ok(path) => {
                uploads.push(Upload { origin: origin(file), path, mode: mode(args.create) });
            }
            Err(error) => tally.count(app, &Err(error)),
        }
    }
    tally.each(app, uploads, |app, upload| send(app, &upload));
    Ok(tally.exit())
}

fn origin(file: &Path) -> Origin {
    if file == DASH { Origin::Stdin } else { Origin::File(file.to_path_buf()) }
}

/// How to publish there.
pub(crate) fn mode(create: bool) -> Mode {
    if create { Mode::Create } else { Mode::Replace }
}

/// Sends one file and tells of it.
pub(crate) fn send<R: Runtime>(app: &mut App<'_, R>, upload: &Upload) -> Result<(), Error> {
    let Upload { origin, path, mode } = upload;
    let source = source(app, origin)?;
    let on_progress = app.progress(path)?;
    let summary = app.request(path.as_str(), call::upload(path, *mode, source, on_progress))?;
    let local = match origin {
        Origin::Stdin => None,
        Origin::File(file) => Some(file.as_path()),
    };
    let transfer = Transfer::new(Direction::Up, path, local, &summary);
    app.result(&transfer, &transfer.record())
}

/// Opens what is to be sent, before the server is asked anything.
fn source<R: Runtime>(app: &mut App<'_, R>, origin: &Origin) -> Result<Box<dyn Source>, Error> {
    match origin {
        Origin::Stdin => {
            let stdin = app.console.stdin.take();
            let stdin = stdin.ok_or_else(|| Error::usage("stdin is read already"))?;
            Ok(Box::new(StreamSource::new(stdin, "stdin")))
        }
        Origin::File(file) => {
            let source = LocalSource::open(file).map_err(|error| match error.kind {
                StoreErrorKind::IsDirectory => names::whole_directory(file),
                _ => Error::local(&error),
            })?;
            Ok(Box::new(source))
        }
    }
}

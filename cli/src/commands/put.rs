//! `put`: sends files to the server.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;
use haul_core::client::Request;
use haul_core::{FilePath, Mode, StoreErrorKind};
use haul_store::{Found, LocalDirectory, LocalSource, OwnFiles, StreamSource};

use super::tally::Tally;
use super::transfer::{self, Extent, Item, Step, What};
use crate::app::App;
use crate::args::Many;
use crate::error::Error;
use crate::exit::Exit;
use crate::names::{self, DASH, Origin};
use crate::operands::ToServer;
use crate::output::Direction;
use crate::runtime::Runtime;

/// Send files to the server
///
/// What is printed for a file is the server's receipt: it has all bytes, they are the right ones, and the file is stored under its name. Until then the name shows the old file,
/// if there was one.
///
/// With -r the files in directories are sent too, under the same names: `put -r photos` makes photos/sea.jpg there. Symbolic links and what else is no regular file are
/// left out, and so are empty directories.
#[derive(Debug, Clone, Args)]
pub(crate) struct PutArgs {
    /// The files here, or - for stdin; behind them, if you like, the whole address of where they go, `haul://HOST/NAME`
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The name on the server; with a / at its end, the directory there for the files [default: each file's own name]
    ///
    /// For a directory it is the name of the one there that gets its content; . is all that is shared.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Refuse to replace a file that is on the server already
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    many: Many,
}

impl PutArgs {
    pub(crate) fn reads_stdin(&self) -> bool {
        self.files.iter().any(|file| names::is_stdin(file))
    }
}

/// What to send, and under which name.
pub(crate) struct Upload {
    pub(crate) origin: Origin,
    pub(crate) path: FilePath,
    pub(crate) mode: Mode,
}

/// One of the things that were named.
enum Named {
    File(Upload),
    /// A directory here, and the one there for its content.
    Directory(PathBuf, Option<FilePath>),
}

pub(crate) fn run<R: Runtime>(app: &mut App<'_, R>, args: &PutArgs) -> Result<Exit, Error> {
    let args = &resolved(app, args)?;
    let mut tally = Tally::default();
    let named = plan(app, args, &mut tally)?;
    let extent = if named.iter().all(|named| matches!(named, Named::File(_))) {
        Extent { files: Some(named.len()), bytes: None }
    } else {
        Extent::default()
    };
    // There is one at most, since it needs the name.
    let mut stdin = named
        .iter()
        .any(|named| matches!(named, Named::File(Upload { origin: Origin::Stdin, .. })))
        .then(|| app.console.stdin.take())
        .flatten();
    let hidden = AtomicUsize::new(0);
    let steps = named.into_iter().flat_map(|named| -> Box<dyn Iterator<Item = Step> + Send + '_> {
        match named {
            Named::File(upload) => {
                let item = item(upload, || stdin.take());
                Box::new([item.map_or_else(Step::Fail, Step::Move)].into_iter())
            }
            Named::Directory(here, there) => match LocalDirectory::open(&here) {
                Ok(directory) => Box::new(walk(directory, here, there, args, &hidden)),
                Err(error) => Box::new([Step::Fail(Error::local(&error))].into_iter()),
            },
        }
    });
    transfer::all(app, &mut tally, steps, extent, args.many.jobs);
    if let Some(note) = Many::left_out(hidden.into_inner()) {
        app.note(note);
    }
    Ok(tally.exit())
}

/// The arguments with a name on the server in the place of an address.
fn resolved<R: Runtime>(app: &mut App<'_, R>, args: &PutArgs) -> Result<PutArgs, Error> {
    let ToServer { files, name } = app.files_to_put(&args.files)?;
    if let (Some(name), Some(other)) = (&name, &args.name) {
        let message = format!("{name} in the address, and --as {other}: two names");
        return Err(Error::usage(message).advise("leave one of them out"));
    }
    Ok(PutArgs { files, name: name.or_else(|| args.name.clone()), ..args.clone() })
}

fn plan<R: Runtime>(
    app: &mut App<'_, R>,
    args: &PutArgs,
    tally: &mut Tally,
) -> Result<Vec<Named>, Error> {
    let name = args.name.as_deref();
    let one_name = name.is_some_and(|name| !names::is_directory(name));
    if one_name && args.files.len() > 1 {
        let message = "--as gives one name to several files";
        return Err(Error::usage(message).advise("with a / at its end it is a directory for them"));
    }
    if !one_name && args.files.iter().any(|file| file == DASH) {
        let message = "what is read from stdin has no name";
        return Err(Error::usage(message).advise("give it one with --as NAME"));
    }
    let mode = mode(args.create);
    let mut taken = HashSet::new();
    let mut all = Vec::new();
    for file in &args.files {
        let origin = origin(file);
        let named = if args.many.recursive && origin != Origin::Stdin && file.is_dir() {
            names::uploaded_directory(app.base(), file, name)
                .map(|path| (path.clone(), Named::Directory(file.clone(), path)))
        } else {
            let path = match &origin {
                Origin::Stdin => names::file(app.base(), name.unwrap_or_default()),
                Origin::File(file) => names::uploaded(app.base(), file, name),
            };
            path.map(|path| (Some(path.clone()), Named::File(Upload { origin, path, mode })))
        };
        match named {
            Ok((path, _)) if !taken.insert(path.clone()) => {
                let message =
                    format!("{}: another of these files has the same name", file.display());
                return Err(Error::usage(message)
                    .advise("send them one by one, each with its own --as NAME"));
            }
            Ok((_, named)) => all.push(named),
            Err(error) => tally.count(app, &Err(error)),
        }
    }
    Ok(all)
}

/// The files in the directory `here`, for the one `there`.
fn walk(
    directory: LocalDirectory,
    here: PathBuf,
    there: Option<FilePath>,
    args: &PutArgs,
    hidden: &AtomicUsize,
) -> impl Iterator<Item = Step> + Send {
    let mode = mode(args.create);
    let walk = directory.walk(args.many.hidden);
    walk.filter_map(move |found| {
        let name = match found {
            Ok(Found::File(name)) => name,
            Ok(Found::Special(shown)) => {
                return Some(Step::Note(format!("{shown}: not a regular file, left out")));
            }
            Ok(Found::Hidden(_)) => {
                hidden.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Err(error) => return Some(Step::Fail(Error::local(&error))),
        };
        let item = names::beneath(there.as_ref(), &name).and_then(|path| {
            let source = directory.source(&name).map_err(|error| Error::local(&error))?;
            Ok(Item {
                request: Request::Upload { path: path.clone(), mode },
                files: OwnFiles::Source(Box::new(source)),
                what: What {
                    direction: Direction::Up,
                    path,
                    local: Some(here.join(name.as_str())),
                },
            })
        });
        Some(item.map_or_else(Step::Fail, Step::Move))
    })
}

fn origin(file: &Path) -> Origin {
    if file == DASH { Origin::Stdin } else { Origin::File(file.to_path_buf()) }
}

/// How to publish there.
pub(crate) fn mode(create: bool) -> Mode {
    if create { Mode::Create } else { Mode::Replace }
}

/// Sends one file and tells of it.
pub(crate) fn send<R: Runtime>(app: &mut App<'_, R>, upload: Upload) -> Result<(), Error> {
    let item = item(upload, || None)?;
    transfer::one(app, item)
}

/// Opens what is to be sent, before the server is asked anything.
fn item(
    upload: Upload,
    stdin: impl FnOnce() -> Option<Box<dyn std::io::Read + Send>>,
) -> Result<Item, Error> {
    let Upload { origin, path, mode } = upload;
    let (source, local): (Box<dyn haul_store::Source>, _) = match origin {
        Origin::Stdin => {
            let stdin = stdin().ok_or_else(|| Error::usage("stdin is read already"))?;
            (Box::new(StreamSource::new(stdin, "stdin")), None)
        }
        Origin::File(file) => {
            let source = LocalSource::open(&file).map_err(|error| match error.kind {
                StoreErrorKind::IsDirectory => names::whole_directory(&file),
                _ => Error::local(&error),
            })?;
            (Box::new(source), Some(file))
        }
    };
    Ok(Item {
        request: Request::Upload { path: path.clone(), mode },
        files: OwnFiles::Source(source),
        what: What { direction: Direction::Up, path, local },
    })
}

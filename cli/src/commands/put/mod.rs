//! `put`: uploads files.

mod peeked;
mod recursive;
mod there;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use haul_core::client::Request;
use haul_core::{FilePath, Mode, StoreErrorKind};
use haul_store::{ClientFiles, LocalSource, Source, StreamSource};

use super::many::Many;
use super::tally::Tally;
use super::transfer::{self, Begun, Extent, Item, Job, Step, What};
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names::{self, DASH, Origin};
use crate::operands::ToServer;
use crate::output::Direction;
use crate::transport::Transport;

use peeked::Peeked;

/// Upload files to the server
///
/// The line printed for a file is the server's receipt: it has received all bytes, verified them, and stored the file
/// under its name. Until then the name shows the old file, if there was one. The program waits for the first input of a
/// stream before it connects.
///
/// With -r, directories are uploaded with their content, under the same names: `put -r photos` creates photos/sea.jpg
/// on the server. The program lists all files first and then uploads them. Anything that cannot be uploaded, such as
/// links, devices, empty directories and names that the protocol cannot carry, is named on stderr, also with --quiet,
/// and the exit code is 8.
///
/// If the connection is lost, the program connects again and uploads the files that the server had not confirmed.
#[derive(Debug, Clone, Args)]
pub(crate) struct PutArgs {
    /// The local files, or - for stdin, optionally followed by the whole address of their destination,
    /// `haul://HOST/NAME`
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The name on the server, or with a trailing / the directory for the files [default: each file's own name]
    ///
    /// For a directory, it names the directory on the server that receives its content; . is the shared directory.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Refuse to replace existing files
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

/// A file to upload, and its name on the server.
pub(crate) struct Upload {
    pub(crate) origin: Origin,
    pub(crate) path: FilePath,
    pub(crate) mode: Mode,
}

/// A file or directory named on the command line.
enum Named {
    File(Upload),
    /// A local directory, and the one on the server for its content.
    Directory(PathBuf, Option<FilePath>),
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &PutArgs) -> Result<Exit, Error> {
    let args = &resolved(app, args)?;
    let mut tally = Tally::default();
    let named = plan(app, args, &mut tally)?;
    let mut steps = Vec::new();
    let mut trees = Vec::new();
    for named in named {
        match named {
            Named::File(upload) => {
                // There is at most one, because `--as` has to name it.
                let reads_stdin = upload.origin == Origin::Stdin;
                let stdin = if reads_stdin { app.console.stdin.take() } else { None };
                steps.push(Step::Move(Box::new(Send { upload, stdin })));
            }
            Named::Directory(here, there) => trees.push((here, there)),
        }
    }
    if trees.is_empty() {
        let extent = Extent { files: steps.len(), bytes: None };
        transfer::all(app, &mut tally, steps, extent, args.many.jobs);
    } else {
        recursive::run(app, args, steps, trees, &mut tally)?;
    }
    tally.tell(app);
    Ok(tally.exit())
}

/// The arguments with a name instead of an address.
fn resolved<T: Transport>(app: &mut App<'_, T>, args: &PutArgs) -> Result<PutArgs, Error> {
    let ToServer { files, name } = app.files_to_put(&args.files)?;
    let name = match (name, &args.name) {
        (Some(name), Some(other)) if name != "/" => {
            let message = format!("{name} in the address, and --as {other}: two names");
            return Err(Error::usage(message).advise("leave one of them out"));
        }
        // An address without a path names the server only.
        (_, Some(other)) => Some(other.clone()),
        (name, None) => name,
    };
    Ok(PutArgs { files, name, ..args.clone() })
}

fn plan<T: Transport>(
    app: &mut App<'_, T>,
    args: &PutArgs,
    tally: &mut Tally,
) -> Result<Vec<Named>, Error> {
    let name = args.name.as_deref();
    let one_name = name.is_some_and(|name| !names::is_directory(name));
    if one_name && args.files.len() > 1 {
        let message = "--as gives one name to several files";
        return Err(Error::usage(message).advise("end it with / to name a directory for them"));
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
            Err(error) => tally.fail(app, 1, &error),
        }
    }
    Ok(all)
}

fn origin(file: &Path) -> Origin {
    if file == DASH { Origin::Stdin } else { Origin::File(file.to_path_buf()) }
}

/// Whether to replace files on the server.
pub(crate) fn mode(create: bool) -> Mode {
    if create { Mode::Create } else { Mode::Replace }
}

/// Uploads one file and prints the result.
pub(crate) fn send<T: Transport>(app: &mut App<'_, T>, upload: Upload) -> Result<(), Error> {
    transfer::one(app, &mut Send { upload, stdin: None })
}

/// A file named on the command line.
struct Send {
    upload: Upload,
    stdin: Option<Box<dyn std::io::Read + std::marker::Send>>,
}

impl Job for Send {
    /// Opens the source. Reads the first bytes of a stream.
    fn begin(&mut self) -> Result<Begun, Error> {
        let Upload { origin, path, mode } = &self.upload;
        let (source, local): (Box<dyn Source>, _) = match origin {
            Origin::Stdin => {
                let stdin = self.stdin.take();
                let stdin = stdin.ok_or_else(|| Error::usage("stdin is read already"))?;
                (Box::new(StreamSource::new(stdin, "stdin")), None)
            }
            Origin::File(file) => {
                let source = LocalSource::open(file).map_err(|error| match error.kind {
                    StoreErrorKind::IsDirectory => names::whole_directory(file),
                    _ => Error::local(&error),
                })?;
                (Box::new(source), Some(file.clone()))
            }
        };
        let source = Peeked::wait(source).map_err(|error| Error::local(&error))?;
        Ok(Begun::Move(Item {
            request: Request::Upload { path: path.clone(), mode: *mode, if_match: None },
            files: ClientFiles::Source(source),
            what: What {
                direction: Direction::Up,
                path: path.clone(),
                local,
                replaces: *mode == Mode::Replace,
            },
        }))
    }

    fn is_stream(&self) -> bool {
        match &self.upload.origin {
            Origin::Stdin => true,
            Origin::File(file) => {
                fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir())
            }
        }
    }
}

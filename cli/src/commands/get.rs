//! `get`: brings files here.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use haul_core::client::{Failure, Request};
use haul_core::{Depth, Entry, FilePath, Mode, StoreError, StoreErrorKind};
use haul_store::{LocalDirectory, LocalTarget, OwnFiles, StreamTarget, Target};
use haul_transport::{ListOptions, call};

use super::tally::Tally;
use super::transfer::{self, Extent, Item, Step, What};
use crate::app::App;
use crate::args::Many;
use crate::console::Stream;
use crate::error::Error;
use crate::exit::Exit;
use crate::names::{self, DASH, Destination};
use crate::operands::FromServer;
use crate::output::Direction;
use crate::runtime::Runtime;
use crate::size::Size;

/// Bring files from the server
///
/// A file takes its name here only when all its bytes are here and verified; before that, and after a failure, nothing of it is seen. After a power cut a file that was brought
/// shortly before may be empty or missing, as with other programs that can bring it again; --sync sees to it that it is not.
///
/// With -r everything in a directory of the server is brought into one here, by the same names. Nothing is written outside of that one, whatever names the server lists, and
/// no symbolic link in it is followed.
#[derive(Debug, Clone, Args)]
pub(crate) struct GetArgs {
    /// The files, as `ls` shows them; or their whole addresses, `haul://HOST/NAME`, and then DEST if you like
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// The file or directory to write, or - for stdout [default: the name's last part, in the current directory]
    ///
    /// With -r and one NAME, the directory for its content, made if it is missing; with a / at its end, the directory for NAME.
    #[arg(long, short, value_name = "DEST")]
    output: Option<PathBuf>,
    /// Replace a file that is here already
    #[arg(long, short)]
    force: bool,
    /// Begin so many bytes into the file
    #[arg(long, value_name = "SIZE", default_value = "0", conflicts_with = "recursive")]
    offset: Size,
    /// Bring at most so many bytes
    #[arg(long, value_name = "SIZE", conflicts_with = "recursive")]
    length: Option<Size>,
    /// Bring each file to stable storage before it is told of
    #[arg(long)]
    sync: bool,
    #[command(flatten)]
    many: Many,
}

impl GetArgs {
    pub(crate) fn writes_stdout(&self) -> bool {
        self.output.as_deref().is_some_and(names::is_stdout)
    }
}

/// What to bring, and whereto.
pub(crate) struct Download {
    pub(crate) path: FilePath,
    pub(crate) destination: Destination,
    pub(crate) offset: u64,
    pub(crate) length: Option<u64>,
    pub(crate) mode: Mode,
}

pub(crate) fn run<R: Runtime>(app: &mut App<'_, R>, args: &GetArgs) -> Result<Exit, Error> {
    app.durable = args.sync;
    let args = &resolved(app, args)?;
    let mut tally = Tally::default();
    if args.many.recursive {
        recursive(app, args, &mut tally)?;
        return Ok(tally.exit());
    }
    let downloads = plan(app.base(), args)?;
    let extent = Extent { files: Some(downloads.len()), bytes: None };
    let stdout = app.console.stdout.clone();
    let steps = downloads
        .into_iter()
        .map(|download| item(download, &stdout).map_or_else(Step::Fail, Step::Move));
    transfer::all(app, &mut tally, steps, extent, args.many.jobs);
    Ok(tally.exit())
}

/// The arguments with names on the server in the place of addresses.
fn resolved<R: Runtime>(app: &mut App<'_, R>, args: &GetArgs) -> Result<GetArgs, Error> {
    let FromServer { names, here } = app.names_to_get(&args.names)?;
    if let (Some(here), Some(output)) = (&here, &args.output) {
        let message = format!("{} and {}: two destinations", here.display(), output.display());
        return Err(Error::usage(message).advise("leave one of them out"));
    }
    Ok(GetArgs { names, output: here.or_else(|| args.output.clone()), ..args.clone() })
}

fn plan(base: Option<&FilePath>, args: &GetArgs) -> Result<Vec<Download>, Error> {
    let output = args.output.as_deref();
    let several = args.names.len() > 1;
    if let Some(output) = output.filter(|output| several && !output.is_dir()) {
        return Err(no_place_for_several(output));
    }
    let mut taken = HashSet::new();
    let mut downloads = Vec::with_capacity(args.names.len());
    for name in &args.names {
        let path = names::file(base, name)?;
        let destination = names::destination(&path, output)?;
        if !taken.insert(destination.clone()) {
            return Err(same_place(name));
        }
        downloads.push(Download {
            path,
            destination,
            offset: args.offset.0,
            length: args.length.map(|Size(bytes)| bytes),
            mode: mode(args.force),
        });
    }
    Ok(downloads)
}

fn no_place_for_several(output: &Path) -> Error {
    if output == DASH {
        Error::usage("only one file can go to stdout").advise("name one")
    } else if output.exists() {
        Error::usage(format!("{}: several files need a directory", output.display()))
            .advise("name a directory with -o")
    } else {
        names::no_directory(output)
    }
}

fn same_place(name: &str) -> Error {
    Error::usage(format!("{name}: another of these names ends in the same file here"))
        .advise("get them one by one, each with its own -o")
}

/// How to publish here.
pub(crate) fn mode(force: bool) -> Mode {
    if force { Mode::Replace } else { Mode::Create }
}

/// Brings one file and tells of it.
pub(crate) fn fetch<R: Runtime>(app: &mut App<'_, R>, download: Download) -> Result<(), Error> {
    let item = item(download, &app.console.stdout)?;
    transfer::one(app, item)
}

/// Looks at the target, before the server is asked anything.
fn item(download: Download, stdout: &Stream) -> Result<Item, Error> {
    let Download { path, destination, offset, length, mode } = download;
    let (target, local): (Box<dyn Target>, _) = match destination {
        Destination::Stdout => (Box::new(StreamTarget::new(stdout.clone(), "stdout")), None),
        Destination::File(file) => {
            let target = LocalTarget::new(&file, mode == Mode::Replace);
            (Box::new(target.map_err(|error| refused(&error))?), Some(file))
        }
    };
    Ok(Item {
        request: Request::Download { path: path.clone(), offset, length, mode },
        files: OwnFiles::Target(target),
        what: What { direction: Direction::Down, path, local },
    })
}

fn refused(error: &StoreError) -> Error {
    let told = Error::local(error);
    match error.kind {
        StoreErrorKind::NotFound => told.advise("make the directory first, with mkdir -p"),
        StoreErrorKind::IsDirectory => told.advise("name another file with -o"),
        _ => told,
    }
}

/// What the server has of one of the names.
#[derive(Default)]
struct Listed {
    /// The name is a file's.
    is_file: bool,
    /// By their paths from the directory that was listed.
    directories: Vec<FilePath>,
    files: Vec<(FilePath, u64)>,
    hidden: usize,
}

/// A file of a listing, its path beneath the directory `here`, and where that is.
struct Beneath {
    directory: LocalDirectory,
    here: PathBuf,
    there: Option<FilePath>,
    name: FilePath,
}

fn recursive<R: Runtime>(
    app: &mut App<'_, R>,
    args: &GetArgs,
    tally: &mut Tally,
) -> Result<(), Error> {
    let output = args.output.as_deref();
    if let Some(output) = output.filter(|output| *output == DASH) {
        return Err(no_place_for_several(output));
    }
    let several = args.names.len() > 1;
    let mut places = Vec::with_capacity(args.names.len());
    let mut taken = HashSet::new();
    for name in &args.names {
        let path = names::place(app.base(), Some(name))?;
        let here = names::destination_directory(path.as_ref(), output, several)?;
        if !taken.insert(here.clone()) {
            return Err(same_place(name));
        }
        places.push((path, here));
    }
    let mut steps = Vec::new();
    let (mut bytes, mut hidden) = (0_u64, 0);
    let mut places = places.into_iter();
    for (path, here) in places.by_ref() {
        let planned = list(app, path.as_ref(), args.many.hidden).and_then(|listed| {
            bytes += listed.files.iter().map(|(_, size)| size).sum::<u64>();
            hidden += listed.hidden;
            prepare(app, tally, args, path.as_ref(), here, listed, &mut steps)
        });
        if let Err(error) = planned {
            let hopeless = error.is_hopeless();
            tally.count(app, &Err(error));
            if hopeless {
                break;
            }
        }
    }
    if let left @ 1.. = places.len() {
        app.note(format_args!("{left} more not tried"));
        return Ok(());
    }
    let extent = Extent { files: Some(steps.len()), bytes: Some(bytes) };
    let stdout = app.console.stdout.clone();
    let mode = mode(args.force);
    let steps = steps.into_iter().map(|planned| {
        let item = match planned {
            Planned::File(download) => item(download, &stdout),
            Planned::Beneath(beneath) => beneath.item(mode),
        };
        item.map_or_else(Step::Fail, Step::Move)
    });
    transfer::all(app, tally, steps, extent, args.many.jobs);
    if let Some(note) = Many::left_out(hidden) {
        app.note(note);
    }
    Ok(())
}

enum Planned {
    File(Download),
    Beneath(Beneath),
}

/// Makes the directories for what was listed, and adds its files to the steps.
fn prepare<R: Runtime>(
    app: &mut App<'_, R>,
    tally: &mut Tally,
    args: &GetArgs,
    there: Option<&FilePath>,
    here: PathBuf,
    listed: Listed,
    steps: &mut Vec<Planned>,
) -> Result<(), Error> {
    if let (true, Some(path)) = (listed.is_file, there) {
        let (destination, mode) = (Destination::File(here), mode(args.force));
        let path = path.clone();
        steps.push(Planned::File(Download { path, destination, offset: 0, length: None, mode }));
        return Ok(());
    }
    let directory = LocalDirectory::make(&here, args.sync).map_err(|error| refused(&error))?;
    for name in &listed.directories {
        if let Err(error) = directory.make_directory(name) {
            tally.count(app, &Err(Error::local(&error)));
        }
    }
    steps.extend(listed.files.into_iter().map(|(name, _)| {
        let (directory, here, there) = (directory.clone(), here.clone(), there.cloned());
        Planned::Beneath(Beneath { directory, here, there, name })
    }));
    Ok(())
}

impl Beneath {
    fn item(self, mode: Mode) -> Result<Item, Error> {
        let Self { directory, here, there, name } = self;
        let path = names::beneath(there.as_ref(), &name)?;
        let target =
            directory.target(&name, mode == Mode::Replace).map_err(|error| Error::local(&error))?;
        Ok(Item {
            request: Request::Download { path: path.clone(), offset: 0, length: None, mode },
            files: OwnFiles::Target(Box::new(target)),
            what: What { direction: Direction::Down, path, local: Some(here.join(name.as_str())) },
        })
    }
}

/// Asks for all that is beneath `path`. A name that lies elsewhere ends it: nobody asked for that.
fn list<R: Runtime>(
    app: &mut App<'_, R>,
    path: Option<&FilePath>,
    hidden: bool,
) -> Result<Listed, Error> {
    let mut listed = Listed::default();
    let mut invented = false;
    let take = |entry: &Entry| {
        let Some(found) = entry.path() else { return ControlFlow::Continue(()) };
        if path == Some(found) && matches!(entry, Entry::File { .. }) {
            listed.is_file = true;
            return ControlFlow::Continue(());
        }
        let name = match path {
            None => Some(found.clone()),
            Some(path) => names::relative(Some(path), found)
                .filter(|_| path != found)
                .and_then(|name| FilePath::parse(name).ok()),
        };
        match (name, entry) {
            (None, _) => {
                invented = true;
                return ControlFlow::Break(());
            }
            (Some(name), _) if name.is_hidden() && !hidden => {
                let parent_is_hidden = name.parent().is_some_and(|parent| parent.is_hidden());
                listed.hidden += usize::from(!parent_is_hidden);
            }
            (Some(_), Entry::Omitted { .. }) => {}
            (Some(name), Entry::Directory { .. }) => listed.directories.push(name),
            (Some(name), Entry::File { size, .. }) => listed.files.push((name, *size)),
        }
        ControlFlow::Continue(())
    };
    let subject = path.map_or("/", FilePath::as_str);
    let done = app.request(
        subject,
        call::list(path, ListOptions { depth: Depth::All, ..ListOptions::default() }, take),
    );
    if invented {
        let failure = Failure::Violation("it listed a name that lies elsewhere");
        return Err(Error::request(subject, &failure));
    }
    if let Some(skipped @ 1..) = done?.skipped {
        app.note(format_args!(
            "{skipped} left out: their names on the server's disk cannot be sent"
        ));
    }
    Ok(listed)
}

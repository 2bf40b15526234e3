//! `get`: downloads files.

mod batch;
mod recursive;
mod special;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use haul_core::client::Request;
use haul_core::{FilePath, Mode, StoreError, StoreErrorKind};
use haul_store::{ClientFiles, LocalTarget, StreamTarget, Target};

use super::many::Many;
use super::tally::Tally;
use super::transfer::{self, Begun, Extent, Item, Job, Step, What};
use crate::app::App;
use crate::console::{Console, Stream};
use crate::error::Error;
use crate::exit::Exit;
use crate::names::{self, DASH, Destination};
use crate::operands::FromServer;
use crate::output::Direction;
use crate::size::Size;
use crate::transport::Transport;

use batch::Batch;
use special::Kind;

/// Download files from the server
///
/// A file appears under its name only when all its bytes have arrived and are verified. Nothing is left of it after a
/// failure. After a power cut, a file that was downloaded shortly before may be empty or missing; --sync prevents that.
/// A device, a pipe or /dev/stdout receives the bytes as they arrive.
///
/// With -r, everything in a directory on the server is downloaded into a local one, under the same names. Whatever
/// names the server lists, nothing is written outside of that directory, and no symbolic link in it is followed.
/// Anything that cannot be downloaded, such as a directory that the server cannot read, is named on stderr, also with
/// --quiet, and the exit code is 8.
///
/// If the connection is lost, the program connects again and downloads the files that were not complete.
#[derive(Debug, Clone, Args)]
pub(crate) struct GetArgs {
    /// The files, as `ls` shows them; or their whole addresses, `haul://HOST/NAME`, optionally followed by DEST
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// The file or directory to write, or - for stdout [default: the name's last part, in the current directory]
    ///
    /// With -r and one NAME, the directory for its content, created if it is missing. If DEST ends with /, NAME itself
    /// goes into it.
    #[arg(long, short, value_name = "DEST")]
    output: Option<PathBuf>,
    /// Replace existing local files
    #[arg(long, short)]
    force: bool,
    /// Start this many bytes into the file
    #[arg(long, value_name = "SIZE", default_value = "0", conflicts_with = "recursive")]
    offset: Size,
    /// Download at most this many bytes
    #[arg(long, value_name = "SIZE", conflicts_with = "recursive")]
    length: Option<Size>,
    /// Fsync each file before its line is printed
    #[arg(long)]
    sync: bool,
    #[command(flatten)]
    many: Many,
}

impl GetArgs {
    pub(crate) fn writes_stdout(&self) -> bool {
        self.output
            .as_deref()
            .is_some_and(|output| names::is_stdout(output) || Kind::of(output) == Kind::Stdout)
    }
}

/// A file to download, and its destination.
pub(crate) struct Download {
    pub(crate) path: FilePath,
    pub(crate) destination: Destination,
    pub(crate) offset: u64,
    pub(crate) length: Option<u64>,
    pub(crate) mode: Mode,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &GetArgs) -> Result<Exit, Error> {
    let args = &resolved(app, args)?;
    app.durable = args.sync;
    let mut tally = Tally::default();
    if args.many.recursive {
        recursive::run(app, args, &mut tally)?;
    } else {
        let downloads = plan(app.base(), args)?;
        let extent = Extent { files: downloads.len(), bytes: None };
        let batch = Batch::default();
        let jobs: Vec<_> = downloads
            .into_iter()
            .map(|download| Step::Move(Box::new(Fetch::new(download, &app.console, &batch))))
            .collect();
        transfer::all(app, &mut tally, jobs, extent, args.many.jobs);
    }
    tally.tell(app);
    Ok(tally.exit())
}

/// The arguments with names instead of addresses.
fn resolved<T: Transport>(app: &mut App<'_, T>, args: &GetArgs) -> Result<GetArgs, Error> {
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
        if name.is_empty() {
            return Err(Error::usage("no file is named").advise("name a file, or -r for all"));
        }
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
    Error::usage(format!("{name}: another of these names goes to the same file"))
        .advise("get them one by one, each with its own -o")
}

/// Whether to replace local files.
pub(crate) fn mode(force: bool) -> Mode {
    if force { Mode::Replace } else { Mode::Create }
}

/// Downloads one file and prints the result.
pub(crate) fn fetch<T: Transport>(app: &mut App<'_, T>, download: Download) -> Result<(), Error> {
    let mut job = Fetch::new(download, &app.console, &Batch::default());
    transfer::one(app, &mut job)
}

/// A file named on the command line.
struct Fetch {
    download: Download,
    stdout: Stream,
    stderr: Stream,
    batch: Batch,
}

impl Fetch {
    fn new(download: Download, console: &Console, batch: &Batch) -> Self {
        let (stdout, stderr) = (console.stdout.clone(), console.stderr.clone());
        Self { download, stdout, stderr, batch: batch.clone() }
    }

    fn file(&self, file: &Path) -> Result<Box<dyn Target>, Error> {
        let target = LocalTarget::new(file, self.download.mode == Mode::Replace);
        let target = target.map_err(|error| self.batch.check(file).err().unwrap_or(error));
        let target = target.map_err(|error| match error.kind {
            StoreErrorKind::NotAFile if !file.exists() => {
                Error::local(&error).advise("name a file in a directory with -o")
            }
            _ => refused(&error),
        })?;
        Ok(self.batch.guard(file.to_path_buf(), Box::new(target)))
    }
}

impl Job for Fetch {
    /// Checks the target.
    fn begin(&mut self) -> Result<Begun, Error> {
        let Download { path, destination, offset, length, mode } = &self.download;
        let stream = |stream: &Stream, name| -> Box<dyn Target> {
            Box::new(StreamTarget::new(stream.clone(), name))
        };
        let (target, local) = match destination {
            Destination::Stdout => (stream(&self.stdout, "stdout"), None),
            Destination::File(file) => match Kind::of(file) {
                Kind::Stdout => (stream(&self.stdout, "stdout"), None),
                Kind::Stderr => (stream(&self.stderr, "stderr"), Some(file.clone())),
                Kind::Stream => (special::open(file)?, Some(file.clone())),
                Kind::File => (self.file(file)?, Some(file.clone())),
            },
        };
        let (path, offset, length, mode) = (path.clone(), *offset, *length, *mode);
        Ok(Begun::Move(Item {
            request: Request::Download { path: path.clone(), offset, length, mode, if_match: None },
            files: ClientFiles::Target(target),
            what: What { direction: Direction::Down, path, local, replaces: mode == Mode::Replace },
        }))
    }

    fn is_stream(&self) -> bool {
        match &self.download.destination {
            Destination::Stdout => true,
            Destination::File(file) => Kind::of(file) != Kind::File,
        }
    }

    /// The program's own stdout is already open.
    fn waits(&self) -> bool {
        self.is_stream() && self.download.destination != Destination::Stdout
    }
}

fn refused(error: &StoreError) -> Error {
    let told = Error::local(error);
    match error.kind {
        StoreErrorKind::NotFound => told.advise("make the directory first, with mkdir -p"),
        StoreErrorKind::IsDirectory => told.advise("name another file with -o"),
        _ => told,
    }
}

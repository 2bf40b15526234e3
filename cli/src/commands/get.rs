//! `get`: brings files here.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use haul_core::message::Summary;
use haul_core::{FilePath, Mode, StoreErrorKind};
use haul_store::{LocalTarget, StreamTarget, Target};
use haul_transport::{DownloadOptions, call};

use super::tally::Tally;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names::{self, DASH, Destination};
use crate::output::{Direction, Transfer};
use crate::runtime::Runtime;
use crate::size::Size;

/// Bring files from the server
///
/// A file takes its name here only when all its bytes are here and verified; before that, and after a failure, nothing of it is seen.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The files, as `ls` shows them
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// The file or directory to write, or - for stdout [default: the name's last part, in the current directory]
    #[arg(long, short, value_name = "DEST")]
    output: Option<PathBuf>,
    /// Replace a file that is here already
    #[arg(long, short)]
    force: bool,
    /// Begin so many bytes into the file
    #[arg(long, value_name = "SIZE", default_value = "0")]
    offset: Size,
    /// Bring at most so many bytes
    #[arg(long, value_name = "SIZE")]
    length: Option<Size>,
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
    let mut tally = Tally::default();
    let mut ready = Vec::new();
    for download in plan(app.base(), args)? {
        // All targets are looked at before the server is.
        match target(app, &download) {
            Ok(target) => ready.push((download, target)),
            refused => tally.count(app, &refused.map(drop)),
        }
    }
    tally.each(app, ready, |app, (download, target)| fetch_into(app, &download, target));
    Ok(tally.exit())
}

fn plan(base: Option<&FilePath>, args: &GetArgs) -> Result<Vec<Download>, Error> {
    let output = args.output.as_deref();
    let several = args.names.len() > 1;
    if let Some(output) = output.filter(|output| several && !output.is_dir()) {
        if output == DASH {
            return Err(Error::usage("only one file can go to stdout").advise("name one"));
        }
        return Err(if output.exists() {
            Error::usage(format!("{}: several files need a directory", output.display()))
                .advise("name a directory with -o")
        } else {
            names::no_directory(output)
        });
    }
    let mut taken = HashSet::new();
    let mut downloads = Vec::with_capacity(args.names.len());
    for name in &args.names {
        let path = names::file(base, name)?;
        let destination = names::destination(&path, output)?;
        if !taken.insert(destination.clone()) {
            let message = format!("{name}: another of these names ends in the same file here");
            return Err(Error::usage(message).advise("get them one by one, each with its own -o"));
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

/// How to publish here.
pub(crate) fn mode(force: bool) -> Mode {
    if force { Mode::Replace } else { Mode::Create }
}

/// Brings one file and tells of it.
pub(crate) fn fetch<R: Runtime>(app: &mut App<'_, R>, download: &Download) -> Result<(), Error> {
    let target = target(app, download)?;
    fetch_into(app, download, target)
}

fn target<R: Runtime>(app: &App<'_, R>, download: &Download) -> Result<Box<dyn Target>, Error> {
    match &download.destination {
        Destination::Stdout => {
            Ok(Box::new(StreamTarget::new(app.console.stdout.clone(), "stdout")))
        }
        Destination::File(file) => {
            let overwrite = download.mode == Mode::Replace;
            let target = LocalTarget::new(file, overwrite).map_err(|error| {
                let told = Error::local(&error);
                match error.kind {
                    StoreErrorKind::NotFound => {
                        told.advise("make the directory first, with mkdir -p")
                    }
                    StoreErrorKind::IsDirectory => told.advise("name another file with -o"),
                    _ => told,
                }
            })?;
            Ok(Box::new(target))
        }
    }
}

fn fetch_into<R: Runtime>(
    app: &mut App<'_, R>,
    download: &Download,
    target: Box<dyn Target>,
) -> Result<(), Error> {
    let Download { path, destination, offset, length, mode } = download;
    let options = DownloadOptions { offset: *offset, length: *length, mode: *mode };
    let on_progress = app.progress(path)?;
    let fetched = app.request(path.as_str(), call::download(path, options, target, on_progress));
    match destination {
        Destination::File(file) => tell(app, path, file, &fetched?),
        // The data went to a reader that is gone, and so would every word about it.
        Destination::Stdout if app.console.stdout.is_closed() => {
            Err(Error::output(&std::io::ErrorKind::BrokenPipe.into()))
        }
        Destination::Stdout => fetched.map(drop),
    }
}

fn tell<R: Runtime>(
    app: &mut App<'_, R>,
    path: &FilePath,
    file: &Path,
    summary: &Summary,
) -> Result<(), Error> {
    let transfer = Transfer::new(Direction::Down, path, Some(file), summary);
    app.result(&transfer, &transfer.record())
}

//! `sum`: checksums of files on the server.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::vec;

use clap::Args;
use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{Checksum, ErrorCode, Escaped, FilePath, Hasher};
use haul_store::{LocalSource, Source};
use haul_transport::call;
use serde::Serialize;

use super::requests::{self, Answer, Asked, Requests};
use super::tally::Tally;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names;
use crate::transport::Transport;

/// The number of bytes to read at once.
const PIECE: usize = 256 << 10;

/// Print the checksums of files on the server, or compare them with local files
///
/// The server reads each file, unless it remembers the checksum of a file that it stored itself. The checksum is
/// CRC-64/NVME: it detects damage, but not forgery.
///
/// With --check, each file is compared with the local file of the same name: photos/sea.jpg with photos/sea.jpg below
/// the current directory. The command prints OK or FAILED for each, with --quiet only FAILED, and explains differences
/// on stderr. The exit code is 0 only if all are the same.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct SumArgs {
    /// The files, as names on the server or as whole addresses, `haul://HOST/NAME`
    #[arg(value_name = "PATH", required = true)]
    pub(crate) names: Vec<String>,
    /// Compare each with the local file of the same name
    #[arg(long, short)]
    check: bool,
    /// With --check, the local directory that names are relative to or, for one PATH, the file to compare it with
    #[arg(long, value_name = "HERE", requires = "check")]
    against: Option<PathBuf>,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &SumArgs) -> Result<Exit, Error> {
    let names = app.names_on_server(&args.names)?;
    sum(app, &SumArgs { names, ..args.clone() })
}

/// Prints or compares the checksums of the named files on the chosen server.
pub(crate) fn sum<T: Transport>(app: &mut App<'_, T>, args: &SumArgs) -> Result<Exit, Error> {
    let here = here(args)?;
    let paths: Vec<_> = args.names.iter().map(|name| names::file(app.base(), name)).collect();
    let mut tally = Tally::default();
    let mut asking = Asking { paths: paths.into_iter(), check: args.check, told: Vec::new() };
    requests::all(app, &mut tally, &mut asking);
    // No connection waits while local files are read.
    for (path, told) in asking.told {
        let outcome = compare(app, &path, told, &here);
        let over = outcome.as_ref().is_err_and(Error::is_hopeless);
        tally.count(app, &outcome.map(|()| 0));
        if over {
            break;
        }
    }
    Ok(tally.exit())
}

/// The record for programs. `file` is the local file that it was compared with.
#[derive(Debug, Serialize)]
struct SumRecord<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc64nvme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<bool>,
}

/// The local side of a comparison.
enum Here {
    Directory(PathBuf),
    File(PathBuf),
}

fn here(args: &SumArgs) -> Result<Here, Error> {
    match &args.against {
        None => Ok(Here::Directory(PathBuf::new())),
        Some(here) if here.is_dir() => Ok(Here::Directory(here.clone())),
        Some(here) if args.names.len() == 1 => Ok(Here::File(here.clone())),
        Some(here) => {
            let message = format!("{}: several files need a directory", here.display());
            Err(Error::usage(message).advise("name a directory with --against"))
        }
    }
}

struct Asking {
    paths: vec::IntoIter<Result<FilePath, Error>>,
    check: bool,
    /// The local file to compare with, or why there is none.
    told: Vec<(FilePath, Result<Summary, Error>)>,
}

impl<T: Transport> Requests<T> for Asking {
    fn next(&mut self) -> Option<Result<Asked, Error>> {
        let path = self.paths.next()?;
        Some(path.map(|path| Asked::new(&path, call::checksum(&path))))
    }

    fn answered(
        &mut self,
        app: &mut App<'_, T>,
        asked: &Asked,
        reply: &Result<Summary, Failure>,
    ) -> Result<Answer, Error> {
        let path = &asked.path;
        let told = match reply {
            Ok(summary) => Ok(summary.clone()),
            Err(failure) => {
                let error = asked.failed(failure);
                Err(match requests::code(failure) {
                    Some(ErrorCode::IsDirectory) => {
                        error.advise("name the files in it; ls -r shows them")
                    }
                    _ => error,
                })
            }
        };
        if self.check && !told.as_ref().is_err_and(Error::is_hopeless) {
            self.told.push((path.clone(), told));
            return Ok(Answer::Later);
        }
        Ok(Answer::Done(print(app, path, &told?)))
    }
}

/// Prints a checksum.
fn print<T: Transport>(
    app: &mut App<'_, T>,
    path: &FilePath,
    summary: &Summary,
) -> Result<(), Error> {
    let name = app.written(path).into_owned();
    let checksum = summary.checksum.unwrap_or(Checksum::EMPTY);
    let line = format!("{checksum}  {}", shown(app, &name));
    let crc64nvme = Some(checksum.to_string());
    let size = summary.size;
    app.answer(line, &SumRecord { path: &name, size, crc64nvme, file: None, same: None })
}

/// Compares the server's checksum of `path` with the local file, and prints the result.
fn compare<T: Transport>(
    app: &mut App<'_, T>,
    path: &FilePath,
    told: Result<Summary, Error>,
    here: &Here,
) -> Result<(), Error> {
    let name = app.written(path).into_owned();
    let file = match here {
        Here::File(file) => file.clone(),
        Here::Directory(directory) => directory.join(name.trim_start_matches('/')),
    };
    let (size, checksum) = match &told {
        Ok(summary) => (summary.size, summary.checksum),
        Err(_) => (None, None),
    };
    let outcome = told.and_then(|summary| same(&name, &file, &summary));
    let same = outcome.is_ok();
    let word = if same { "OK" } else { "FAILED" };
    let line = format!("{}: {word}", shown(app, &name));
    let record = SumRecord {
        path: &name,
        size,
        crc64nvme: checksum.map(|checksum| checksum.to_string()),
        file: Some(file.to_string_lossy().into_owned()),
        same: Some(same),
    };
    if same { app.result(line, &record) } else { app.answer(line, &record) }?;
    outcome
}

/// Fails if `file` differs from the server's file.
fn same(name: &str, file: &Path, summary: &Summary) -> Result<(), Error> {
    let (size, checksum) = read(file)?;
    let there = (summary.size.unwrap_or_default(), summary.checksum.unwrap_or(Checksum::EMPTY));
    if (size, checksum) == there {
        return Ok(());
    }
    let (there_size, there_checksum) = there;
    let difference = if size == there_size {
        format!("crc64nvme {there_checksum} there, {checksum} here")
    } else {
        format!("{there_size} bytes there, {size} here")
    };
    let message = format!("{name}: {} here is not the same: {difference}", file.display());
    Err(Error::new(Exit::Integrity, message).advise("get --force or put replaces one of them"))
}

/// The size and the checksum of a local file.
fn read(file: &Path) -> Result<(u64, Checksum), Error> {
    let read = || {
        let mut source = LocalSource::open(file)?;
        let (mut size, mut hasher) = (0, Hasher::new());
        loop {
            let piece = source.read(size, PIECE)?;
            if piece.is_empty() {
                break;
            }
            hasher.update(&piece);
            size += piece.len() as u64;
        }
        let checksum = hasher.checksum();
        source.finish(0, size, checksum)?;
        Ok((size, checksum))
    };
    read().map_err(|error| Error::local(&error))
}

/// A name for printing: on a terminal, one that could control it is escaped. It has no line break.
fn shown<'a, T: Transport>(app: &App<'_, T>, name: &'a str) -> Cow<'a, str> {
    if app.console.stdout.is_terminal() {
        Cow::Owned(Escaped::new(name).to_string())
    } else {
        Cow::Borrowed(name)
    }
}

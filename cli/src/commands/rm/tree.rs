//! `rm -r`: deletes a directory with its content.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::vec;

use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{Entry, ErrorCode, Escaped, FilePath};
use haul_transport::call;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::commands::listing::list_all;
use crate::commands::requests::{self, Answer, Asked, Requests};
use crate::commands::spool::{Records, Spool};
use crate::commands::tally::Tally;
use crate::commands::transfer::Retries;
use crate::error::Error;
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Change};
use crate::transport::Transport;

/// The most memory for the names of directories, in bytes. All other names go to a temporary file.
const MOST: usize = 64 << 20;

/// Deletes each of `trees` with its content.
pub(super) fn delete_all<T: Transport>(
    app: &mut App<'_, T>,
    tally: &mut Tally,
    trees: Vec<FilePath>,
) {
    let mut trees = trees.into_iter();
    while let Some(top) = trees.next() {
        let listed = list(app, &top).and_then(|listed| Deleting::new(listed, top));
        let error = match listed {
            Ok(mut deleting) => {
                requests::all(app, tally, &mut deleting);
                continue;
            }
            Err(error) => error,
        };
        tally.fail(app, 1, &error);
        if error.is_hopeless() {
            if let left @ 1.. = trees.len() {
                let error = Error::new(error.exit(), format!("{left} more not finished"));
                tally.fail(app, left, &error);
            }
            return;
        }
    }
}

/// An entry that is not a directory.
#[derive(Debug, Serialize, Deserialize)]
enum Record {
    /// A file, or a link to a directory.
    #[serde(rename = "f")]
    File(String),
    /// Something that the listing leaves out, and why.
    #[serde(rename = "o")]
    LeftOut(String, String),
}

/// The content of a directory.
struct Listed {
    spool: Spool<Record>,
    directories: Vec<FilePath>,
    bytes: usize,
    /// Directories whose own entries are not listed, and why.
    unlisted: HashMap<FilePath, &'static str>,
}

/// Lists `top`. If a connection is lost, lists it again over another one.
fn list<T: Transport>(app: &mut App<'_, T>, top: &FilePath) -> Result<Listed, Error> {
    let mut retries = Retries::new(app.settings.retry);
    loop {
        match list_once(app, top) {
            Err(error) if retries.wait(app, &error) => {}
            outcome => return outcome,
        }
    }
}

fn list_once<T: Transport>(app: &mut App<'_, T>, top: &FilePath) -> Result<Listed, Error> {
    let mut listed =
        Listed { spool: Spool::new(), directories: Vec::new(), bytes: 0, unlisted: HashMap::new() };
    let skipped = list_all(app, Some(top), |entry| listed.take(top, entry))?;
    if skipped > 0 {
        let why = format!("{skipped} names on the server's disk cannot be sent");
        listed.spool.push(&Record::LeftOut(top.escaped().to_string(), why))?;
    }
    Ok(listed)
}

impl Listed {
    fn take(&mut self, top: &FilePath, entry: &Entry) -> Result<(), Error> {
        let Some(path) = entry.path() else {
            let Entry::Omitted { shown, reason } = entry else { return Ok(()) };
            // The server has already escaped it once.
            let shown = Escaped::new(shown).to_string().replace(r"\\", r"\");
            let why = output::left_out(*reason).to_owned();
            return self.spool.push(&Record::LeftOut(shown, why));
        };
        // It has become a file in the meantime.
        if path == top {
            return Ok(());
        }
        let Entry::Directory { error, link: false, .. } = entry else {
            let record = Record::File(path.as_str().to_owned());
            return self.spool.push(&record);
        };
        if let Some(error) = error {
            let why = match error {
                ErrorCode::Denied => "the server may not read it",
                _ => "the server cannot read it",
            };
            self.unlisted.insert(path.clone(), why);
        }
        self.directory(path)
    }

    fn directory(&mut self, path: &FilePath) -> Result<(), Error> {
        self.bytes += size_of::<FilePath>() + path.as_str().len();
        if self.bytes > MOST {
            let message = "so many directories that their names take more than 64 MiB";
            return Err(Error::new(Exit::Local, message).advise("delete a part of them at a time"));
        }
        self.directories.push(path.clone());
        Ok(())
    }
}

/// Deletes the content of a directory, and then the directory.
struct Deleting {
    records: Records<Record>,
    /// The deepest first.
    directories: vec::IntoIter<FilePath>,
    top: FilePath,
    unlisted: HashMap<FilePath, &'static str>,
    /// Directories that stay because something in them stays, which was reported.
    kept: HashSet<FilePath>,
}

impl Deleting {
    fn new(listed: Listed, top: FilePath) -> Result<Self, Error> {
        let Listed { spool, mut directories, unlisted, .. } = listed;
        directories.push(top.clone());
        directories.sort_unstable_by_key(|path| Reverse(path.as_str().matches('/').count()));
        Ok(Self {
            records: spool.read()?,
            directories: directories.into_iter(),
            top,
            unlisted,
            kept: HashSet::new(),
        })
    }

    /// Reports that `name` stays. The directories above it stay too.
    fn keep(&mut self, name: &str) {
        let above = name.rsplit_once('/').and_then(|(above, _)| FilePath::parse(above).ok());
        let mut next = above;
        while let Some(directory) = next {
            next = directory.parent();
            let is_here = names::relative(Some(&self.top), &directory).is_some();
            if !is_here || !self.kept.insert(directory) {
                return;
            }
        }
    }
}

impl<T: Transport> Requests<T> for Deleting {
    fn next(&mut self) -> Option<Result<Asked, Error>> {
        let path = match self.records.next() {
            Some(Ok(Record::File(path))) => match FilePath::parse(&path) {
                Ok(path) => path,
                Err(error) => return Some(Err(Error::new(Exit::Unexpected, error.to_string()))),
            },
            Some(Ok(Record::LeftOut(name, why))) => {
                self.keep(&name);
                let what = format!("{name}: not deleted: {why}");
                return Some(Err(Error::safe(Exit::Partial, what)));
            }
            Some(Err(error)) => return Some(Err(error)),
            None => self.directories.next()?,
        };
        Some(Ok(Asked::new(&path, call::delete(&path, None))))
    }

    fn answered(
        &mut self,
        app: &mut App<'_, T>,
        asked: &Asked,
        reply: &Result<Summary, Failure>,
    ) -> Result<Answer, Error> {
        let path = &asked.path;
        let Err(failure) = reply else {
            return Ok(Answer::Done(app.tell(&Change::deleted(path))));
        };
        let error = asked.failed(failure);
        let error = match requests::code(failure) {
            // Somebody else has deleted it, which is fine.
            Some(ErrorCode::NotFound) => return Ok(Answer::Done(Ok(()))),
            Some(ErrorCode::NotEmpty) if self.kept.contains(path) => error.silence(),
            Some(ErrorCode::NotEmpty) => error.advise(self.unlisted.get(path).unwrap_or(
                &"it contains something that no listing shows, or that was just created",
            )),
            _ => error,
        };
        self.keep(path.as_str());
        Err(error)
    }
}

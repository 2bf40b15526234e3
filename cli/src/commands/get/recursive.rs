//! `get -r`: lists everything first, then downloads the files.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use haul_core::client::Request;
use haul_core::message::Omission;
use haul_core::{Entry, ErrorCode, Escaped, FilePath, Mode, StoreError, StoreErrorKind, Timestamp};
use haul_store::{ClientFiles, LocalDirectory};
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::{Download, Fetch, GetArgs, mode, no_place_for_several, refused, same_place};
use crate::app::App;
use crate::commands::listing::{elsewhere, list_all};
use crate::commands::many::{self, Links, Many};
use crate::commands::spool::{Records, Spool};
use crate::commands::tally::Tally;
use crate::commands::transfer::{self, Begun, Extent, Item, Job, Retries, Step, What};
use crate::error::Error;
use crate::names::{self, DASH, Destination};
use crate::output::{self, Direction};
use crate::transport::Transport;

/// The most links to directories that are followed. Further ones are reported as left out.
const MOST_LINKS: usize = 10_000;

/// An entry of a listing. Its name is a path from the directory that was listed, which has this number.
#[derive(Debug, Serialize, Deserialize)]
enum Record {
    #[serde(rename = "d")]
    Directory(usize, String),
    /// With its size, and the seconds and nanoseconds of its modification time.
    #[serde(rename = "f")]
    File(usize, String, u64, (i64, u32)),
    /// Something that is left out, and why.
    #[serde(rename = "o")]
    LeftOut(usize, String),
}

/// The destination for the content of one of the names.
#[derive(Debug, Clone)]
struct Place {
    there: Option<FilePath>,
    here: PathBuf,
    directory: LocalDirectory,
}

/// The plan of the whole command.
struct Plan {
    spool: Spool<Record>,
    /// By number. `None` if the listing failed.
    places: Vec<Option<Place>>,
    /// Names that turned out to be files.
    files: Vec<Download>,
    extent: Extent,
}

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    args: &GetArgs,
    tally: &mut Tally,
) -> Result<(), Error> {
    let output = args.output.as_deref();
    if let Some(output) = output.filter(|output| *output == DASH) {
        return Err(no_place_for_several(output));
    }
    let several = args.names.len() > 1;
    let mut wanted = Vec::with_capacity(args.names.len());
    let mut taken = HashSet::new();
    for name in &args.names {
        let path = names::place(app.base(), Some(name))?;
        let here = names::destination_directory(path.as_ref(), output, several)?;
        if !taken.insert(here.clone()) {
            return Err(same_place(name));
        }
        wanted.push((path, here));
    }
    let mut plan = Plan {
        spool: Spool::new(),
        places: Vec::new(),
        files: Vec::new(),
        extent: Extent { files: 0, bytes: Some(0) },
    };
    app.greeted = app.is_connected();
    let mut retries = Retries::new(app.settings.retry);
    let mut wanted = wanted.into_iter();
    for (there, here) in wanted.by_ref() {
        while let Err(error) = plan.add(app, args, there.as_ref(), &here) {
            // Do not wait for a server that was never reachable.
            if !app.greeted {
                return Err(error);
            }
            if retries.wait(app, &error) {
                continue;
            }
            let hopeless = error.is_hopeless();
            tally.fail(app, 1, &error);
            if !hopeless {
                break;
            }
            if let left @ 1.. = wanted.len() {
                let error = Error::new(error.exit(), format!("{left} more not finished"));
                tally.fail(app, left, &error);
            }
            return Ok(());
        }
    }
    let batch = Batch::default();
    let Plan { spool, places, files, extent } = plan;
    let named: Vec<_> = files
        .into_iter()
        .map(|download| Step::Move(Box::new(Fetch::new(download, &app.console, &batch))))
        .collect();
    let how = How { mode: mode(args.force), skip_existing: args.many.skip_existing, batch };
    let steps = Steps { records: spool.read()?, places, how };
    transfer::all(app, tally, named.into_iter().chain(steps), extent, args.many.jobs);
    Ok(())
}

impl Plan {
    /// Adds the content of `there`, which goes to `here`.
    fn add<T: Transport>(
        &mut self,
        app: &mut App<'_, T>,
        args: &GetArgs,
        there: Option<&FilePath>,
        here: &Path,
    ) -> Result<(), Error> {
        let number = self.places.len();
        self.places.push(None);
        let before = self.extent;
        let mut listed = Listed {
            number,
            there,
            many: &args.many,
            spool: &mut self.spool,
            extent: &mut self.extent,
            is_file: false,
            links: Vec::new(),
            within_link: false,
        };
        let done = listed.list_all(app);
        let is_file = listed.is_file;
        let place = done.and_then(|()| match there.filter(|_| is_file) {
            Some(_) => Ok(None),
            None => made(here, args.sync).map(Some),
        });
        match place {
            Ok(Some(directory)) => {
                let (there, here) = (there.cloned(), here.to_path_buf());
                self.places[number] = Some(Place { there, here, directory });
                Ok(())
            }
            Ok(None) => {
                let (destination, mode) = (Destination::File(here.to_path_buf()), mode(args.force));
                let files = there.map(|path| {
                    let path = path.clone();
                    Download { path, destination, offset: 0, length: None, mode }
                });
                self.files.extend(files);
                Ok(())
            }
            Err(error) => {
                self.extent = before;
                Err(error)
            }
        }
    }
}

/// Opens the directory for the content of a name. Creates it if it is missing.
fn made(here: &Path, durable: bool) -> Result<LocalDirectory, Error> {
    LocalDirectory::make(here, durable).map_err(|error| match error.kind {
        StoreErrorKind::NotAFile => Error::local(&error).advise("name a directory with -o"),
        _ => refused(&error),
    })
}

/// Records the server's listing of one of the names.
struct Listed<'p> {
    number: usize,
    there: Option<&'p FilePath>,
    many: &'p Many,
    spool: &'p mut Spool<Record>,
    extent: &'p mut Extent,
    /// The name is that of a file.
    is_file: bool,
    /// Links to directories that are still to be listed.
    links: Vec<FilePath>,
    /// The current listing is that of a link's target. Links in it are not followed: they may lead back, and only the
    /// server could detect that.
    within_link: bool,
}

impl Listed<'_> {
    fn list_all<T: Transport>(&mut self, app: &mut App<'_, T>) -> Result<(), Error> {
        self.list(app, self.there)?;
        self.within_link = true;
        while let Some(link) = self.links.pop() {
            let path = names::join(self.there, &link)?;
            if let Err(error) = self.list(app, Some(&path)) {
                if error.is_hopeless() {
                    return Err(error);
                }
                self.leave_out(&path.escaped().to_string(), error.what())?;
            }
        }
        Ok(())
    }

    /// Lists everything below `path`.
    fn list<T: Transport>(
        &mut self,
        app: &mut App<'_, T>,
        path: Option<&FilePath>,
    ) -> Result<(), Error> {
        let skipped = list_all(app, path, |entry| self.take(path, entry))?;
        if skipped > 0 {
            let subject = path.map_or("/", FilePath::as_str);
            let why = format!("{skipped} names on the server's disk cannot be sent");
            self.leave_out(&Escaped::new(subject).to_string(), &why)?;
        }
        Ok(())
    }

    fn take(&mut self, listed: Option<&FilePath>, entry: &Entry) -> Result<(), Error> {
        let (path, is_directory) = match entry {
            Entry::File { path, .. } => (path, false),
            Entry::Directory { path, .. } => (path, true),
            Entry::Omitted { shown, reason } => {
                return self.omitted(shown, *reason);
            }
        };
        if listed == Some(path) {
            self.is_file |= !self.within_link;
            return Ok(());
        }
        let name = names::relative(self.there, path).and_then(|name| FilePath::parse(name).ok());
        let name = name.ok_or_else(|| elsewhere(listed))?;
        if self.many.excludes(name.as_str(), is_directory) {
            return Ok(());
        }
        match entry {
            Entry::File { size, modified, .. } => {
                self.extent.files += 1;
                self.extent.bytes = self.extent.bytes.map(|bytes| bytes.saturating_add(*size));
                let name = name.as_str().to_owned();
                let modified = (modified.seconds(), modified.nanos());
                self.spool.push(&Record::File(self.number, name, *size, modified))
            }
            Entry::Directory { link: true, .. } => self.link(path, name),
            // The directory is not created locally: it would look as if it were empty.
            Entry::Directory { error: Some(code), .. } => {
                let why = match code {
                    ErrorCode::Denied => "the server may not read this directory",
                    _ => "the server cannot read this directory",
                };
                self.leave_out(&path.escaped().to_string(), why)
            }
            _ => self.spool.push(&Record::Directory(self.number, name.as_str().to_owned())),
        }
    }

    /// A link to a directory within the share.
    fn link(&mut self, path: &FilePath, name: FilePath) -> Result<(), Error> {
        let why = match self.many.links {
            Some(Links::Skip) => return Ok(()),
            Some(Links::Follow) if !self.within_link && self.links.len() < MOST_LINKS => {
                self.links.push(name);
                return Ok(());
            }
            Some(Links::Follow) => "a link behind a link is not followed: it may lead back",
            None => "a link to a directory; --links follow downloads its content",
        };
        self.leave_out(&path.escaped().to_string(), why)
    }

    /// Records something that the server leaves out, by its escaped path in the share.
    fn omitted(&mut self, shown: &str, reason: Omission) -> Result<(), Error> {
        let there = self.there.map(|there| there.escaped().to_string());
        let below = match &there {
            None => shown,
            Some(there) => shown
                .strip_prefix(there.as_str())
                .and_then(|name| name.strip_prefix('/'))
                .unwrap_or(shown),
        };
        // It may be a directory, so patterns for directories apply too.
        if self.many.excludes(below, true) {
            return Ok(());
        }
        if reason == Omission::Link && self.many.links == Some(Links::Skip) {
            return Ok(());
        }
        // The server has already escaped it once.
        let shown = Escaped::new(shown).to_string().replace(r"\\", r"\");
        self.leave_out(&shown, output::left_out(reason))
    }

    fn leave_out(&mut self, what: &str, why: &str) -> Result<(), Error> {
        self.spool.push(&Record::LeftOut(self.number, format!("{what}: left out: {why}")))
    }
}

/// How files are downloaded.
#[derive(Debug, Clone)]
struct How {
    mode: Mode,
    skip_existing: bool,
    batch: Batch,
}

/// The listed entries, as steps. Directories are created in passing.
struct Steps {
    records: Records<Record>,
    places: Vec<Option<Place>>,
    how: How,
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let record = match self.records.next()? {
                Ok(record) => record,
                Err(error) => return Some(Step::Fail(error)),
            };
            let (Record::Directory(number, ..)
            | Record::File(number, ..)
            | Record::LeftOut(number, ..)) = record;
            let Some(place) = self.places.get(number).and_then(Option::as_ref) else { continue };
            match record {
                Record::LeftOut(_, what) => return Some(Step::LeaveOut(what)),
                Record::Directory(_, name) => {
                    let made =
                        FilePath::parse(&name).map(|name| place.directory.make_directory(&name));
                    if let Ok(Err(error)) = made {
                        return Some(Step::Fail(blocked(&error)));
                    }
                }
                Record::File(_, name, size, modified) => {
                    let Ok(name) = FilePath::parse(&name) else { continue };
                    let (place, how) = (place.clone(), self.how.clone());
                    return Some(Step::Move(Box::new(One { place, name, size, modified, how })));
                }
            }
        }
    }
}

/// Why a file or directory cannot be created. Something else may be in its place: a link or a file instead of a
/// directory, or a directory instead of a file.
fn blocked(error: &StoreError) -> Error {
    let told = Error::local(error);
    match error.kind {
        StoreErrorKind::IsDirectory | StoreErrorKind::NotAFile => {
            told.advise("move away what is in the way, or choose another destination with -o")
        }
        _ => told,
    }
}

/// A file of a listing.
struct One {
    place: Place,
    name: FilePath,
    size: u64,
    modified: (i64, u32),
    how: How,
}

impl One {
    /// Whether the same file exists locally.
    fn is_here(&self) -> bool {
        let found = fs::symlink_metadata(self.place.here.join(self.name.as_str()));
        let Some(there) = Timestamp::new(self.modified.0, self.modified.1) else {
            return false;
        };
        found.is_ok_and(|found| {
            let (seconds, nanos) = (found.mtime(), u32::try_from(found.mtime_nsec()));
            let here = nanos.ok().and_then(|nanos| Timestamp::new(seconds, nanos));
            let as_old = many::times_of_copies(there).any(|time| Some(time) == here);
            found.is_file() && found.len() == self.size && as_old
        })
    }
}

impl Job for One {
    fn begin(&mut self) -> Result<Begun, Error> {
        if self.how.skip_existing && self.is_here() {
            return Ok(Begun::Same(self.size));
        }
        let Self { place: Place { there, here, directory }, name, how, .. } = self;
        let path = names::join(there.as_ref(), name)?;
        let local = here.join(name.as_str());
        let target = directory.target(name, how.mode == Mode::Replace);
        let target = target.map_err(|error| match (error.kind, how.batch.check(&local)) {
            (StoreErrorKind::Exists, Err(collision)) => Error::local(&collision),
            (StoreErrorKind::Exists, Ok(())) => Error::local(&error)
                .advise("--force replaces it, --skip-existing skips identical files"),
            _ => blocked(&error),
        })?;
        let target = how.batch.guard(local.clone(), Box::new(target));
        let (offset, length, mode) = (0, None, how.mode);
        Ok(Begun::Move(Item {
            request: Request::Download { path: path.clone(), offset, length, mode, if_match: None },
            files: ClientFiles::Target(target),
            what: What {
                direction: Direction::Down,
                path,
                local: Some(local),
                replaces: mode == Mode::Replace,
            },
        }))
    }
}

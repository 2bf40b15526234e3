//! `put -r`: finds all files first, then uploads them. So in a tree that contains the server's share, it does not meet
//! what the uploads themselves create.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use haul_core::client::Request;
use haul_core::{Escaped, FilePath, Mode, StoreError, StoreErrorKind};
use haul_store::{ClientFiles, Found, LeftOut, LocalDirectory, Source};

use super::there::There;
use super::{PutArgs, mode};
use crate::app::App;
use crate::commands::many::{Links, Many};
use crate::commands::spool::{Records, Spool};
use crate::commands::tally::Tally;
use crate::commands::transfer::{self, Begun, Dotted, Extent, Item, Job, Retries, Step, What};
use crate::error::Error;
use crate::names;
use crate::output::Direction;
use crate::transport::Transport;

/// A file: the number of its directory, and its path from there.
type Record = (usize, String);

/// A local directory, and the one on the server for its content.
#[derive(Debug, Clone)]
struct Tree {
    here: PathBuf,
    there: Option<FilePath>,
    directory: LocalDirectory,
}

/// Uploads the files of `steps`, then those in `trees`.
pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    args: &PutArgs,
    steps: Vec<Step>,
    trees: Vec<(PathBuf, Option<FilePath>)>,
    tally: &mut Tally,
) -> Result<(), Error> {
    let mut spool = Spool::new();
    let mut extent = Extent { files: steps.len(), bytes: None };
    // Only a progress bar needs the sizes, and each costs a system call.
    if steps.is_empty() && !app.progress_target().is_hidden() {
        extent.bytes = Some(0);
    }
    let mut opened = Vec::with_capacity(trees.len());
    for (here, there) in trees {
        match LocalDirectory::open(&here) {
            Ok(directory) => {
                let follows = args.many.links == Some(Links::Follow);
                let directory = if follows { directory.following() } else { directory };
                let tree = Tree { here, there, directory };
                walk(app, &args.many, opened.len(), &tree, &mut spool, &mut extent, tally)?;
                opened.push(tree);
            }
            Err(error) => tally.fail(app, 1, &changed(&error)),
        }
    }
    let mut server_has = None;
    if args.many.skip_existing {
        let known = server_has.insert(There::default());
        app.connect()?;
        let mut retries = Retries::new(app.settings.retry);
        for tree in &opened {
            while let Err(error) = known.add(app, tree.there.as_ref()) {
                if !retries.wait(app, &error) {
                    return Err(error);
                }
            }
        }
    }
    let found = FoundFiles {
        records: spool.read()?,
        trees: opened,
        mode: mode(args.create),
        server_has: server_has.map(Arc::new),
    };
    transfer::all(app, tally, steps.into_iter().chain(found), extent, args.many.jobs);
    Ok(())
}

/// Records all files of a tree, and reports each name that it leaves out.
fn walk<T: Transport>(
    app: &mut App<'_, T>,
    many: &Many,
    number: usize,
    tree: &Tree,
    spool: &mut Spool<Record>,
    extent: &mut Extent,
    tally: &mut Tally,
) -> Result<(), Error> {
    let excludes = many.clone();
    let walk = tree.directory.walk();
    for found in walk.excluding(move |path, is_directory| excludes.excludes(path, is_directory)) {
        let name = match found {
            Ok(Found::File(name)) => name,
            Ok(Found::Directory { path, empty: true }) => {
                let here =
                    path.map_or_else(|| tree.here.clone(), |path| tree.here.join(path.as_str()));
                let shown = here.display().to_string();
                let shown = Escaped::new(&shown);
                tally.leave_out(app, 1, &format!("{shown}: left out: an empty directory"));
                continue;
            }
            Ok(Found::Directory { empty: false, .. }) => continue,
            Ok(Found::LeftOut { why: LeftOut::Link, .. }) if many.links == Some(Links::Skip) => {
                continue;
            }
            Ok(Found::LeftOut { why: LeftOut::Unreadable(error), .. }) | Err(error) => {
                tally.leave_out(app, 1, &format!("left out: {}", error.detail));
                continue;
            }
            Ok(Found::LeftOut { shown, why }) => {
                let advice = match why {
                    LeftOut::Link => " (--links follow follows it within the tree)",
                    _ => "",
                };
                tally.leave_out(app, 1, &format!("{shown}: left out: {why}{advice}"));
                continue;
            }
        };
        extent.files += 1;
        if let Some(bytes) = &mut extent.bytes {
            let found = fs::symlink_metadata(tree.here.join(name.as_str()));
            *bytes += found.map_or(0, |found| found.len());
        }
        spool.push(&(number, name.as_str().to_owned()))?;
    }
    Ok(())
}

/// The files that were found.
struct FoundFiles {
    records: Records<Record>,
    trees: Vec<Tree>,
    mode: Mode,
    server_has: Option<Arc<There>>,
}

impl Iterator for FoundFiles {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let (number, name) = match self.records.next()? {
            Ok(record) => record,
            Err(error) => return Some(Step::Fail(error)),
        };
        let tree = self.trees.get(number)?.clone();
        let parsed = FilePath::parse(&name).ok()?;
        let shown = tree.here.join(&name).display().to_string();
        Some(match names::join(tree.there.as_ref(), &parsed) {
            Ok(path) => Step::Move(Box::new(One {
                tree,
                name: parsed,
                path,
                mode: self.mode,
                server_has: self.server_has.clone(),
            })),
            Err(_) => Step::LeaveOut(format!(
                "{}: left out: its path on the server would be too long",
                Escaped::new(&shown)
            )),
        })
    }
}

/// The error for something that can no longer be opened.
fn changed(error: &StoreError) -> Error {
    let told = Error::local(error);
    match error.kind {
        StoreErrorKind::NotFound | StoreErrorKind::IsDirectory | StoreErrorKind::NotAFile => {
            told.advise("it changed meanwhile; try again")
        }
        _ => told,
    }
}

/// A file of a tree.
struct One {
    tree: Tree,
    name: FilePath,
    path: FilePath,
    mode: Mode,
    server_has: Option<Arc<There>>,
}

impl Job for One {
    fn begin(&mut self) -> Result<Begun, Error> {
        let Self { tree, name, path, mode, server_has } = self;
        let source = tree.directory.source(name).map_err(|error| changed(&error))?;
        let opened = source.opened();
        if let (Some(has), Some(size), Some(modified)) = (server_has, opened.size, opened.modified)
            && has.has(path, size, modified)
        {
            return Ok(Begun::Same(size));
        }
        Ok(Begun::Move(Item {
            request: Request::Upload { path: path.clone(), mode: *mode, if_match: None },
            files: ClientFiles::Source(Box::new(source)),
            what: What {
                direction: Direction::Up,
                path: path.clone(),
                local: Some(tree.here.join(name.as_str())),
                replaces: *mode == Mode::Replace,
            },
        }))
    }

    fn dotted(&self) -> Option<Dotted> {
        Dotted::new(self.tree.there.as_ref(), &self.path)
    }
}

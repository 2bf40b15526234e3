//! Listings, which are read on demand.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use haul_core::message::Omission;
use haul_core::{Depth, Entry, ErrorCode, FilePath, StoreError, Timestamp};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::shared::Shared;
use crate::Listing;
use crate::atomic_file::is_temporary_name;
use crate::entries::DirEntry;
use crate::error::{failed, is_want_of_descriptors};
use crate::open_directory::open_directory;
use crate::stat::Stat;
use crate::traversal::{OpenByPath, Step, Traversal};

/// An open listing of a [`Directory`](crate::Directory).
///
/// Memory does not grow with the number of entries, and the number of open directories is bounded at any depth. Each
/// time the listing continues or returns to a directory, it checks that this directory is still beneath the shared one.
#[derive(Debug)]
pub struct DirectoryListing {
    shared: Arc<Shared>,
    depth: Depth,
    /// Whether omitted names are listed.
    omitted: bool,
    /// The single entry of a listed file.
    file: Option<Entry>,
    traversal: Traversal,
    skipped: u64,
}

impl DirectoryListing {
    pub(super) fn begin(
        shared: Arc<Shared>,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<Self, StoreError> {
        let traversal = Traversal::new(true, Some(shared.listing_directories.clone()));
        let mut listing = Self { shared, depth, omitted, file: None, traversal, skipped: 0 };
        let cannot = |errno| cannot_list(path, errno);
        let root = &listing.shared.root;
        let directory = match path {
            None => root.open_directory(Path::new("."), OFlags::RDONLY).map_err(cannot)?.0,
            Some(path) => {
                listing.shared.require_served(path)?;
                let located = root.locate(path.as_str().as_ref()).map_err(cannot)?;
                if located.stat.file_type != FileType::Directory {
                    located.stat.require_regular(path.escaped())?;
                    listing.file = entry(path.clone(), &located.stat, false).ok();
                    return Ok(listing);
                }
                located.open().map_err(cannot)?
            }
        };
        listing.traversal.enter(path.cloned(), directory).map_err(cannot)?;
        Ok(listing)
    }

    /// Returns the entry of a name in the innermost directory, if it has one. A directory becomes the innermost one.
    fn visit(&mut self, found: &DirEntry) -> Result<Option<Entry>, Errno> {
        let name = found.name();
        if is_temporary_name(name.to_bytes()) {
            return Ok(None);
        }
        if !self.shared.serves(name.to_bytes()) {
            return Ok(self.omit(name, Omission::Hidden));
        }
        let Some(path) = self.join(name) else {
            return Ok(self.omit(name, Omission::Name));
        };
        // The entry needs nothing that a `stat` would return, and a mount that hangs there would not answer.
        if found.file_type == FileType::Directory && !self.shared.root.refuses_mounts() {
            return Ok(self.directory(name, path));
        }
        let here = self.traversal.here()?;
        let (stat, link) = match Stat::at(here, name) {
            Ok(stat) if stat.file_type == FileType::Symlink => {
                // A link is listed as its target. A listing does not descend into it, so that links cannot make a
                // listing endless.
                match self.shared.root.locate(path.as_str().as_ref()) {
                    Ok(located) => (located.stat, true),
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => {
                        return Ok(self.omit(name, Omission::Link));
                    }
                    Err(_) => return Ok(self.omit(name, Omission::Unknown)),
                }
            }
            Ok(stat) if stat.mount_point && self.shared.root.refuses_mounts() => {
                return Ok(self.omit(name, Omission::Hidden));
            }
            Ok(stat) => (stat, false),
            Err(Errno::NOENT) => return Ok(None),
            Err(_) => return Ok(self.omit(name, Omission::Unknown)),
        };
        if stat.file_type == FileType::Directory && !link {
            return Ok(self.directory(name, path));
        }
        Ok(match entry(path, &stat, link) {
            Ok(entry) => Some(entry),
            Err(omission) => self.omit(name, omission),
        })
    }

    /// The entry of a directory, which is entered if the depth allows it.
    fn directory(&mut self, name: &CStr, path: FilePath) -> Option<Entry> {
        if self.depth.goes_below(self.traversal.depth() as u64) {
            self.descend(name, path)
        } else {
            Some(Entry::Directory { path, error: None, link: false })
        }
    }

    /// The entry of a directory, which is entered if possible.
    fn descend(&mut self, name: &CStr, path: FilePath) -> Option<Entry> {
        let open =
            |traversal: &Traversal| traversal.here().and_then(|here| open_directory(here, name));
        let mut opened = open(&self.traversal);
        if matches!(opened, Err(errno) if is_want_of_descriptors(errno))
            && self.traversal.close_others()
        {
            opened = open(&self.traversal);
        }
        match opened.and_then(|directory| self.traversal.enter(Some(path.clone()), directory)) {
            Ok(()) => Some(Entry::Directory { path, error: None, link: false }),
            // It was removed or replaced.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => None,
            Err(errno) => Some(unlisted(path, errno)),
        }
    }

    /// The full path of a name in the innermost directory, unless it breaks the rules of paths.
    fn join(&self, name: &CStr) -> Option<FilePath> {
        let name = name.to_str().ok()?;
        match self.traversal.path() {
            Some(path) => path.join(name).ok(),
            None => FilePath::parse(name).ok(),
        }
    }

    /// Omits a name in the innermost directory.
    fn omit(&mut self, name: &CStr, reason: Omission) -> Option<Entry> {
        if matches!(reason, Omission::Name | Omission::Unknown) {
            self.skipped += 1;
        }
        let name = name.to_bytes();
        self.omitted.then(|| match self.traversal.path() {
            Some(path) => Entry::omitted(&[path.as_str().as_bytes(), b"/", name].concat(), reason),
            None => Entry::omitted(name, reason),
        })
    }
}

impl Listing for DirectoryListing {
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::from_iter(self.file.take());
        self.traversal.doubt();
        while entries.len() < max {
            let Some(step) = self.traversal.next(&BeneathRoot(&self.shared)) else {
                break;
            };
            match step {
                Step::Entry(found) => {
                    let visited = self.visit(&found);
                    let cannot = |errno| cannot_list(self.traversal.path(), errno);
                    entries.extend(visited.map_err(cannot)?);
                }
                Step::Left { .. } => {}
                // If the requested directory itself cannot be read, the listing fails.
                Step::Broken { path, errno } if self.traversal.depth() == 0 => {
                    return Err(cannot_list(path.as_ref(), errno));
                }
                Step::Broken { path, errno } => {
                    entries.extend(path.map(|path| unlisted(path, errno)));
                }
            }
        }
        Ok(entries)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// Opens directories beneath the shared one.
struct BeneathRoot<'a>(&'a Shared);

impl OpenByPath for BeneathRoot<'_> {
    fn open(&self, path: Option<&FilePath>, access: OFlags) -> Result<OwnedFd, Errno> {
        let Self(shared) = self;
        let path = path.map_or(".", FilePath::as_str);
        let (directory, _) = shared.root.open_directory(path.as_ref(), access)?;
        Ok(directory)
    }
}

fn cannot_list(path: Option<&FilePath>, errno: Errno) -> StoreError {
    match path {
        Some(path) => failed(format_args!("list {}", path.escaped()), errno),
        None => failed("list the shared directory", errno),
    }
}

/// The entry of a directory whose content, or the rest of it, cannot be listed.
fn unlisted(path: FilePath, errno: Errno) -> Entry {
    let error = match errno {
        Errno::ACCESS | Errno::PERM => ErrorCode::Denied,
        _ => {
            tracing::warn!(path = %path.escaped().quoted(), cause = %errno, "a directory cannot be listed");
            ErrorCode::Io
        }
    };
    Entry::Directory { path, error: Some(error), link: false }
}

/// The entry of a regular file or a directory; nothing else has one.
fn entry(path: FilePath, stat: &Stat, link: bool) -> Result<Entry, Omission> {
    match stat.file_type {
        FileType::RegularFile => Ok(Entry::File {
            path,
            size: stat.version.size,
            modified: stat.version.timestamp().unwrap_or(Timestamp::EPOCH),
            executable: stat.executable(),
        }),
        FileType::Directory => Ok(Entry::Directory { path, error: None, link }),
        _ => Err(Omission::Special),
    }
}

//! Listings, read as they are asked for.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use haul_core::{Depth, Entry, FilePath, StoreError, Timestamp};
use rustix::fs::{Dir, FileType, OFlags};
use rustix::io::Errno;

use super::Shared;
use crate::Listing;
use crate::enter::enter;
use crate::error::failed;
use crate::stat::{FileId, Stat};

/// A listing of a [`Directory`](crate::Directory) under way.
///
/// It holds one open directory a level: memory and descriptors do not grow with the number of entries.
#[derive(Debug)]
pub struct DirectoryListing {
    shared: Arc<Shared>,
    depth: Depth,
    staging: Option<FileId>,
    /// The one entry of a listed file.
    file: Option<Entry>,
    /// The directories being read, each in the one before.
    levels: Vec<Level>,
    skipped: u64,
}

#[derive(Debug)]
struct Level {
    /// `None` is the shared directory itself.
    path: Option<FilePath>,
    entries: Dir,
}

impl DirectoryListing {
    pub(super) fn begin(
        shared: Arc<Shared>,
        path: Option<&FilePath>,
        depth: Depth,
    ) -> Result<Self, StoreError> {
        let staging = shared.root.staging_id();
        let mut listing =
            Self { shared, depth, staging, file: None, levels: Vec::new(), skipped: 0 };
        let shown =
            path.map_or_else(|| "the shared directory".into(), |path| path.escaped().to_string());
        let cannot = |errno| failed(format_args!("list {shown}"), errno);
        let root = &listing.shared.root;
        let directory = match path {
            None => root.open_directory(Path::new("."), OFlags::RDONLY, staging).map_err(cannot)?.0,
            Some(path) => {
                listing.shared.require_served(path)?;
                let located = root.locate(path.as_str().as_ref()).map_err(cannot)?;
                if located.stat.file_type != FileType::Directory {
                    located.stat.require_regular(&shown)?;
                    listing.file = entry(path.clone(), &located.stat);
                    return Ok(listing);
                }
                located.open().map_err(cannot)?
            }
        };
        listing.levels.push(Level::new(path.cloned(), directory).map_err(cannot)?);
        Ok(listing)
    }

    /// What a name in the innermost directory is listed as, if at all. A directory becomes the innermost one.
    fn visit(&mut self, name: &CStr) -> Result<Option<Entry>, Errno> {
        let Some(level) = self.levels.last() else {
            return Ok(None);
        };
        let bytes = name.to_bytes();
        if matches!(bytes, b"." | b"..") || !self.shared.serves(bytes) {
            return Ok(None);
        }
        let Some(path) = level.join(name) else {
            self.skipped += 1;
            return Ok(None);
        };
        let stat = match level.stat(name) {
            Ok(stat) if stat.file_type == FileType::Symlink => {
                // A link is listed as what it leads to. It is not descended, so that links cannot make a listing endless.
                let located = self.shared.root.locate(path.as_str().as_ref());
                return Ok(located.ok().and_then(|located| entry(path, &located.stat)));
            }
            Ok(stat) if self.staging == Some(stat.id()) => return Ok(None),
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(_) => {
                self.skipped += 1;
                return Ok(None);
            }
        };
        let depth = self.levels.len() as u64;
        if stat.file_type == FileType::Directory && self.depth.goes_below(depth) {
            self.descend(name, path.clone())?;
        }
        Ok(entry(path, &stat))
    }

    fn descend(&mut self, name: &CStr, path: FilePath) -> Result<(), Errno> {
        let Some(level) = self.levels.last() else {
            return Ok(());
        };
        match level.open(name) {
            Ok(directory) => self.levels.push(Level::new(Some(path), directory)?),
            // It was removed, or is something else by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(Errno::ACCESS | Errno::PERM) => self.skipped += 1,
            Err(errno) => return Err(errno),
        }
        Ok(())
    }
}

impl Listing for DirectoryListing {
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::from_iter(self.file.take());
        while entries.len() < max {
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            let visited = match level.entries.read() {
                None => {
                    self.levels.pop();
                    continue;
                }
                Some(entry) => entry.and_then(|entry| self.visit(entry.file_name())),
            };
            let cannot = |errno| {
                let path = self.levels.last().and_then(|level| level.path.as_ref());
                match path {
                    Some(path) => failed(format_args!("list {}", path.escaped()), errno),
                    None => failed("list the shared directory", errno),
                }
            };
            entries.extend(visited.map_err(cannot)?);
        }
        Ok(entries)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

impl Level {
    fn new(path: Option<FilePath>, directory: OwnedFd) -> Result<Self, Errno> {
        Ok(Self { path, entries: Dir::new(directory)? })
    }

    /// The whole path of a name here, unless it breaks the rules of paths.
    fn join(&self, name: &CStr) -> Option<FilePath> {
        let name = name.to_str().ok()?;
        match &self.path {
            Some(path) => path.join(name).ok(),
            None => FilePath::parse(name).ok(),
        }
    }

    fn stat(&self, name: &CStr) -> Result<Stat, Errno> {
        Stat::at(self.entries.fd()?, name)
    }

    fn open(&self, name: &CStr) -> Result<OwnedFd, Errno> {
        enter(self.entries.fd()?, name)
    }
}

/// The line of a regular file or a directory; nothing else has one.
fn entry(path: FilePath, stat: &Stat) -> Option<Entry> {
    match stat.file_type {
        FileType::RegularFile => Some(Entry::File {
            path,
            size: stat.version.size,
            modified: stat.version.timestamp().unwrap_or(Timestamp::EPOCH),
            executable: stat.executable(),
        }),
        FileType::Directory => Some(Entry::Directory { path, error: None, link: false }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, openat};

    use super::*;

    /// What takes a directory's name after it was looked at is not descended.
    #[test]
    fn only_directories_are_descended() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("directory", at("link")).unwrap();
        let handle = openat(CWD, directory.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        let level = Level::new(None, handle).unwrap();
        level.open(c"directory").unwrap();
        assert_eq!(level.open(c"file").unwrap_err(), Errno::NOTDIR);
        assert_eq!(level.open(c"link").unwrap_err(), Errno::NOTDIR);
    }
}

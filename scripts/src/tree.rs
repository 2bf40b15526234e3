//! The files that a script begins with, and those that it must leave.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use haul_core::Timestamp;
use haul_harness::Content;
use rustix::fs::{CWD, Mode};

/// A name that a temporary file of the server can have.
pub(crate) const UNFINISHED: &str = ".haul-0123456789abcdef";

/// A shared directory, and the files beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    inside: BTreeMap<PathBuf, Node>,
    outside: BTreeMap<PathBuf, Node>,
}

/// A file or something else with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A regular file. If `modified` is `None`, any time is right.
    File {
        content: Content,
        modified: Option<Timestamp>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    Directory,
    Symlink(PathBuf),
    Fifo,
}

impl Tree {
    /// Puts a node into the shared directory, and replaces the one at this path.
    pub(crate) fn put(&mut self, path: PathBuf, node: Node) {
        self.inside.insert(path, node);
    }

    /// Puts a node beside the shared directory.
    pub(crate) fn put_outside(&mut self, path: PathBuf, node: Node) {
        self.outside.insert(path, node);
    }

    /// Removes a node.
    pub(crate) fn remove(&mut self, path: &Path) -> Result<(), String> {
        match self.inside.remove(path) {
            Some(_) => Ok(()),
            None => Err(format!("{} was not there", path.display())),
        }
    }

    /// Creates everything. `share` is the shared directory, which must be new and empty.
    pub(crate) fn create(&self, share: &Path) -> io::Result<()> {
        // Sorted by path, so a directory comes before its content.
        for (path, node) in &self.inside {
            node.create(&share.join(path))?;
        }
        let beside = share.parent().unwrap_or(share);
        for (path, node) in &self.outside {
            node.create(&beside.join(path))?;
        }
        Ok(())
    }

    /// Returns the first difference between this tree and the disk.
    pub(crate) fn compare(&self, share: &Path) -> Result<(), String> {
        let mut found = Vec::new();
        walk(share, Path::new(""), &mut found)
            .map_err(|error| format!("cannot read what was left: {error}"))?;
        for path in &found {
            if !self.inside.contains_key(path) {
                return Err(format!("{} was left, which should not be there", path.display()));
            }
        }
        let beside = share.parent().unwrap_or(share);
        let inside = self.inside.iter().map(|(path, node)| (share.join(path), node));
        let outside = self.outside.iter().map(|(path, node)| (beside.join(path), node));
        for (path, node) in inside.chain(outside) {
            node.compare(&path).map_err(|reason| format!("{}: {reason}", path.display()))?;
        }
        Ok(())
    }
}

impl Node {
    fn create(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::File { content, modified, executable } => {
                let mut file = File::create_new(path)?;
                write(&mut file, content)?;
                if *executable {
                    file.set_permissions(Permissions::from_mode(0o755))?;
                }
                modified.map_or(Ok(()), |time| file.set_modified(system_time(time)))
            }
            Self::Directory => fs::create_dir(path),
            Self::Symlink(target) => symlink(target, path),
            Self::Fifo => Ok(rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?),
        }
    }

    fn compare(&self, path: &Path) -> Result<(), String> {
        let metadata = path.symlink_metadata().map_err(|error| error.to_string())?;
        let kind = metadata.file_type();
        match self {
            Self::File { content, modified, executable } => {
                if !kind.is_file() {
                    return Err("is not a file".to_owned());
                }
                if metadata.len() != content.length() {
                    return Err(format!(
                        "has {} bytes instead of {}",
                        metadata.len(),
                        content.length()
                    ));
                }
                let found = metadata.modified().map_err(|error| error.to_string())?;
                if modified.is_some_and(|time| system_time(time) != found) {
                    return Err("has another time".to_owned());
                }
                if *executable != (metadata.permissions().mode() & 0o100 != 0) {
                    return Err(format!("has the mode {:o}", metadata.permissions().mode()));
                }
                compare_content(path, content)
            }
            Self::Directory if kind.is_dir() => Ok(()),
            Self::Directory => Err("is not a directory".to_owned()),
            Self::Symlink(target) if fs::read_link(path).is_ok_and(|found| found == *target) => {
                Ok(())
            }
            Self::Symlink(_) => Err("is not the link that it was".to_owned()),
            Self::Fifo if kind.is_fifo() => Ok(()),
            Self::Fifo => Err("is not a FIFO".to_owned()),
        }
    }
}

/// Writes a content into a file. Zeros become a hole.
pub(crate) fn write(file: &mut File, content: &Content) -> io::Result<()> {
    match content {
        Content::Bytes(bytes) => file.write_all(bytes),
        Content::Zeros(length) => file.set_len(*length),
    }
}

fn compare_content(path: &Path, content: &Content) -> Result<(), String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let mut block = vec![0; 1 << 16];
    let mut offset = 0;
    loop {
        let count = file.read(&mut block).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(());
        }
        if !content.has(offset, &block[..count]) {
            return Err(format!("has other bytes from {offset} on"));
        }
        offset += count as u64;
    }
}

/// All paths below `share`, directories included. Links are not followed.
fn walk(share: &Path, below: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(share.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            walk(share, &path, found)?;
        }
        found.push(path);
    }
    Ok(())
}

fn system_time(time: Timestamp) -> SystemTime {
    let second = Duration::from_secs(time.seconds().unsigned_abs());
    let whole = if time.seconds() < 0 {
        SystemTime::UNIX_EPOCH - second
    } else {
        SystemTime::UNIX_EPOCH + second
    };
    whole + Duration::from_nanos(u64::from(time.nanos()))
}

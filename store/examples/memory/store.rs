//! The store.

use std::collections::BTreeMap;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use haul_core::account::Right;
use haul_core::{
    Checksum, Depth, Entry, FilePath, Mode, Opened, StoreError, StoreErrorKind, Timestamp, Version,
};
use haul_store::{Change, Listing, MountOptions, Mountable, NewFile, Source, Staged, Store};

/// Files by their names. There are no directories except those that names imply.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory {
    files: Arc<Mutex<Files>>,
    /// The number of files that were published.
    published: Arc<AtomicU64>,
    /// The directory that names are relative to.
    directory: Option<FilePath>,
    /// Whether a new name needs a directory in which there is something.
    needs_parents: bool,
}

impl Memory {
    /// The name of `path` among all files.
    fn full(&self, path: &FilePath) -> Result<FilePath, StoreError> {
        let Some(directory) = &self.directory else { return Ok(path.clone()) };
        FilePath::parse(&format!("{}/{}", directory.as_str(), path.as_str()))
            .map_err(|error| StoreError::new(StoreErrorKind::BadName, error.to_string()))
    }

    fn require_parent(&self, files: &Files, path: &FilePath) -> Result<(), StoreError> {
        let parent = path.parent().filter(|parent| Some(parent) != self.directory.as_ref());
        let is_there = |parent: &FilePath| has_below(files, parent);
        if self.needs_parents && parent.is_some_and(|parent| !is_there(&parent)) {
            let detail = "its directory is not there, and none is made";
            let kind = StoreErrorKind::Forbidden(Right::MakeDirectory);
            return Err(StoreError::new(kind, detail));
        }
        Ok(())
    }
}

type Files = BTreeMap<FilePath, File>;

#[derive(Debug, Clone)]
struct File {
    content: Bytes,
    modified: Timestamp,
    executable: bool,
    /// Unique among all files of the store.
    version: u64,
}

impl File {
    fn version(&self) -> Option<Version> {
        Version::parse(&self.version.to_string())
    }
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    // No change of the map is ever incomplete.
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The directories that contain `path`, innermost first.
fn above(path: &FilePath) -> impl Iterator<Item = FilePath> {
    iter::successors(path.parent(), FilePath::parent)
}

fn has_below(files: &Files, path: &FilePath) -> bool {
    files.keys().any(|name| above(name).any(|directory| directory == *path))
}

/// The file of this name, if it exists; an error if it cannot exist.
fn find<'a>(files: &'a Files, path: &FilePath) -> Result<Option<&'a File>, StoreError> {
    if above(path).any(|directory| files.contains_key(&directory)) {
        return Err(StoreError::new(StoreErrorKind::NotAFile, "a file is no directory"));
    }
    if has_below(files, path) {
        return Err(StoreError::new(StoreErrorKind::IsDirectory, "there are files below it"));
    }
    Ok(files.get(path))
}

/// The file of this name, which must exist and, if `wanted` is given, have that version.
fn require(files: &Files, path: &FilePath, wanted: Option<&Version>) -> Result<(), StoreError> {
    let file = find(files, path)?.ok_or_else(not_found)?;
    if wanted.is_some() && file.version().as_ref() != wanted {
        return Err(StoreError::new(StoreErrorKind::Changed, "it has another version"));
    }
    Ok(())
}

fn require_free(files: &Files, path: &FilePath, mode: Mode) -> Result<(), StoreError> {
    match (find(files, path)?, mode) {
        (Some(_), Mode::Create) => Err(StoreError::new(StoreErrorKind::Exists, "it is there")),
        (_, Mode::Create | Mode::Replace) => Ok(()),
    }
}

fn not_found() -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, "no such file")
}

impl Store for Memory {
    type Listing = Entries;
    type Source = Download;
    type Staged = Upload;
    type Change = Renamed;

    fn list(&self, path: Option<&FilePath>, depth: Depth, _: bool) -> Result<Entries, StoreError> {
        let files = lock(&self.files);
        let asked = path;
        let full = path.map(|path| self.full(path)).transpose()?.or_else(|| self.directory.clone());
        let path = full.as_ref();
        let relative = |path: &FilePath| match &self.directory {
            Some(directory) => FilePath::parse(&path.as_str()[directory.as_str().len() + 1..]),
            None => Ok(path.clone()),
        };
        let relative = |path: &FilePath| relative(path).expect("whole components of a good path");
        let file = |path: &FilePath, file: &File| Entry::File {
            path: relative(path),
            size: file.content.len() as u64,
            modified: file.modified,
            executable: file.executable,
        };
        if let Some((path, found)) = path.and_then(|path| files.get_key_value(path)) {
            return Ok(Entries(vec![file(path, found)].into_iter()));
        }
        let base = path.map_or(0, |path| path.components().count());
        let mut entries = BTreeMap::new();
        for (name, found) in files.iter() {
            if path.is_some_and(|path| above(name).all(|directory| directory != *path)) {
                continue;
            }
            for path in iter::once(name.clone()).chain(above(name)) {
                let levels_between = path.components().count().checked_sub(base + 1);
                if levels_between.is_some_and(|levels| depth.goes_below(levels as u64)) {
                    let entry = if path == *name {
                        file(name, found)
                    } else {
                        Entry::Directory { path: relative(&path), error: None, link: false }
                    };
                    entries.insert(path, entry);
                }
            }
        }
        if asked.is_some() && entries.is_empty() {
            return Err(not_found());
        }
        Ok(Entries(entries.into_values().collect::<Vec<_>>().into_iter()))
    }

    fn open(&self, path: &FilePath) -> Result<Download, StoreError> {
        find(&lock(&self.files), &self.full(path)?)?.cloned().map(Download).ok_or_else(not_found)
    }

    fn create(&self, file: &NewFile) -> Result<Upload, StoreError> {
        let file = NewFile { path: self.full(&file.path)?, ..file.clone() };
        let upload = Upload { store: self.clone(), file, content: Vec::new() };
        // This only prevents uploads that could not be published.
        upload.require_publishable(&lock(&self.files))?;
        Ok(upload)
    }

    fn delete(&self, path: &FilePath, if_match: Option<&Version>) -> Result<Renamed, StoreError> {
        let path = self.full(path)?;
        let mut files = lock(&self.files);
        require(&files, &path, if_match)?;
        files.remove(&path);
        Ok(Renamed)
    }

    fn rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<Renamed, StoreError> {
        let (from, to) = (self.full(from)?, self.full(to)?);
        let mut files = lock(&self.files);
        require(&files, &from, if_match)?;
        if from != to {
            self.require_parent(&files, &to)?;
            require_free(&files, &to, mode)?;
            let file = files.remove(&from).ok_or_else(not_found)?;
            files.insert(to, file);
        }
        Ok(Renamed)
    }
}

impl Mountable for Memory {
    fn mount(
        &self,
        directory: Option<&FilePath>,
        options: MountOptions,
    ) -> Result<Self, StoreError> {
        let inner = directory.map(|directory| self.full(directory)).transpose()?;
        if let Some(inner) = &inner {
            match find(&lock(&self.files), inner) {
                Err(error) if error.kind == StoreErrorKind::IsDirectory => {}
                Ok(None) if options.home => {}
                Ok(None) => return Err(not_found()),
                Ok(Some(_)) => {
                    return Err(StoreError::new(
                        StoreErrorKind::NotAFile,
                        "a file is no directory",
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        let directory = inner.or_else(|| self.directory.clone());
        Ok(Self { directory, needs_parents: !options.makes_parents, ..self.clone() })
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn are_same(&self, one: &FilePath, other: &FilePath) -> bool {
        one == other
    }
}

/// A listing of the files at its start.
#[derive(Debug)]
pub(crate) struct Entries(std::vec::IntoIter<Entry>);

impl Listing for Entries {
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(self.0.by_ref().take(max).collect())
    }

    fn skipped(&self) -> u64 {
        0
    }
}

/// A file that is being read; it shares its bytes with the store.
#[derive(Debug)]
pub(crate) struct Download(File);

impl Source for Download {
    fn opened(&self) -> Opened {
        let File { content, modified, executable, .. } = &self.0;
        let (size, modified) = (Some(content.len() as u64), Some(*modified));
        let (executable, version) = (*executable, self.0.version());
        Opened { size, modified, executable, checksum: None, version }
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        let content = &self.0.content;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(length).min(content.len());
        Ok(content.slice(start..end))
    }

    fn finish(&mut self, _: u64, _: u64, _: Checksum) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A change of names. Memory has nothing to fsync.
#[derive(Debug)]
pub(crate) struct Renamed;

impl Change for Renamed {
    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A file that is being stored. Nobody sees it until it is published, and never if it is dropped before.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Memory,
    file: NewFile,
    content: Vec<u8>,
}

impl Upload {
    fn require_publishable(&self, files: &Files) -> Result<(), StoreError> {
        let NewFile { path, mode, if_match, .. } = &self.file;
        if if_match.is_some() {
            require(files, path, if_match.as_ref())?;
        }
        self.store.require_parent(files, path)?;
        require_free(files, path, *mode)
    }
}

impl Staged for Upload {
    fn write(&mut self, _offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.content.extend_from_slice(data);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _checksum: Checksum) -> Result<Option<Version>, StoreError> {
        let mut files = lock(&self.store.files);
        self.require_publishable(&files)?;
        let content = std::mem::take(&mut self.content).into();
        let NewFile { path, modified, executable, .. } = &self.file;
        let (modified, executable) = (modified.unwrap_or_else(now), *executable);
        let version = self.store.published.fetch_add(1, Ordering::Relaxed);
        let file = File { content, modified, executable, version };
        let version = file.version();
        files.insert(path.clone(), file);
        Ok(version)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "files have the times of the wall clock")]
fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    Timestamp::new(seconds, now.subsec_nanos()).unwrap_or(Timestamp::EPOCH)
}

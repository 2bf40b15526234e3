//! A shared directory for tests.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use haul_core::{
    Checksum, Depth, Entry, FilePath, Mode, StoreError, StoreErrorKind, Timestamp, Version,
};
use haul_store::{
    Change, Directory, DirectoryChange, Listing, NewFile, Options, Source, Staged, Store,
};
use tempfile::TempDir;

/// A shared directory, and files beside it that must never be reached from it.
pub(crate) struct Share {
    around: TempDir,
    pub(crate) store: Directory,
}

impl Share {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn hidden() -> Self {
        Self::with(Options { hidden: true, ..Options::default() })
    }

    /// On tmpfs, where staged files have names, and where names change fastest. Hidden files are served.
    pub(crate) fn on_tmpfs() -> Self {
        let options = Options { hidden: true, ..Options::default() };
        Self::within(TempDir::new_in("/dev/shm").unwrap(), options)
    }

    fn with(options: Options) -> Self {
        Self::within(TempDir::new().unwrap(), options)
    }

    fn within(around: TempDir, options: Options) -> Self {
        fs::create_dir(around.path().join("share")).unwrap();
        fs::create_dir(around.path().join("outside")).unwrap();
        fs::write(around.path().join("outside/secret"), "secret").unwrap();
        let store = Directory::open(around.path().join("share"), options).unwrap();
        Self { around, store }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.around.path().join("share")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.around.path().join("outside")
    }

    pub(crate) fn around(&self) -> &Path {
        self.around.path()
    }

    /// Writes a file without the store, and creates the directories above it.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.root().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, StoreErrorKind> {
        let mut source = self.store.open(&path(name)).map_err(|error| error.kind)?;
        read_all(&mut source).map_err(|error| error.kind)
    }

    pub(crate) fn upload(&self, name: &str, content: &[u8]) -> Result<(), StoreErrorKind> {
        upload(&self.store, &new_file(name), content).map_err(|error| error.kind)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), StoreErrorKind> {
        kept(self.store.delete(&path(name), None))
    }

    pub(crate) fn make_directory(&self, name: &str) -> Result<(), StoreErrorKind> {
        kept(self.store.make_directory(&path(name)))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), StoreErrorKind> {
        kept(self.store.rename(&path(from), &path(to), Mode::Replace, None))
    }

    pub(crate) fn rename_new(&self, from: &str, to: &str) -> Result<(), StoreErrorKind> {
        kept(self.store.rename(&path(from), &path(to), Mode::Create, None))
    }

    /// The version that a download of a file reports.
    pub(crate) fn version(&self, name: &str) -> Version {
        self.store.open(&path(name)).unwrap().opened().version.unwrap()
    }

    pub(crate) fn list(&self, name: Option<&str>, depth: Depth) -> Result<Listed, StoreErrorKind> {
        self.list_with(name, depth, false)
    }

    /// Lists everything, including omitted names.
    pub(crate) fn list_all(&self) -> Listed {
        self.list_with(None, Depth::All, true).unwrap()
    }

    fn list_with(
        &self,
        name: Option<&str>,
        depth: Depth,
        omitted: bool,
    ) -> Result<Listed, StoreErrorKind> {
        let name = name.map(path);
        let mut listing =
            self.store.list(name.as_ref(), depth, omitted).map_err(|error| error.kind)?;
        let mut entries = Vec::new();
        loop {
            let batch = listing.next(7).map_err(|error| error.kind)?;
            assert!(batch.len() <= 7);
            if batch.is_empty() {
                break;
            }
            entries.extend(batch);
        }
        entries.sort_by(|a, b| a.path().cmp(&b.path()));
        Ok(Listed { entries, skipped: listing.skipped() })
    }

    /// The unpublished files, with and without a temporary name.
    pub(crate) fn staged(&self) -> Vec<PathBuf> {
        staged_in(&self.root())
    }
}

/// Fsyncs a change as a durable server does.
fn kept(change: Result<DirectoryChange, StoreError>) -> Result<(), StoreErrorKind> {
    change.and_then(|mut change| change.sync()).map_err(|error| error.kind)
}

pub(crate) struct Listed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) skipped: u64,
}

impl Listed {
    /// The paths in order, with a `/` after directories and with their details.
    pub(crate) fn names(&self) -> Vec<String> {
        self.entries.iter().map(name).collect()
    }
}

pub(crate) fn name(entry: &Entry) -> String {
    match entry {
        Entry::File { path, executable: false, .. } => path.as_str().to_owned(),
        Entry::File { path, executable: true, .. } => format!("{}*", path.as_str()),
        Entry::Directory { path, error: None, link: false } => format!("{}/", path.as_str()),
        Entry::Directory { path, error: None, link: true } => format!("{}@", path.as_str()),
        Entry::Directory { path, error: Some(error), .. } => format!("{}/ {error}", path.as_str()),
        Entry::Omitted { shown, reason } => format!("{shown} ({reason})"),
    }
}

/// The files in a directory and below that have temporary names, and those that this process has open there without a
/// name.
pub(crate) fn staged_in(directory: &Path) -> Vec<PathBuf> {
    let tmpfile = |file: &PathBuf| {
        fs::read_link(file).is_ok_and(|name| name.starts_with(directory))
            && fs::metadata(file).is_ok_and(|file| file.is_file() && file.nlink() == 0)
    };
    let mut staged: Vec<_> = entries("/proc/self/fd".as_ref()).filter(tmpfile).collect();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in entries(&directory) {
            let kind = fs::symlink_metadata(&entry).unwrap();
            if kind.is_dir() {
                directories.push(entry);
            } else if kind.is_file() && is_temporary_name(&entry) {
                staged.push(entry);
            }
        }
    }
    staged
}

fn is_temporary_name(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy();
    name.strip_prefix(".haul-").is_some_and(|digits| digits.len() == 16)
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path())
}

/// How long to wait for something that happens by itself, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until something has happened.
pub(crate) fn wait_until(happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "it does not happen");
        thread::yield_now();
    }
}

pub(crate) fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

pub(crate) fn new_file(name: &str) -> NewFile {
    NewFile {
        path: path(name),
        mode: Mode::Replace,
        if_match: None,
        size: None,
        modified: None,
        executable: false,
        durable: false,
    }
}

pub(crate) fn create_only(name: &str) -> NewFile {
    NewFile { mode: Mode::Create, ..new_file(name) }
}

/// A modification time that lies long back.
pub(crate) fn long_ago() -> Timestamp {
    Timestamp::parse("2001-02-03T04:05:06.789Z").unwrap()
}

/// A complete upload as a durable server does it.
pub(crate) fn upload(store: &Directory, file: &NewFile, content: &[u8]) -> Result<(), StoreError> {
    let mut staged = store.create(file)?;
    if !content.is_empty() {
        staged.write(0, content)?;
    }
    staged.sync()?;
    staged.publish(Checksum::of(content))?;
    staged.sync_directory()
}

/// All bytes of a source, from front to back, verified.
pub(crate) fn read_all(source: &mut dyn Source) -> Result<Vec<u8>, StoreError> {
    let mut content = Vec::new();
    loop {
        let bytes = source.read(content.len() as u64, 64 << 10)?;
        assert!(bytes.len() <= 64 << 10);
        if bytes.is_empty() {
            break;
        }
        content.extend_from_slice(&bytes);
    }
    source.finish(0, content.len() as u64, Checksum::of(&content))?;
    Ok(content)
}

/// Counts a thread as done when it ends, even by a panic, so that nobody waits for it for ever.
pub(crate) struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    pub(crate) fn new(running: &'a AtomicUsize) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

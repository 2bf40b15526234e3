//! A custom store: the files of a server in memory.
//!
//! ```text
//! cargo run -p haul-store --example memory
//! ```
//!
//! A [`Store`] lists, opens and creates files; dropping what it returns closes it. See [`Upload::publish`]: everything
//! that must be atomic happens there, under one lock, including the check whether the name is free. Readers keep the
//! bytes that they opened, so nothing changes under them.
//!
//! [`converse`] drives a server's machine with a text as its input, and returns the output that `nc` would show.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use haul_core::server::Server;
use haul_core::{
    Checksum, Depth, Entry, FilePath, Machine, Mode, Opened, Output, StoreError, StoreErrorKind,
    Timestamp, Version,
};
use haul_store::{Change, Identity, Listing, NewFile, Perform, Session, Source, Staged, Store};

/// Files by their names. There are no directories except those that names imply.
#[derive(Debug, Default)]
struct Memory {
    files: Arc<Mutex<Files>>,
    /// The number of files that were published.
    published: Arc<AtomicU64>,
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

/// The file of this name, if it exists; an error if it cannot exist.
fn find<'a>(files: &'a Files, path: &FilePath) -> Result<Option<&'a File>, StoreError> {
    if above(path).any(|directory| files.contains_key(&directory)) {
        return Err(StoreError::new(StoreErrorKind::NotAFile, "a file is no directory"));
    }
    if files.keys().any(|name| above(name).any(|directory| directory == *path)) {
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
        let file = |path: &FilePath, file: &File| Entry::File {
            path: path.clone(),
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
            let directories = above(name)
                .map(|path| (path.clone(), Entry::Directory { path, error: None, link: false }));
            for (path, entry) in iter::once((name.clone(), file(name, found))).chain(directories) {
                let levels_between = path.components().count().checked_sub(base + 1);
                if levels_between.is_some_and(|levels| depth.goes_below(levels as u64)) {
                    entries.insert(path, entry);
                }
            }
        }
        if path.is_some() && entries.is_empty() {
            return Err(not_found());
        }
        Ok(Entries(entries.into_values().collect::<Vec<_>>().into_iter()))
    }

    fn open(&self, path: &FilePath) -> Result<Download, StoreError> {
        find(&lock(&self.files), path)?.cloned().map(Download).ok_or_else(not_found)
    }

    fn create(&self, file: &NewFile) -> Result<Upload, StoreError> {
        let (files, published) = (Arc::clone(&self.files), Arc::clone(&self.published));
        let upload = Upload { files, published, file: file.clone(), content: Vec::new() };
        // This only prevents uploads that could not be published.
        upload.require_publishable(&lock(&self.files))?;
        Ok(upload)
    }

    fn delete(&self, path: &FilePath, if_match: Option<&Version>) -> Result<Renamed, StoreError> {
        let mut files = lock(&self.files);
        require(&files, path, if_match)?;
        files.remove(path);
        Ok(Renamed)
    }

    fn rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<Renamed, StoreError> {
        let mut files = lock(&self.files);
        require(&files, from, if_match)?;
        if from != to {
            require_free(&files, to, mode)?;
            let file = files.remove(from).ok_or_else(not_found)?;
            files.insert(to.clone(), file);
        }
        Ok(Renamed)
    }
}

/// A listing of the files at its start.
#[derive(Debug)]
struct Entries(std::vec::IntoIter<Entry>);

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
struct Download(File);

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
struct Renamed;

impl Change for Renamed {
    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A file that is being stored. Nobody sees it until it is published, and never if it is dropped before.
#[derive(Debug)]
struct Upload {
    files: Arc<Mutex<Files>>,
    published: Arc<AtomicU64>,
    file: NewFile,
    content: Vec<u8>,
}

impl Upload {
    fn require_publishable(&self, files: &Files) -> Result<(), StoreError> {
        let NewFile { path, mode, if_match, .. } = &self.file;
        if if_match.is_some() {
            require(files, path, if_match.as_ref())?;
        }
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
        let mut files = lock(&self.files);
        self.require_publishable(&files)?;
        let content = std::mem::take(&mut self.content).into();
        let NewFile { path, modified, executable, .. } = &self.file;
        let (modified, executable) = (modified.unwrap_or_else(now), *executable);
        let version = self.published.fetch_add(1, Ordering::Relaxed);
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

/// The output of a server over `store` for a client that sends `input` and then closes its side.
fn converse(store: &Arc<Memory>, mut input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut server = Server::new(Arc::default());
    let mut files = Session::new(Arc::clone(store), Identity::nobody());
    let mut said = Vec::new();
    loop {
        match server.poll(Duration::ZERO) {
            Output::Read(_) => {
                let count = input.read(server.read_space())?;
                server.received(count)?;
            }
            Output::Write(segments) => {
                let count = said.write(segments.first())?;
                server.sent(count)?;
            }
            Output::Perform(effect) => {
                let outcome = files.perform(effect);
                server.performed(outcome)?;
            }
            Output::Event(_) => server.acknowledge()?,
            Output::CloseWrite => server.write_closed()?,
            Output::Receive { .. } | Output::Send { .. } => {
                unreachable!("pass-through is off, and a session holds no bytes")
            }
            Output::Closed => return Ok(said),
        }
    }
}

const SCRIPT: &str = "UPLOAD notes.txt modified=2026-11-22T08:31:25Z
DATA 6
hello
END
UPLOAD notes.txt mode=create
UPLOAD notes.txt/below
UPLOAD photos/2026/sea.jpg modified=2026-11-22T09:00:00Z
DATA 3
seaEND
UPLOAD photos
LIST
LIST photos depth=all
DOWNLOAD notes.txt
DOWNLOAD missing.txt
EXIT
";

fn main() -> Result<(), Box<dyn Error>> {
    let said = converse(&Arc::default(), SCRIPT.as_bytes())?;
    println!("The client says:\n\n{SCRIPT}\nThe server says:\n");
    println!("{}", String::from_utf8_lossy(&said));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(store: &Arc<Memory>, input: &str) -> String {
        String::from_utf8(converse(store, input.as_bytes()).unwrap()).unwrap().replace('\r', "")
    }

    /// The last line of the output.
    fn last_line(store: &Arc<Memory>, input: &str) -> String {
        said(store, input).lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_transcript() {
        let expected = r#"HAUL/1 "Welcome" max-data=16777216 pipeline=256
READY
OK size=6 crc64nvme=6a43fb4bad5a5607 version=0
ERR exists "the name is taken"
ERR not-a-file "the name is not a regular file's"
READY
OK size=3 crc64nvme=12eca344dbfad86e version=1
ERR is-directory "the name is a directory's"
FILE "notes.txt" size=6 modified=2026-11-22T08:31:25Z
DIR "photos"
OK entries=2
DIR "photos/2026"
FILE "photos/2026/sea.jpg" size=3 modified=2026-11-22T09:00:00Z
OK entries=2
SENDING size=6 offset=0 length=6 modified=2026-11-22T08:31:25Z version=0
DATA 6
hello
OK length=6 crc64nvme=6a43fb4bad5a5607
ERR not-found "nothing of this name is served; LIST shows what is"
OK "bye"
"#;
        assert_eq!(said(&Arc::default(), SCRIPT), expected);
    }

    #[test]
    fn what_did_not_end_is_not_there() {
        let store = Arc::default();
        said(&store, "UPLOAD a\nDATA 5\nhello");
        assert_eq!(last_line(&store, "LIST\n"), "OK entries=0");
    }

    #[test]
    fn listings_go_as_deep_as_they_are_told() {
        let store = Arc::default();
        for path in ["a/b/c", "a/b-c", "a.b", "ab/c"] {
            said(&store, &format!("UPLOAD {path}\nEND\n"));
        }
        for (list, entries) in [
            ("", 3),
            ("depth=2", 6),
            ("depth=3", 7),
            ("depth=all", 7),
            ("a", 2),
            ("a depth=2", 3),
            ("a/b/c", 1),
        ] {
            assert_eq!(
                last_line(&store, &format!("LIST {list}\n")),
                format!("OK entries={entries}")
            );
        }
        assert!(last_line(&store, "LIST b\n").starts_with("ERR not-found"));
        assert!(last_line(&store, "DOWNLOAD a/b\n").starts_with("ERR is-directory"));
    }

    #[test]
    fn the_name_is_taken_by_who_publishes_first() {
        let store = Memory::default();
        let path = FilePath::parse("a").unwrap();
        let file = NewFile {
            path: path.clone(),
            mode: Mode::Create,
            if_match: None,
            size: None,
            modified: None,
            executable: false,
            durable: false,
        };
        let (mut first, mut second) = (store.create(&file).unwrap(), store.create(&file).unwrap());
        first.write(0, b"first").unwrap();
        first.publish(Checksum::of(b"first")).unwrap();
        let error = second.publish(Checksum::EMPTY).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Exists);

        let mut reader = store.open(&path).unwrap();
        let file = NewFile { mode: Mode::Replace, ..file };
        store.create(&file).unwrap().publish(Checksum::EMPTY).unwrap();
        assert_eq!(reader.read(1, 3).unwrap(), "irs");
        assert_eq!(store.open(&path).unwrap().opened().size, Some(0));
    }
}

//! A file of the directory that is being received.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

use haul_core::{Checksum, FilePath, Mode, StoreError, StoreErrorKind};
use rustix::fs::{FileType, fsync};
use rustix::io::Errno;

use super::beneath::Root;
use super::budget::Place;
use super::checksums::dates_mapped_writes;
use super::flush::{Flushes, flush};
use super::parent::{self, Nearest, Parent};
use super::{Shared, staging};
use crate::error::{failed, misuse};
use crate::stat::{FileId, Stat};
use crate::temporary::{Temporary, other_file_system, replaceable, require_writable};
use crate::{Held, NewFile, Staged};

/// How often directories are made anew because somebody removed them before the file was in them.
const MAX_REMOVED: usize = 16;

/// A file on its way into a [`Directory`](crate::Directory).
#[derive(Debug)]
pub struct DirectoryStaged {
    shared: Arc<Shared>,
    path: FilePath,
    mode: Mode,
    temporary: Temporary,
    /// The directory that it was made in.
    staging: FileId,
    /// Once it is published: where.
    published: Option<Parent>,
    /// The last flush that had failed when it was begun.
    last_failed: Option<u64>,
    /// What it takes beside other files of its session.
    _place: Option<Place>,
}

impl DirectoryStaged {
    pub(super) fn begin(shared: Arc<Shared>, file: &NewFile) -> Result<Self, StoreError> {
        shared.require_served(&file.path)?;
        let area = staging::area(&shared)?;
        refuse_early(&shared.root, area.id, file)?;
        let name = file.path.escaped().to_string();
        let (path, mode, staging) = (file.path.clone(), file.mode, area.id);
        let temporary = area.create(file, &name)?;
        let last_failed = shared.last_failed();
        Ok(Self {
            shared,
            path,
            mode,
            temporary,
            staging,
            published: None,
            last_failed,
            _place: None,
        })
    }

    pub(super) fn beside(self, place: Place) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// Publishes in `parent`. Answers whether that was still there.
    fn publish_in(&mut self, parent: &mut Parent) -> Result<bool, StoreError> {
        let (directory, name) = (parent.directory(), OsStr::new(self.path.file_name()));
        let published = self.temporary.publish(directory, name, self.mode)?;
        if published {
            parent.keep();
        }
        Ok(published)
    }
}

/// Finds what would keep `file` from being published, so that nobody sends it in vain; publication decides anew.
fn refuse_early(root: &Root, staging: FileId, file: &NewFile) -> Result<(), StoreError> {
    let path = &file.path;
    let Nearest { directory, id, missing } =
        parent::nearest(root, path, staging).map_err(|errno| cannot_create(path, errno))?;
    match missing.last() {
        None => {
            replaceable(&directory, path.file_name().as_ref(), file.mode, path.escaped())?;
        }
        Some(name) if leads_nowhere(&directory, name, staging) => {
            let detail = format!("{} is below a name that leads nowhere", path.escaped());
            return Err(StoreError::new(StoreErrorKind::NotFound, detail));
        }
        Some(_) => {}
    }
    require_writable(&directory, path.escaped())?;
    if id.same_device(staging) { Ok(()) } else { Err(other_file_system(path.escaped())) }
}

/// Whether a name beneath which nothing was found is a link, or the staging area mounted once more. No directory can be made there.
fn leads_nowhere(directory: &OwnedFd, name: &str, staging: FileId) -> bool {
    Stat::at(directory, name)
        .is_ok_and(|stat| stat.file_type == FileType::Symlink || stat.id() == staging)
}

fn cannot_create(path: &FilePath, errno: Errno) -> StoreError {
    failed(format_args!("create {}", path.escaped()), errno)
}

impl Staged for DirectoryStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.temporary.write(offset, data)
    }

    fn held(&mut self) -> Option<&mut Held> {
        self.temporary.held()
    }

    fn write_held(&mut self, offset: u64, length: usize) -> Result<Checksum, StoreError> {
        self.temporary.write_held(offset, length)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.temporary.sync()
    }

    fn publish(&mut self, checksum: Checksum) -> Result<(), StoreError> {
        for _ in 0..MAX_REMOVED {
            let durable = self.temporary.is_synced();
            let mut parent = match Parent::make(&self.shared, &self.path, self.staging, durable) {
                Err(Errno::NOENT) => continue,
                made => made.map_err(|errno| cannot_create(&self.path, errno))?,
            };
            if self.publish_in(&mut parent)? {
                self.published = Some(parent);
                // Without an older time it has not settled.
                if self.temporary.is_dated()
                    && dates_mapped_writes(self.temporary.file())
                    && let Ok(stat) = Stat::of(self.temporary.file())
                {
                    self.shared.checksums().insert(&stat.version, checksum);
                }
                return Ok(());
            }
        }
        let detail = format!(
            "cannot create {}: its directory or its staging file is removed again and again",
            self.path.escaped()
        );
        Err(StoreError::new(StoreErrorKind::Io, detail))
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        let Some(parent) = &self.published else {
            return Err(misuse("the file has not been published"));
        };
        self.shared.wait_for_directories();
        fsync(parent.directory()).map_err(|errno| cannot_keep(&self.path, errno))
    }
}

/// Brings the bytes of several files to stable storage: by one flush, if that is as good.
pub(super) fn sync(shared: &Shared, files: &mut [DirectoryStaged]) -> Result<(), StoreError> {
    let Some(flushes) = shared.flushes.as_ref().filter(|_| files.len() > 1) else {
        return files.iter_mut().try_for_each(Staged::sync);
    };
    files.iter().try_for_each(|file| file.temporary.finish_writing())?;
    let outcome = flushes.flush(|| flush(&shared.root));
    let last_failed = flushes.last_failed();
    let note = |file: &mut DirectoryStaged| {
        // The failure may have been for this file's bytes, though others were told of it.
        let trusted = file.last_failed == last_failed;
        file.temporary.note_sync(if trusted { outcome } else { Err(Errno::IO) })
    };
    files.iter_mut().map(note).fold(Ok(()), Result::and)
}

/// Brings the names of several files to stable storage: by one sync of their directory or, if they are in several, by one flush.
pub(super) fn sync_directories(
    shared: &Shared,
    files: &mut [DirectoryStaged],
) -> Result<(), StoreError> {
    let [first, others @ ..] = files else { return Ok(()) };
    let parent = |file: &DirectoryStaged| file.published.as_ref().map(Parent::id);
    let one = others.iter().all(|file| parent(file) == parent(first));
    match &shared.flushes {
        _ if one => first.sync_directory(),
        Some(flushes) => {
            shared.wait_for_directories();
            flushes.flush(|| flush(&shared.root)).map_err(|errno| cannot_keep(&first.path, errno))
        }
        None => files.iter_mut().try_for_each(Staged::sync_directory),
    }
}

fn cannot_keep(path: &FilePath, errno: Errno) -> StoreError {
    failed(format_args!("bring {} to stable storage", path.escaped()), errno)
}

impl Shared {
    fn last_failed(&self) -> Option<u64> {
        self.flushes.as_ref().and_then(Flushes::last_failed)
    }

    /// Another upload may have made a directory above a file a moment ago; until that one is on stable storage the file is not either.
    fn wait_for_directories(&self) {
        drop(self.making.read().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use haul_core::{FilePath, Mode};

    use super::*;
    use crate::Store;
    use crate::directory::{Directory, Options};

    /// The kernel tells a loss once. Whoever was told, all that was staged then is lost.
    #[test]
    fn a_flush_that_failed_for_others_is_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let store = Directory::open(directory.path(), Options::default()).unwrap();
        let Some(flushes) = &store.0.flushes else { return };
        let create = |name| {
            let path = FilePath::parse(name).unwrap();
            store
                .create(&NewFile {
                    path,
                    mode: Mode::Replace,
                    size: None,
                    modified: None,
                    executable: false,
                    durable: false,
                })
                .unwrap()
        };
        let mut before = [create("a"), create("b")];
        flushes.flush(|| Err(Errno::IO)).unwrap_err();
        let mut after = [create("c"), create("d")];
        assert_eq!(store.sync(&mut before).unwrap_err().kind, StoreErrorKind::Io);
        for file in &mut before {
            assert_eq!(file.publish(Checksum::EMPTY).unwrap_err().kind, StoreErrorKind::Io);
        }
        store.sync(&mut after).unwrap();
        for file in &mut after {
            file.publish(Checksum::EMPTY).unwrap();
        }
        store.sync_directories(&mut after).unwrap();
    }
}

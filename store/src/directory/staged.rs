//! A file of the directory that is being uploaded.

use std::ffi::OsStr;
use std::sync::Arc;

use haul_core::account::Right;
use haul_core::{Checksum, FilePath, Mode, StoreError, StoreErrorKind, Version};
use rustix::io::Errno;

use super::checksums::dates_mapped_writes;
use super::flush::Flushes;
use super::parent::{self, Nearest, Parent, leads_nowhere};
use super::shared::{MAX_MOVED, Shared};
use crate::atomic_file::{AtomicFile, replaceable};
use crate::budget::Permit;
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, forbidden, misuse};
use crate::name_locks;
use crate::stat::Stat;
use crate::{NewFile, PassThrough, Staged};

/// A file that is being stored in a [`Directory`](crate::Directory).
#[derive(Debug)]
pub struct DirectoryStaged {
    shared: Arc<Shared>,
    pub(super) path: FilePath,
    mode: Mode,
    if_match: Option<Version>,
    pub(super) atomic_file: AtomicFile,
    /// Whether it has its name, in the directory of `atomic_file`.
    published: bool,
    /// The number of the last flush that had failed when the file was started.
    last_failed: Option<u64>,
    /// The permit for a file beyond the first of its session.
    _permit: Option<Permit>,
}

impl DirectoryStaged {
    /// Creates the file in its final directory, or in the nearest existing one above. It reports here what would
    /// prevent publication, so that nobody sends the file in vain; publication checks again.
    pub(super) fn begin(shared: &Arc<Shared>, file: &NewFile) -> Result<Self, StoreError> {
        if let Some(wanted) = &file.if_match {
            let path = &file.path;
            let found = shared.root.locate(path.as_str().as_ref());
            let found = found.and_then(|found| shared.require_version(path, found.stat, wanted));
            found.map_err(|errno| cannot_create(path, errno))??;
        }
        for _ in 0..MAX_MOVED {
            match Self::begin_once(Arc::clone(shared), file) {
                // The directory was removed after it was found.
                Err(error) if error.kind == StoreErrorKind::NotFound => {}
                begun => return begun,
            }
        }
        Self::begin_once(Arc::clone(shared), file)
    }

    fn begin_once(shared: Arc<Shared>, file: &NewFile) -> Result<Self, StoreError> {
        let path = &file.path;
        let last_failed = shared.last_failed();
        let Nearest { handle, missing } =
            parent::nearest(&shared, path).map_err(|errno| cannot_create(path, errno))?;
        let name = OsStr::new(path.file_name());
        if !missing.is_empty() && !shared.makes_parents {
            return Err(forbidden(Right::MakeDirectory));
        }
        let replaces = match missing.last() {
            None => replaceable(&handle, name, file.mode, path.escaped())?.map(|_| name),
            Some(name) if leads_nowhere(&handle, name) => {
                let detail = format!("{} is below a name that leads nowhere", path.escaped());
                return Err(StoreError::new(StoreErrorKind::NotFound, detail));
            }
            Some(_) => None,
        };
        let shown = path.escaped().to_string();
        let atomic_file = AtomicFile::create(Arc::new(handle), file, replaces, shown)?;
        let (path, mode, if_match) = (path.clone(), file.mode, file.if_match);
        Ok(Self {
            shared,
            path,
            mode,
            if_match,
            atomic_file,
            published: false,
            last_failed,
            _permit: None,
        })
    }

    pub(super) fn with_permit(self, permit: Permit) -> Self {
        Self { _permit: Some(permit), ..self }
    }

    /// Publishes beneath the shared directory as it is now. Returns whether all directories of the path stayed in
    /// place.
    fn publish_once(&mut self) -> Result<bool, StoreError> {
        let made = Parent::make(&self.shared, &self.path, |errno| cannot_create(&self.path, errno));
        let Some(mut parent) = made? else { return Ok(false) };
        let name = OsStr::new(self.path.file_name());
        let _locked = name_locks::lock([(parent.handle().id(), name)]);
        if let Some(wanted) = &self.if_match {
            let found = Stat::at(parent.handle(), name)
                .and_then(|found| self.shared.require_version(&self.path, found, wanted));
            found.map_err(|errno| cannot_create(&self.path, errno))??;
        }
        if !self.atomic_file.publish(parent.handle(), name, self.mode)? {
            return Ok(false);
        }
        // Only now it is certain that nobody moved the directory away before the file was in it.
        if self.shared.leads_to(self.path.parent().as_ref(), parent.handle().id()) {
            parent.keep();
            return Ok(true);
        }
        self.atomic_file.take_back(name).map_err(|errno| cannot_create(&self.path, errno))?;
        Ok(false)
    }

    /// The directory that it is in.
    pub(super) fn directory(&self) -> &Arc<DirectoryHandle> {
        self.atomic_file.directory()
    }

    /// Fsyncs the name.
    pub(super) fn sync_name(&self) -> Result<(), StoreError> {
        if !self.published {
            return Err(misuse("the file has not been published"));
        }
        let (file, root) = (self.atomic_file.file(), self.shared.location.id());
        let shown = self.path.escaped().to_string();
        let synced = self.atomic_file.directory().sync_name(file, root, &shown);
        synced.map_err(|errno| cannot_keep(&self.path, errno))
    }
}

fn cannot_create(path: &FilePath, errno: Errno) -> StoreError {
    failed(format_args!("create {}", path.escaped()), errno)
}

impl Staged for DirectoryStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.atomic_file.write(offset, data)
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.atomic_file.pass_through()
    }

    fn write_received(&mut self, offset: u64, length: usize) -> Result<Checksum, StoreError> {
        self.atomic_file.write_received(offset, length)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.atomic_file.sync()
    }

    fn publish(&mut self, checksum: Checksum) -> Result<Option<Version>, StoreError> {
        self.shared.location.require()?;
        for _ in 0..MAX_MOVED {
            if self.publish_once()? {
                self.published = true;
                let Ok(stat) = Stat::of(self.atomic_file.file()) else { return Ok(None) };
                // Without an older time the version has not settled.
                if self.atomic_file.is_dated() && dates_mapped_writes(self.atomic_file.file()) {
                    self.shared.checksums().insert(&stat.version, checksum);
                }
                return Ok(stat.version.word());
            }
        }
        let detail = format!(
            "cannot create {}: its directory or its temporary file is moved or removed again and again",
            self.path.escaped()
        );
        Err(StoreError::new(StoreErrorKind::Io, detail))
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        self.sync_name()
    }
}

/// Syncs the bytes of several files: with one flush, if that is as good.
pub(super) fn sync(shared: &Shared, files: &mut [DirectoryStaged]) -> Result<(), StoreError> {
    let Some(queue) = shared.flushes.as_ref().filter(|_| files.len() > 1) else {
        return files.iter_mut().try_for_each(Staged::sync);
    };
    let (mut together, mut alone): (Vec<_>, Vec<_>) =
        files.iter_mut().partition(|file| shared.flushes(file.atomic_file.directory()));
    alone.iter_mut().try_for_each(|file| file.sync())?;
    together.iter_mut().try_for_each(|file| file.atomic_file.finish_writing())?;
    let outcome = shared.flush(queue);
    let last_failed = queue.last_failed();
    let mut noted = Ok(());
    for file in together {
        // The failure may be about this file's bytes, even though it was reported to others.
        let trusted = file.last_failed == last_failed;
        let synced = if trusted { outcome } else { Err(Errno::IO) };
        noted = noted.and(file.atomic_file.note_sync(synced));
    }
    noted
}

pub(super) fn cannot_keep(path: &FilePath, errno: Errno) -> StoreError {
    failed(format_args!("bring {} to stable storage", path.escaped()), errno)
}

impl Shared {
    fn last_failed(&self) -> Option<u64> {
        self.flushes.as_ref().and_then(|flushes| flushes.last_failed())
    }

    /// Whether a flush covers files in `directory`.
    pub(super) fn flushes(&self, directory: &DirectoryHandle) -> bool {
        self.flushes.is_some() && directory.id().same_device(self.location.id())
    }

    pub(super) fn flush(&self, queue: &Flushes) -> Result<(), Errno> {
        queue.flush(|| self.file_system.flush(&self.root))
    }
}
#[cfg(test)]
mod tests {
    use haul_core::{FilePath, Mode};

    use super::*;
    use crate::Store;
    use crate::directory::{Directory, Options};

    /// The kernel reports a loss once. Whoever got the report, every file that was staged then is lost.
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
                    if_match: None,
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
        store.sync_directories(&mut after, &mut []).unwrap();
    }
}

//! A file of the directory that is being received.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

use haul_core::{Checksum, FilePath, Mode, StoreError, StoreErrorKind};
use rustix::fs::{FileType, fsync};
use rustix::io::Errno;

use super::beneath::Root;
use super::parent::{self, Parent};
use super::{Shared, staging};
use crate::error::{failed, misuse};
use crate::stat::Stat;
use crate::temporary::{Temporary, replaceable, require_writable};
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
    /// Once it is published: where.
    published: Option<Parent>,
}

impl DirectoryStaged {
    pub(super) fn begin(shared: Arc<Shared>, file: &NewFile) -> Result<Self, StoreError> {
        shared.require_served(&file.path)?;
        let place = refuse_early(&shared, file)?;
        let name = file.path.escaped().to_string();
        let temporary = staging::create(&shared.root, file, &name)?;
        let (path, mode) = (file.path.clone(), file.mode);
        let staged = Self { shared, path, mode, temporary, published: None };
        let ids = Stat::of(place)
            .and_then(|place| Ok((place.id(), Stat::of(staged.temporary.directory())?.id())));
        let (place, staging) = ids.map_err(|errno| cannot_create(&staged.path, errno))?;
        if !place.same_device(staging) {
            return Err(other_file_system(&staged.path));
        }
        Ok(staged)
    }

    /// Publishes in `parent`. Answers whether that was still there.
    fn publish_in(&mut self, parent: &mut Parent) -> Result<bool, StoreError> {
        let (directory, name) = (parent.directory(), OsStr::new(self.path.file_name()));
        let permissions = replaceable(directory, name, self.mode, self.path.escaped())?;
        self.temporary.prepare(permissions)?;
        match self.temporary.rename(directory, name, self.mode) {
            Ok(()) => {
                parent.keep();
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::XDEV) => Err(other_file_system(&self.path)),
            Err(errno) => Err(cannot_create(&self.path, errno)),
        }
    }
}

/// Finds what would keep `file` from being published, so that nobody sends it in vain; publication decides anew. Answers the innermost directory above it that is there.
fn refuse_early(shared: &Shared, file: &NewFile) -> Result<OwnedFd, StoreError> {
    let path = &file.path;
    let (directory, missing) =
        parent::nearest(&shared.root, path).map_err(|errno| cannot_create(path, errno))?;
    match missing.last() {
        None => {
            replaceable(&directory, path.file_name().as_ref(), file.mode, path.escaped())?;
        }
        Some(name) if leads_nowhere(&shared.root, &directory, name) => {
            let detail = format!("{} is below a name that leads nowhere", path.escaped());
            return Err(StoreError::new(StoreErrorKind::NotFound, detail));
        }
        Some(_) => {}
    }
    require_writable(&directory, path.escaped())?;
    Ok(directory)
}

/// Whether a name beneath which nothing was found is a link, or the staging area mounted once more. No directory can be made there.
fn leads_nowhere(root: &Root, directory: &OwnedFd, name: &str) -> bool {
    Stat::at(directory, name).is_ok_and(|stat| {
        stat.file_type == FileType::Symlink || root.staging_id() == Some(stat.id())
    })
}

fn cannot_create(path: &FilePath, errno: Errno) -> StoreError {
    failed(format_args!("create {}", path.escaped()), errno)
}

fn other_file_system(path: &FilePath) -> StoreError {
    let detail = format!(
        "cannot create {}: it would be on another file system than the staging area",
        path.escaped()
    );
    StoreError::new(StoreErrorKind::Denied, detail)
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
            let mut parent = match Parent::make(&self.shared, &self.path, durable) {
                Err(Errno::NOENT) => continue,
                made => made.map_err(|errno| cannot_create(&self.path, errno))?,
            };
            if self.publish_in(&mut parent)? {
                self.published = Some(parent);
                if let Ok(stat) = Stat::of(self.temporary.file()) {
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
        // Another upload may have made a directory above this file a moment ago; until that one is on stable storage this file is not either.
        drop(self.shared.making.read().unwrap_or_else(PoisonError::into_inner));
        fsync(parent.directory()).map_err(|errno| {
            failed(format_args!("bring {} to stable storage", self.path.escaped()), errno)
        })
    }
}

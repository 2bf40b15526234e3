//! The staging area: where files are until they are published.
//!
//! It is a directory in the shared one, so that it is on the same file system. Where files can be without a name, they have none in it. Where they cannot, whoever writes a file in it holds a lock
//! on that file, which the kernel takes away when the process ends, however it ends: a file that nobody has locked is a leftover. So servers can share a directory, and one can start while another still drains.

use std::ffi::CStr;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError};

use haul_core::{StoreError, StoreErrorKind};
use rustix::fs::{
    Access, AtFlags, Dir, FlockOperation, Mode, OFlags, accessat, flock, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use super::Shared;
use super::beneath::Root;
use crate::NewFile;
use crate::enter::enter;
use crate::error::failed;
use crate::stat::{FileId, Stat};
use crate::temporary::{Temporary, TemporaryName, Workplace};

/// The staging area's name in the shared directory.
pub(crate) const NAME: &str = ".haul-staging";

/// How often a staging file is made anew because a sweep took it for a leftover, in the instant before it was locked.
const MAX_SWEPT: usize = 16;

/// Whether a component of a path is a staging area's name, at any depth (shared directories may lie in one another) and in any case (file systems may not care).
pub(crate) fn is_staging(component: &[u8]) -> bool {
    component.eq_ignore_ascii_case(NAME.as_bytes())
}

/// Whether a component of a path is such a name, or that of a file that is not whole yet. None of these is shown, served or sent.
pub(crate) fn is_temporary(component: &[u8]) -> bool {
    is_staging(component) || TemporaryName::matches(component)
}

/// The staging area, open.
#[derive(Debug, Clone)]
pub(crate) struct Area {
    directory: Arc<Workplace>,
    pub(crate) id: FileId,
}

/// The staging area as it was opened before, if it still is the one.
pub(crate) fn area(shared: &Shared) -> Result<Area, StoreError> {
    let mut known = shared.staging.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(area) = known.as_ref().filter(|area| shared.root.staging_id() == Some(area.id)) {
        return Ok(area.clone());
    }
    let opened = open(&shared.root).and_then(Area::new).map_err(cannot_use)?;
    Ok(known.insert(opened).clone())
}

impl Area {
    fn new(directory: OwnedFd) -> Result<Self, Errno> {
        let id = Stat::of(&directory)?.id();
        Ok(Self { directory: Arc::new(Workplace::new(directory)), id })
    }

    /// Makes a staging file for `file`; `name` is for errors.
    pub(crate) fn create(&self, file: &NewFile, name: &str) -> Result<Temporary, StoreError> {
        for _ in 0..MAX_SWEPT {
            let directory = Arc::clone(&self.directory);
            // The name is not at fault.
            let temporary =
                Temporary::create(directory, file, name.to_owned()).map_err(|error| {
                    let detail = format!("{}, in the staging area {NAME}", error.detail);
                    StoreError { detail: detail.into(), ..error }
                })?;
            if temporary.is_nameless() || is_mine(&temporary) {
                return Ok(temporary);
            }
        }
        Err(StoreError::new(StoreErrorKind::Io, format!("cannot create {name}: it is swept away")))
    }
}

/// Makes sure that files can be staged, and removes what a crash left. A disk that is full or fails may get better: it is told to the log, and is no reason not to serve.
pub(crate) fn prepare(root: &Root) -> io::Result<Option<Area>> {
    let area = match open_writable(root).and_then(Area::new).map_err(cannot_use) {
        Err(error) if error.kind == StoreErrorKind::Denied => {
            return Err(io::Error::new(ErrorKind::PermissionDenied, error));
        }
        opened => opened,
    };
    let swept = area.and_then(|area| match sweep(&area.directory) {
        Ok(files) => Ok((area, files)),
        Err(errno) => Err(cannot_use(errno)),
    });
    match swept {
        Ok((area, files)) => {
            if files > 0 {
                tracing::info!(files, "removed unfinished uploads that an earlier run left");
            }
            Ok(Some(area))
        }
        Err(error) => {
            tracing::warn!("uploads will be refused as long as this lasts: {error}");
            Ok(None)
        }
    }
}

fn open_writable(root: &Root) -> Result<OwnedFd, Errno> {
    let directory = open(root)?;
    accessat(&directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
    Ok(directory)
}

fn open(root: &Root) -> Result<OwnedFd, Errno> {
    match enter(root, NAME) {
        Err(Errno::NOENT) => match mkdirat(root, NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => enter(root, NAME),
            Err(errno) => Err(errno),
        },
        opened => opened,
    }
}

fn sweep(directory: impl AsFd) -> Result<u64, Errno> {
    let mut swept = 0;
    let directory = directory.as_fd();
    let mut entries = Dir::read_from(directory)?;
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let name = entry.file_name();
        // What is not ours stays, whoever put it here.
        if !TemporaryName::matches(name.to_bytes()) {
            continue;
        }
        // The lock is held until the name is gone, or else a writer could take it in between.
        let Ok(_locked) = lock_leftover(directory, name) else {
            continue;
        };
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => swept += 1,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(swept)
}

/// Takes the lock of a staging file whose writer is gone.
fn lock_leftover(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    // Some network file systems lock only what is open for writing.
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Locks a staging file that was just made, unless a sweep was faster.
fn is_mine(temporary: &Temporary) -> bool {
    match temporary.lock() {
        Ok(()) => Stat::of(temporary.file()).is_ok_and(|stat| stat.links > 0),
        // A sweep looks at it right now.
        Err(Errno::WOULDBLOCK) => false,
        // There are no locks on this file system, so no sweep can remove anything.
        Err(_) => true,
    }
}

/// Whatever stands in the way of the staging area, it is not the name that the peer gave.
fn cannot_use(errno: Errno) -> StoreError {
    let error = failed(format_args!("use the staging area {NAME}"), errno);
    match error.kind {
        StoreErrorKind::NoSpace | StoreErrorKind::Io => error,
        _ => StoreError { kind: StoreErrorKind::Denied, ..error },
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use haul_core::{FilePath, Mode};
    use rustix::fs::fcntl_getfl;
    use rustix::io::{FdFlags, fcntl_getfd};
    use tempfile::TempDir;

    use super::*;

    const LEFTOVER: &str = ".haul-0123456789abcdef";

    /// A shared directory on tmpfs, where staged files have names, its staging area open, and a name in that.
    fn area() -> (TempDir, Root, OwnedFd, PathBuf) {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let root = Root::open(directory.path()).unwrap();
        let area = open(&root).unwrap();
        let leftover = directory.path().join(NAME).join(LEFTOVER);
        (directory, root, area, leftover)
    }

    #[test]
    fn leftovers_are_counted() {
        let (_directory, _root, area, leftover) = area();
        fs::write(&leftover, "torn").unwrap();
        fs::write(leftover.with_file_name(".haul-0000000000000000"), "torn").unwrap();
        assert_eq!(sweep(&area), Ok(2));
        assert_eq!(sweep(&area), Ok(0));
    }

    #[test]
    fn a_link_is_no_leftover() {
        let (directory, _root, area, leftover) = area();
        fs::write(directory.path().join("file"), "x").unwrap();
        symlink("../file", &leftover).unwrap();
        assert_eq!(sweep(&area), Ok(0));
        assert!(leftover.is_symlink());
    }

    #[test]
    fn a_leftover_is_neither_waited_for_nor_inherited() {
        let (_directory, _root, area, leftover) = area();
        fs::write(&leftover, "torn").unwrap();
        let name = CString::new(LEFTOVER).unwrap();
        let locked = lock_leftover(&area, &name).unwrap();
        assert!(fcntl_getfl(&locked).unwrap().contains(OFlags::NONBLOCK));
        assert_eq!(fcntl_getfd(&locked).unwrap(), FdFlags::CLOEXEC);
        assert_eq!(lock_leftover(&area, &name).unwrap_err(), Errno::WOULDBLOCK);
    }

    #[test]
    fn what_a_sweep_took_is_not_mine() {
        let (directory, root, area, _) = area();
        let path = FilePath::parse("file").unwrap();
        let file = NewFile {
            path,
            mode: Mode::Replace,
            size: None,
            modified: None,
            executable: false,
            durable: false,
        };
        let workplace = Arc::new(Workplace::new(open(&root).unwrap()));
        let temporary = Temporary::create(workplace, &file, "file".into()).unwrap();
        let staged = fs::read_dir(directory.path().join(NAME)).unwrap().next().unwrap().unwrap();
        let name = CString::new(staged.file_name().into_encoded_bytes()).unwrap();

        let sweep = lock_leftover(&area, &name).unwrap();
        assert!(!is_mine(&temporary));
        drop(sweep);
        assert!(is_mine(&temporary));
        fs::remove_file(staged.path()).unwrap();
        assert!(!is_mine(&temporary));
    }

    #[test]
    fn whatever_is_in_the_way_is_not_the_name() {
        assert_eq!(cannot_use(Errno::NOSPC).kind, StoreErrorKind::NoSpace);
        assert_eq!(cannot_use(Errno::IO).kind, StoreErrorKind::Io);
        assert_eq!(cannot_use(Errno::NOTDIR).kind, StoreErrorKind::Denied);
        assert_eq!(cannot_use(Errno::LOOP).kind, StoreErrorKind::Denied);
    }
}

//! Removes temporary files that a crash left.
//!
//! Whoever writes a temporary file holds a lock on it. The kernel releases the lock when the process ends, however it
//! ends, so a file without a lock is a leftover. So servers and clients can work in one directory, and a server can
//! start while another one still drains. Names of this process are known to be in use, even before they are locked.

use std::collections::HashSet;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;

use super::name::TemporaryName;
use crate::directory_handle::DirectoryHandle;
use crate::entries::Entries;
use crate::stat::{FileId, Stat};

/// The maximum number of directories to remember. Beyond it some are swept again.
const MAX_SWEPT: usize = 4096;

static SWEPT: Mutex<Option<HashSet<FileId>>> = Mutex::new(None);

/// Sweeps a directory in which a file gets a temporary name, unless this process has swept it before.
pub(super) fn sweep_once(handle: &DirectoryHandle) {
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let swept_before = swept.get_or_insert_default();
    if swept_before.len() >= MAX_SWEPT {
        swept_before.clear();
    }
    let first = swept_before.insert(handle.id());
    drop(swept);
    if first && let Ok(directory) = handle.reopened() {
        // A failure does not matter to the file that is about to be created.
        let _ = sweep(directory, |_| {}).inspect(|files| log_removed(*files));
    }
}

/// Logs the number of files that were removed.
pub(crate) fn log_removed(files: u64) {
    if files > 0 {
        tracing::info!(files, "removed unfinished files that an earlier run left");
    }
}

/// Removes the leftovers in a directory. Returns their number; calls `directories` with the name of each subdirectory.
pub(crate) fn sweep(directory: OwnedFd, mut directories: impl FnMut(&CStr)) -> Result<u64, Errno> {
    let mut swept = 0;
    let mut entries = Entries::of(directory);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let (name, kind) = (entry.name(), entry.file_type);
        // Files of others stay.
        if TemporaryName::matches(name.to_bytes())
            && matches!(kind, FileType::RegularFile | FileType::Unknown)
        {
            swept += u64::from(remove_leftover(&entries, name)?);
        } else if !entry.is_dot()
            && (kind == FileType::Directory
                || kind == FileType::Unknown && is_directory(&entries, name))
        {
            directories(name);
        }
    }
    Ok(swept)
}

fn is_directory(directory: impl AsFd, name: &CStr) -> bool {
    Stat::at(directory, name).is_ok_and(|stat| stat.file_type == FileType::Directory)
}

fn remove_leftover(directory: impl AsFd, name: &CStr) -> Result<bool, Errno> {
    if name.to_str().is_ok_and(TemporaryName::is_in_use) {
        return Ok(false);
    }
    // The lock is held until the name is gone, so that no writer can take the name in between.
    let Ok(_locked) = lock_leftover(&directory, name) else {
        return Ok(false);
    };
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Locks a temporary file whose writer is gone.
fn lock_leftover(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    // Some network file systems lock only files that are open for writing.
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    if Stat::of(&file)?.file_type != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use rustix::fs::{CWD, fcntl_getfl};
    use rustix::io::{FdFlags, fcntl_getfd};
    use tempfile::TempDir;

    use super::*;

    const LEFTOVER: &CStr = c".haul-0123456789abcdef";

    fn opened(directory: &TempDir) -> OwnedFd {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        openat(CWD, directory.path(), flags, Mode::empty()).unwrap()
    }

    fn leftover(directory: &TempDir) -> PathBuf {
        directory.path().join(LEFTOVER.to_str().unwrap())
    }

    #[test]
    fn leftovers_are_counted_and_directories_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(leftover(&directory), "torn").unwrap();
        fs::write(directory.path().join(".haul-0000000000000000"), "torn").unwrap();
        fs::write(directory.path().join(".haul-mine"), "not ours").unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        let mut below = Vec::new();
        assert_eq!(sweep(opened(&directory), |name| below.push(name.to_owned())), Ok(2));
        assert_eq!(below, [c"below".to_owned()]);
        assert_eq!(sweep(opened(&directory), |_| {}), Ok(0));
    }

    #[test]
    fn a_link_is_no_leftover() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "x").unwrap();
        symlink("file", leftover(&directory)).unwrap();
        assert_eq!(sweep(opened(&directory), |_| {}), Ok(0));
        assert!(leftover(&directory).is_symlink());
    }

    #[test]
    fn a_leftover_is_neither_waited_for_nor_inherited() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(leftover(&directory), "torn").unwrap();
        let handle = opened(&directory);
        let locked = lock_leftover(&handle, LEFTOVER).unwrap();
        assert!(fcntl_getfl(&locked).unwrap().contains(OFlags::NONBLOCK));
        assert_eq!(fcntl_getfd(&locked).unwrap(), FdFlags::CLOEXEC);
        assert_eq!(lock_leftover(&handle, LEFTOVER).unwrap_err(), Errno::WOULDBLOCK);
    }

    /// A file has a name before it can be locked.
    #[test]
    fn what_this_process_uses_is_no_leftover() {
        let directory = TempDir::new().unwrap();
        let name = TemporaryName::new();
        let file = directory.path().join(&name.0);
        fs::write(&file, "").unwrap();
        let sweep = || sweep(fs::File::open(directory.path()).unwrap().into(), |_| {}).unwrap();
        assert_eq!((sweep(), file.exists()), (0, true));
        drop(name);
        assert_eq!((sweep(), file.exists()), (1, false));
    }
}

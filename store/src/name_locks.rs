//! Locks on names, for changes that check a name first.
//!
//! The kernel changes a name atomically, but it cannot compare a version first. Whoever compares and changes locks the
//! name, so that nobody else in this process changes it in between.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{RenameFlags, renameat, renameat_with};
use rustix::io::Errno;

use crate::stat::{FileId, Stat};
use crate::unsupported::{self, Unsupported};

/// The names that are locked.
static LOCKED: Mutex<BTreeSet<Name>> = Mutex::new(BTreeSet::new());
static RELEASED: Condvar = Condvar::new();

/// A name in a directory. Names that differ only in case are one, because the file system may be case-insensitive.
type Name = (FileId, String);

/// Names that nobody else in this process can lock until this is dropped.
#[derive(Debug)]
pub(crate) struct NameLocks(BTreeSet<Name>);

/// Waits until none of `names` is locked, and then locks all of them. Different names are independent, so that a file
/// system that hangs delays nobody else.
pub(crate) fn lock<const N: usize>(names: [(FileId, &OsStr); N]) -> NameLocks {
    let names =
        names.map(|(directory, name)| (directory, name.to_string_lossy().to_lowercase())).into();
    let mut locked = locked();
    while !locked.is_disjoint(&names) {
        locked = RELEASED.wait(locked).unwrap_or_else(PoisonError::into_inner);
    }
    locked.extend(names.iter().cloned());
    NameLocks(names)
}

impl Drop for NameLocks {
    fn drop(&mut self) {
        let mut locked = locked();
        for name in &self.0 {
            locked.remove(name);
        }
        drop(locked);
        RELEASED.notify_all();
    }
}

fn locked() -> MutexGuard<'static, BTreeSet<Name>> {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locked while a name is checked and taken, where the file system cannot do both at once.
static TAKING: Mutex<()> = Mutex::new(());

/// Renames `old` in the directory `from`, unless the new name exists: [`Errno::EXIST`]. `shown` is for the log.
pub(crate) fn rename_new(
    from: impl AsFd,
    old: &OsStr,
    to: impl AsFd,
    new: &OsStr,
    shown: &str,
) -> Result<(), Errno> {
    match renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
        Err(errno) if may_be_unsupported(errno) => rename_after_checking(from, old, to, new, shown),
        renamed => renamed,
    }
}

/// Whether an exclusive rename may have failed because the file system does not support it.
pub(crate) fn may_be_unsupported(errno: Errno) -> bool {
    unsupported::is_unsupported(errno) || matches!(errno, Errno::PERM | Errno::IO)
}

/// As [`rename_new`], for a file system without exclusive renames: another program may take the name after the check.
pub(crate) fn rename_after_checking(
    from: impl AsFd,
    old: &OsStr,
    to: impl AsFd,
    new: &OsStr,
    shown: &str,
) -> Result<(), Errno> {
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match Stat::at(&to, new) {
        Ok(_) => return Err(Errno::EXIST),
        Err(Errno::NOENT) => renameat(from, old, &to, new)?,
        Err(errno) => return Err(errno),
    }
    unsupported::warn_once(Unsupported::ExclusiveRename, Stat::of(to)?.id().device(), shown);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    fn id(directory: &tempfile::TempDir) -> FileId {
        Stat::of(File::open(directory.path()).unwrap()).unwrap().id()
    }

    #[test]
    fn a_name_is_held_by_one_and_others_are_free() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, elsewhere) = (id(&here), id(&elsewhere));
        let first = lock([(here, "a".as_ref()), (here, "A".as_ref()), (elsewhere, "b".as_ref())]);
        drop(lock([(here, "b".as_ref()), (elsewhere, "a".as_ref())]));
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            let waits = scope.spawn(move || {
                let _second = lock([(here, "c".as_ref()), (elsewhere, "B".as_ref())]);
                receiver.try_recv().is_ok()
            });
            sender.send(()).unwrap();
            drop(first);
            assert!(waits.join().unwrap(), "it did not wait");
        });
    }

    #[test]
    fn a_look_keeps_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("old"), "old").unwrap();
        fs::write(at("new"), "new").unwrap();
        let handle = File::open(directory.path()).unwrap();
        let rename = |new: &str| {
            rename_after_checking(&handle, "old".as_ref(), &handle, new.as_ref(), "a test")
        };
        assert_eq!(rename("new"), Err(Errno::EXIST));
        assert_eq!(rename("free"), Ok(()));
        assert_eq!(fs::read(at("new")).unwrap(), b"new");
        assert_eq!(fs::read(at("free")).unwrap(), b"old");
    }
}

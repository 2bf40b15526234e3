//! Changes of names, and their fsync.

use std::sync::Arc;

use haul_core::{FilePath, StoreError};
use rustix::io::Errno;

use super::shared::Shared;
use super::staged::{DirectoryStaged, cannot_keep};
use crate::Change;
use crate::budget::Permit;
use crate::directory_handle::DirectoryHandle;
use crate::file_system::FileSystem;

/// A change of names in a [`Directory`](crate::Directory).
#[derive(Debug)]
pub struct DirectoryChange {
    shared: Arc<Shared>,
    /// The changed path, for errors.
    path: FilePath,
    /// The directories to fsync, in this order.
    directories: Vec<Arc<DirectoryHandle>>,
    /// The result of the fsync, if it was done at once.
    outcome: Result<(), StoreError>,
    /// The permit for keeping descriptors open until the commit.
    _permit: Option<Permit>,
}

impl DirectoryChange {
    /// A change in `directories`. The directory with a new name comes before the one that lost a name, so that a power
    /// cut between the two fsyncs leaves the file with both names rather than none.
    pub(super) fn new(
        shared: &Arc<Shared>,
        path: &FilePath,
        mut directories: Vec<Arc<DirectoryHandle>>,
    ) -> Self {
        directories.dedup_by_key(|directory| directory.id());
        let permit = shared.extra_files.take();
        let no_permit = permit.is_none();
        let (shared, path) = (Arc::clone(shared), path.clone());
        let mut change = Self { shared, path, directories, outcome: Ok(()), _permit: permit };
        if no_permit {
            // There are no descriptors to keep open until later.
            change.outcome = change.sync();
            change.directories = Vec::new();
        }
        change
    }

    /// Flushes the file system of `directory`, together with other sessions that want that.
    fn flush(&self, directory: &DirectoryHandle) -> Result<(), Errno> {
        match &self.shared.flushes {
            Some(queue) if self.shared.flushes(directory) => self.shared.flush(queue),
            _ => directory.flush(),
        }
    }

    fn flushes(&self) -> bool {
        self.directories.iter().all(|directory| self.shared.flushes(directory))
    }
}

impl Change for DirectoryChange {
    fn sync(&mut self) -> Result<(), StoreError> {
        self.outcome.clone()?;
        let (root, shown) = (self.shared.location.id(), self.path.escaped().to_string());
        let synced = match &*self.directories {
            // The log of Btrfs would have the new name before it has the removal of the old one; a flush has both.
            [new, _] if new.is_on_btrfs() => self.flush(new),
            directories => {
                directories.iter().try_for_each(|directory| directory.sync_names(root, &shown))
            }
        };
        synced.map_err(|errno| cannot_keep(&self.path, errno))
    }
}

/// Fsyncs the names of files and changes of names: with one fsync of their directory where that is enough, with one
/// flush if they are in several.
pub(super) fn sync_directories(
    shared: &Shared,
    files: &[DirectoryStaged],
    changes: &mut [DirectoryChange],
) -> Result<(), StoreError> {
    changes.iter().try_for_each(|change| change.outcome.clone())?;
    let of_files = files.iter().map(|file| (&file.path, file.directory()));
    let of_changes = changes
        .iter()
        .flat_map(|change| change.directories.iter().map(|directory| (&change.path, directory)));
    let mut directories = of_files.chain(of_changes);
    let Some((path, first)) = directories.next() else { return Ok(()) };
    let in_several = directories.any(|(_, directory)| directory.id() != first.id());
    if !in_several && first.file_system == FileSystem::Journaled && first.syncs_names_together() {
        let synced = first.sync_names(shared.location.id(), &path.escaped().to_string());
        return synced.map_err(|errno| cannot_keep(path, errno));
    }
    let together = files.len() + changes.len() > 1;
    let (mut flushed, mut last) = (None, None);
    for file in files {
        let directory = file.directory();
        if together && shared.flushes(directory) {
            flushed = Some(&file.path);
        } else if last != Some(directory.id()) || !directory.syncs_names_together() {
            file.sync_name()?;
            last = Some(directory.id());
        }
    }
    for change in changes {
        if together && change.flushes() {
            flushed = Some(&change.path);
        } else {
            change.sync()?;
        }
    }
    match (flushed, &shared.flushes) {
        (Some(path), Some(queue)) => shared.flush(queue).map_err(|errno| cannot_keep(path, errno)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use haul_core::Mode;

    use super::*;
    use crate::Store;
    use crate::directory::{Directory, Options};

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    fn directories(change: &DirectoryChange) -> Vec<Option<String>> {
        let name = |directory: &Arc<DirectoryHandle>| {
            let leads_to = |name: &Option<String>| {
                change.shared.leads_to(name.as_deref().map(path).as_ref(), directory.id())
            };
            [None, Some("a".into()), Some("b".into()), Some("b/c".into())]
                .into_iter()
                .find(leads_to)
        };
        change.directories.iter().map(|directory| name(directory).unwrap()).collect()
    }

    /// The directory of the new name comes first, because a power cut may come between the two.
    #[test]
    fn the_directories_of_both_names_are_fsynced() {
        let directory = tempfile::tempdir().unwrap();
        let store = Directory::open(directory.path(), Options::default()).unwrap();
        let rename = |from: &str, to: &str| {
            let change = store.rename(&path(from), &path(to), Mode::Replace, None);
            directories(&change.unwrap())
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(directories(&store.make_directory(&path("b/c")).unwrap()), [some("b")]);
        std::fs::create_dir(directory.path().join("a")).unwrap();
        std::fs::write(directory.path().join("a/file"), "x").unwrap();
        assert_eq!(rename("a/file", "b/c/file"), [some("b/c"), some("a")]);
        assert_eq!(rename("b/c/file", "file"), [None, some("b/c")]);
        assert_eq!(rename("file", "other"), [None]);
        assert_eq!(rename("other", "other"), []);
        assert_eq!(rename("b/c", "a/c"), [some("a"), some("b")]);
        assert_eq!(directories(&store.delete(&path("a/c"), None).unwrap()), [some("a")]);
    }

    #[test]
    fn without_descriptors_a_change_is_fsynced_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = Directory::open(directory.path(), Options::default()).unwrap();
        let taken: Vec<_> = iter::from_fn(|| store.0.extra_files.take()).collect();
        let mut late = store.make_directory(&path("a")).unwrap();
        assert_eq!(directories(&late), []);
        drop(taken);
        let mut changes = [store.make_directory(&path("b")).unwrap()];
        assert_eq!(directories(&changes[0]), [None]);
        store.sync_directories(&mut [], &mut changes).unwrap();
        late.outcome = Err(cannot_keep(&late.path, Errno::IO));
        let both = &mut [changes.into_iter().next().unwrap(), late];
        store.sync_directories(&mut [], both).unwrap_err();
    }
}

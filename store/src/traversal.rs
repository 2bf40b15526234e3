//! Traverses a directory tree with a bounded number of open directories.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haul_core::FilePath;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::budget::{Budget, Permit};
use crate::entries::{DirEntry, Entries};
use crate::error::is_want_of_descriptors;
use crate::stat::{FileId, Stat};

/// The maximum number of directories that one traversal has open. It closes outer directories and opens them again when
/// it returns to them.
const MOST_OPEN: usize = 16;

/// The directories that are being read, each inside the one before.
#[derive(Debug)]
pub(crate) struct Traversal {
    /// The path of the innermost directory; `None` is the root of the traversal.
    path: Option<FilePath>,
    levels: Vec<Level>,
    /// The name, in the innermost directory, of the directory that was left last.
    left: Option<String>,
    /// Whether to stop reading a directory that is moved elsewhere while it is open.
    guarded: bool,
    /// Whether the innermost directory was recently found at its path.
    sure: bool,
    /// Limits the open directories of all traversals together, beyond one each.
    budget: Option<Budget>,
}

#[derive(Debug)]
struct Level {
    id: FileId,
    /// `None` while it is closed.
    entries: Option<Entries>,
    /// The position of the last name that was read, and of the next one, in the file system's own count.
    last: u64,
    next: u64,
    /// Whether no name has been read yet.
    empty: bool,
    permit: Option<Permit>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A name in the innermost directory.
    Entry(DirEntry),
    /// The end of this directory, which is left.
    Left { path: Option<FilePath>, empty: bool },
    /// The rest of this directory cannot be read. It is left.
    Broken { path: Option<FilePath>, errno: Errno },
}

/// Opens a directory by its path.
pub(crate) trait OpenByPath {
    fn open(&self, path: Option<&FilePath>, access: OFlags) -> Result<OwnedFd, Errno>;
}

impl Traversal {
    /// A traversal that has not entered a directory yet.
    pub(crate) fn new(guarded: bool, budget: Option<Budget>) -> Self {
        Self { path: None, levels: Vec::new(), left: None, guarded, sure: true, budget }
    }

    /// The number of nested directories.
    pub(crate) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The path of the innermost directory.
    pub(crate) fn path(&self) -> Option<&FilePath> {
        self.path.as_ref()
    }

    /// Whether a directory is the innermost one or contains it.
    pub(crate) fn contains(&self, id: FileId) -> bool {
        self.levels.iter().any(|level| level.id == id)
    }

    /// The innermost directory, which the last entry came from.
    pub(crate) fn here(&self) -> Result<BorrowedFd<'_>, Errno> {
        let entries = self.levels.last().and_then(|level| level.entries.as_ref());
        entries.map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    /// Makes `directory`, at `path`, the innermost one.
    pub(crate) fn enter(
        &mut self,
        path: Option<FilePath>,
        directory: OwnedFd,
    ) -> Result<(), Errno> {
        let id = Stat::of(&directory)?.id();
        let entries = Some(Entries::of(directory));
        if let (Some(budget), Some(around)) = (&self.budget, self.levels.last_mut()) {
            around.permit = budget.take();
            if around.permit.is_none() {
                around.close();
            }
        }
        if let Some(outermost) = self.levels.len().checked_sub(MOST_OPEN - 1) {
            self.levels[outermost].close();
        }
        self.levels.push(Level { id, entries, last: 0, next: 0, empty: true, permit: None });
        (self.path, self.left, self.sure) = (path, None, true);
        Ok(())
    }

    /// Closes all directories but the innermost one. Returns whether any was open.
    pub(crate) fn close_others(&mut self) -> bool {
        let Some((_, others)) = self.levels.split_last_mut() else { return false };
        others.iter_mut().fold(false, |any, level| level.close() | any)
    }

    /// Notes that the path may lead to something else by now.
    pub(crate) fn doubt(&mut self) {
        self.sure = false;
    }

    /// Continues in the innermost directory. `None` is the end.
    pub(crate) fn next(&mut self, around: &impl OpenByPath) -> Option<Step> {
        loop {
            let read = match self.find(around) {
                Ok(true) => self.levels.last_mut()?.read(),
                Ok(false) => None,
                Err(errno) => Some(Err(errno)),
            };
            return Some(match read {
                Some(Ok(entry)) if entry.is_dot() => continue,
                Some(Ok(entry)) => {
                    self.levels.last_mut()?.empty = false;
                    Step::Entry(entry)
                }
                Some(Err(errno)) => Step::Broken { path: self.leave()?.0, errno },
                None => {
                    let (path, empty) = self.leave()?;
                    Step::Left { path, empty }
                }
            });
        }
    }

    /// Returns to the directory that contains the innermost one. Returns which directory was left, and whether it was
    /// empty.
    fn leave(&mut self) -> Option<(Option<FilePath>, bool)> {
        let level = self.levels.pop()?;
        let path = self.path.take();
        self.path = path.as_ref().and_then(FilePath::parent);
        self.left = path.as_ref().map(|path| path.file_name().to_owned());
        self.sure = false;
        Some((path, level.empty))
    }

    /// Checks that the innermost directory is the one at its path, and opens it if it is closed. Returns whether it
    /// still exists: a removed directory has no more entries.
    fn find(&mut self, around: &impl OpenByPath) -> Result<bool, Errno> {
        let Some(Level { id, entries, .. }) = self.levels.last() else { return Ok(false) };
        let (id, closed) = (*id, entries.is_none());
        // The root stays the same directory, wherever it is moved.
        let doubtful = self.guarded && !self.sure && self.path.is_some();
        if !closed && !doubtful {
            return Ok(true);
        }
        let access = if closed { OFlags::RDONLY } else { OFlags::PATH };
        let path = self.path.clone();
        let open = || around.open(path.as_ref(), access);
        let mut opened = open();
        if matches!(opened, Err(errno) if is_want_of_descriptors(errno)) && self.close_others() {
            opened = open();
        }
        let found = opened.and_then(|directory| {
            if Stat::of(&directory)?.id() == id { Ok(directory) } else { Err(Errno::STALE) }
        });
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        match (found, &level.entries) {
            (Ok(directory), None) => {
                let name = self.left.as_deref().unwrap_or_default();
                level.entries = Some(resumed(directory, level.last, name)?);
            }
            (Ok(_), Some(_)) => {}
            (Err(_), Some(entries)) if Stat::of(entries)?.links == 0 => return Ok(false),
            (Err(errno), _) => return Err(errno),
        }
        self.sure = true;
        Ok(true)
    }
}

impl Level {
    fn read(&mut self) -> Option<Result<DirEntry, Errno>> {
        let entry = self.entries.as_mut()?.next()?;
        if let Ok(entry) = &entry {
            (self.last, self.next) = (self.next, entry.next);
        }
        Some(entry)
    }

    /// Returns whether it was open.
    fn close(&mut self) -> bool {
        self.permit = None;
        self.entries.take().is_some()
    }
}

/// Reads a directory up to and including `name`, which was once at position `last`.
fn resumed(directory: OwnedFd, last: u64, name: &str) -> Result<Entries, Errno> {
    let mut entries = Entries::of(directory);
    entries.seek(last)?;
    if let Some(Ok(entry)) = entries.next()
        && entry.name().to_bytes() == name.as_bytes()
    {
        return Ok(entries);
    }
    // Some file systems restart their count each time a directory is opened.
    entries.seek(0)?;
    for entry in entries.by_ref() {
        if entry?.name().to_bytes() == name.as_bytes() {
            return Ok(entries);
        }
    }
    Err(Errno::STALE)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::iter;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    struct Tree(TempDir);

    impl OpenByPath for Tree {
        fn open(&self, path: Option<&FilePath>, _: OFlags) -> Result<OwnedFd, Errno> {
            let opened = File::open(self.at(path));
            opened.map(OwnedFd::from).map_err(|error| Errno::from_io_error(&error).unwrap())
        }
    }

    impl Tree {
        /// Each directory contains two.
        fn new(depth: usize) -> Self {
            let tree = Self(TempDir::new().unwrap());
            for leaf in 0..1 << depth {
                let path: PathBuf = (0..depth).map(|level| ["a", "b"][leaf >> level & 1]).collect();
                fs::create_dir_all(tree.0.path().join(path)).unwrap();
            }
            tree
        }

        fn at(&self, path: Option<&FilePath>) -> PathBuf {
            self.0.path().join(path.map_or("", FilePath::as_str))
        }

        fn traversal(&self, budget: Option<Budget>) -> Traversal {
            let mut traversal = Traversal::new(true, budget);
            traversal.enter(None, self.open(None, OFlags::RDONLY).unwrap()).unwrap();
            traversal
        }

        fn enter(&self, traversal: &mut Traversal, entry: &DirEntry) {
            let name = entry.name().to_str().unwrap();
            let path =
                traversal.path().map_or_else(|| FilePath::parse(name), |path| path.join(name));
            let path = path.unwrap();
            traversal
                .enter(Some(path.clone()), self.open(Some(&path), OFlags::RDONLY).unwrap())
                .unwrap();
        }
    }

    fn open(traversal: &Traversal) -> usize {
        traversal.levels.iter().filter(|level| level.entries.is_some()).count()
    }

    #[test]
    fn all_is_read_however_few_are_open() {
        let tree = Tree::new(6);
        for (permits, most) in [(None, 7), (Some(2), 3), (Some(0), 1)] {
            let budget = permits.map(Budget::of);
            let mut traversal = tree.traversal(budget.clone());
            let (mut entries, mut left, mut empty) = (0, 0, 0);
            while let Some(step) = traversal.next(&tree) {
                match step {
                    Step::Entry(entry) => {
                        entries += 1;
                        tree.enter(&mut traversal, &entry);
                    }
                    Step::Left { empty: none, .. } => {
                        left += 1;
                        empty += u32::from(none);
                    }
                    Step::Broken { path, errno } => panic!("{path:?}: {errno}"),
                }
                assert!(open(&traversal) <= most);
            }
            assert_eq!((entries, left, empty), (126, 127, 64));
            // Every permit was returned.
            let free = |budget: Budget| iter::from_fn(|| budget.take()).collect::<Vec<_>>().len();
            assert_eq!(budget.map(free), permits);
        }
    }

    #[test]
    fn where_a_directory_was_left_is_found_again() {
        let tree = Tree::new(1);
        for name in 0..50 {
            fs::create_dir(tree.0.path().join(format!("c{name}"))).unwrap();
        }
        let opened = || tree.open(None, OFlags::RDONLY).unwrap();
        let names = |entries: Entries| -> Vec<_> {
            entries.map(|entry| entry.unwrap().name().to_owned()).collect()
        };
        let all = names(Entries::of(opened()));
        for (at, name) in all.iter().enumerate() {
            // The position is wrong, so the name is searched.
            let rest = resumed(opened(), 0, name.to_str().unwrap()).unwrap();
            assert_eq!(names(rest), all[at + 1..]);
        }
        assert_eq!(resumed(opened(), 0, "gone").unwrap_err(), Errno::STALE);
    }

    #[test]
    fn what_is_not_where_it_was_is_not_read_and_what_is_around_it_is() {
        let tree = Tree::new(2);
        let mut traversal = tree.traversal(Some(Budget::of(0)));
        let Some(Step::Entry(first)) = traversal.next(&tree) else { panic!("an entry") };
        tree.enter(&mut traversal, &first);
        let path = traversal.path().cloned();
        let (from, to) = (tree.at(path.as_ref()), tree.0.path().join("elsewhere"));
        fs::rename(&from, &to).unwrap();
        fs::create_dir(&from).unwrap();
        traversal.doubt();
        let Some(Step::Broken { path: broken, errno: Errno::STALE }) = traversal.next(&tree) else {
            panic!("it is another directory")
        };
        assert_eq!(broken, path);
        let Some(Step::Entry(_)) = traversal.next(&tree) else { panic!("another entry") };
    }

    #[test]
    fn what_was_removed_has_no_more() {
        let tree = Tree::new(1);
        let mut traversal = tree.traversal(None);
        let Some(Step::Entry(first)) = traversal.next(&tree) else { panic!("an entry") };
        tree.enter(&mut traversal, &first);
        fs::remove_dir(tree.at(traversal.path())).unwrap();
        traversal.doubt();
        assert!(matches!(traversal.next(&tree), Some(Step::Left { empty: true, .. })));
    }
}

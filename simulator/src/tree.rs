//! The names of a file system: what programs see of them, and what a power cut leaves.
//!
//! A change of names that was not synced survives a power cut or not, under these rules, which file systems with a
//! journal keep:
//!
//! - Of changes at one name, none survives without those before it.
//! - A file that gets another name keeps the old one, or has the new one, or has both. A directory has one of the two.
//! - No name survives in a directory that has none itself, and no directory goes or gets another name before what was
//!   changed in it.

use std::collections::{BTreeMap, BTreeSet};

use haul_core::FilePath;
use haul_harness::Random;

/// The number of a directory; [`ROOT`] is the shared one.
pub(super) type DirectoryId = usize;

const ROOT: DirectoryId = 0;

/// A directory, and a name in it.
type Place = (DirectoryId, String);

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// The file with this inode.
    File(usize),
    Directory(DirectoryId),
}

/// A component of a path is no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoParent {
    Missing,
    File,
}

/// A change that is not wholly on stable storage.
#[derive(Debug)]
struct Change {
    /// What the names have afterwards, in the order in which they reach stable storage.
    steps: Vec<(Place, Option<Node>)>,
    /// Whether all of the steps reach it at once.
    atomic: bool,
    /// The directories that go or get another path.
    taken: Vec<DirectoryId>,
}

/// All names.
#[derive(Debug, Default)]
pub(super) struct Tree {
    visible: BTreeMap<Place, Node>,
    durable: BTreeMap<Place, Node>,
    /// The changes since the last sync, in order.
    pending: Vec<Change>,
    /// The directories ever made.
    made: DirectoryId,
}

impl Tree {
    pub(super) fn node(&self, path: &FilePath) -> Result<Option<Node>, NoParent> {
        let place = (self.parent(path)?, path.file_name().to_owned());
        Ok(self.visible.get(&place).copied())
    }

    /// The directory that `path` is in.
    fn parent(&self, path: &FilePath) -> Result<DirectoryId, NoParent> {
        let Some(parent) = path.parent() else { return Ok(ROOT) };
        parent.components().try_fold(ROOT, |directory, name| {
            match self.visible.get(&(directory, name.to_owned())) {
                Some(Node::Directory(below)) => Ok(*below),
                Some(Node::File(_)) => Err(NoParent::File),
                None => Err(NoParent::Missing),
            }
        })
    }

    pub(super) fn is_empty(&self, directory: DirectoryId) -> bool {
        !self.visible.keys().any(|(parent, _)| *parent == directory)
    }

    /// Everything that can be reached, by its path.
    pub(super) fn all(&self) -> BTreeMap<FilePath, Node> {
        let mut found = BTreeMap::new();
        let mut rest = vec![(ROOT, None)];
        while let Some((directory, path)) = rest.pop() {
            for ((_, name), node) in self.entries(directory) {
                let path =
                    path.as_ref().map_or(FilePath::parse(name), |path: &FilePath| path.join(name));
                let path = path.expect("a name that was a part of a path");
                if let Node::Directory(below) = node {
                    rest.push((*below, Some(path.clone())));
                }
                found.insert(path, *node);
            }
        }
        found
    }

    fn entries(&self, directory: DirectoryId) -> impl Iterator<Item = (&Place, &Node)> {
        self.visible
            .range((directory, String::new())..)
            .take_while(move |((parent, _), _)| *parent == directory)
    }

    fn change(&mut self, change: Change) {
        for (place, node) in &change.steps {
            set(&mut self.visible, place, *node);
        }
        self.pending.push(change);
    }

    fn set(&mut self, place: Place, node: Option<Node>, taken: Vec<DirectoryId>) {
        self.change(Change { steps: vec![(place, node)], atomic: true, taken });
    }

    /// The directories at and below `node`.
    fn directories(&self, node: Node) -> Vec<DirectoryId> {
        let mut found: Vec<DirectoryId> = as_directory(&node).into_iter().collect();
        let mut next = 0;
        while let Some(directory) = found.get(next) {
            let below: Vec<_> =
                self.entries(*directory).filter_map(|(_, node)| as_directory(node)).collect();
            found.extend(below);
            next += 1;
        }
        found
    }

    /// Gives `node` a name, makes the directories that lack, and returns the one that it is in.
    pub(super) fn link(&mut self, path: &FilePath, node: Node) -> DirectoryId {
        let directory = self.make_parents(path);
        self.set((directory, path.file_name().to_owned()), Some(node), Vec::new());
        directory
    }

    /// Makes the directories that `path` lacks, and returns the innermost one.
    fn make_parents(&mut self, path: &FilePath) -> DirectoryId {
        match path.parent().map(|parent| (self.node(&parent), parent)) {
            None => ROOT,
            Some((Ok(Some(Node::Directory(directory))), _)) => directory,
            Some((_, parent)) => {
                self.made += 1;
                let directory = self.made;
                self.link(&parent, Node::Directory(directory));
                directory
            }
        }
    }

    /// Makes a directory where nothing is, and returns the one that it is in.
    pub(super) fn make_directory(&mut self, path: &FilePath) -> DirectoryId {
        self.made += 1;
        self.link(path, Node::Directory(self.made))
    }

    /// Takes a name away, and returns the directory that it was in.
    pub(super) fn remove(&mut self, path: &FilePath, node: Node) -> DirectoryId {
        let directory = self.make_parents(path);
        let taken = self.directories(node);
        self.set((directory, path.file_name().to_owned()), None, taken);
        directory
    }

    /// Gives `node` the name `to` in place of `from`, and returns the directories that these names are in.
    pub(super) fn rename(
        &mut self,
        node: Node,
        from: &FilePath,
        to: &FilePath,
    ) -> [DirectoryId; 2] {
        let [new, old] = [to, from].map(|path| self.make_parents(path));
        let steps = vec![
            ((new, to.file_name().to_owned()), Some(node)),
            ((old, from.file_name().to_owned()), None),
        ];
        let taken = self.directories(node);
        self.change(Change { steps, atomic: !taken.is_empty(), taken });
        [new, old]
    }

    /// Syncs the names in a directory, its own name, and what must not survive without them.
    pub(super) fn sync(&mut self, directory: DirectoryId) {
        // Directories all of whose names are needed, those that need a name, and single names.
        let mut whole = BTreeSet::from([directory]);
        let mut named = whole.clone();
        let mut places = BTreeSet::new();
        let mut counts = vec![0; self.pending.len()];
        for (change, count) in self.pending.iter().zip(&mut counts).rev() {
            let is_needed = |(place, node): &(Place, Option<Node>)| {
                let gives_name =
                    node.as_ref().and_then(as_directory).is_some_and(|id| named.contains(&id));
                whole.contains(&place.0) || places.contains(place) || gives_name
            };
            let last = change.steps.iter().rposition(is_needed);
            *count =
                last.map_or(0, |last| if change.atomic { change.steps.len() } else { last + 1 });
            for ((directory, name), _) in &change.steps[..*count] {
                places.insert((*directory, name.clone()));
                named.insert(*directory);
            }
            if *count > 0 {
                whole.extend(&change.taken);
            }
        }
        self.settle(&counts);
    }

    pub(super) fn sync_all(&mut self) {
        self.durable.clone_from(&self.visible);
        self.pending.clear();
    }

    /// So many steps of each change have reached stable storage.
    fn settle(&mut self, counts: &[usize]) {
        for (change, count) in self.pending.iter_mut().zip(counts) {
            for (place, node) in change.steps.drain(..*count) {
                set(&mut self.durable, &place, node);
            }
        }
        self.pending.retain(|change| !change.steps.is_empty());
    }

    /// Each change that was not synced survives or not.
    pub(super) fn cut_power(&mut self, random: &mut Random) {
        let mut lost = BTreeSet::new();
        let mut named: BTreeSet<DirectoryId> =
            self.durable.values().filter_map(as_directory).collect();
        named.insert(ROOT);
        let mut counts = Vec::new();
        for change in &self.pending {
            let most = random.below(change.steps.len() + 1);
            let can_survive = |(place, _): &&(Place, Option<Node>)| {
                named.contains(&place.0) && !lost.contains(place)
            };
            let takes_lost = lost.iter().any(|(directory, _)| change.taken.contains(directory));
            let mut count = change.steps[..most].iter().take_while(can_survive).count();
            if change.atomic && count < change.steps.len() || takes_lost {
                count = 0;
            }
            lost.extend(change.steps[count..].iter().map(|(place, _)| place.clone()));
            named.extend(
                change.steps[..count].iter().filter_map(|(_, node)| as_directory(node.as_ref()?)),
            );
            counts.push(count);
        }
        self.settle(&counts);
        self.pending.clear();
        self.visible.clone_from(&self.durable);
    }
}

fn as_directory(node: &Node) -> Option<DirectoryId> {
    match node {
        Node::Directory(id) => Some(*id),
        Node::File(_) => None,
    }
}

fn set(names: &mut BTreeMap<Place, Node>, place: &Place, node: Option<Node>) {
    match node {
        Some(node) => drop(names.insert(place.clone(), node)),
        None => drop(names.remove(place)),
    }
}

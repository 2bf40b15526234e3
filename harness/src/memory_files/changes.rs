//! Changes of names, and copies.

use haul_core::{Checksum, Done, FilePath, Handle, Mode, StoreError, StoreErrorKind};

use super::{MemoryFiles, Node, Open, error, parsed};

/// Whether `path` is below `directory`.
fn is_below(path: &FilePath, directory: &FilePath) -> bool {
    let rest = path.as_str().strip_prefix(directory.as_str());
    rest.is_some_and(|rest| rest.starts_with('/'))
}

impl MemoryFiles {
    fn changed(&mut self, handle: Handle) -> Done {
        self.open.insert(handle, Open::Changed);
        Done::Changed
    }

    pub(super) fn copy(&mut self, from: Handle, to: Handle, offset: u64, length: usize) -> Done {
        let piece = self.read(from, offset, length);
        let staged = self.staged(to);
        assert_eq!(offset, staged.data.len() as u64, "a copy out of its place");
        staged.data.extend_from_slice(&piece);
        Done::Copied { length: piece.len(), checksum: Checksum::of(&piece) }
    }

    pub(super) fn delete(&mut self, handle: Handle, path: &FilePath) -> Result<Done, StoreError> {
        match self.tree.get(path) {
            None => return Err(error(StoreErrorKind::NotFound)),
            Some(Node::Directory) if self.tree.keys().any(|other| is_below(other, path)) => {
                return Err(error(StoreErrorKind::NotEmpty));
            }
            Some(_) => drop(self.tree.remove(path)),
        }
        Ok(self.changed(handle))
    }

    pub(super) fn make_directory(
        &mut self,
        handle: Handle,
        path: &FilePath,
    ) -> Result<Done, StoreError> {
        if self.tree.contains_key(path) {
            return Err(error(StoreErrorKind::Exists));
        }
        self.make_parents(path)?;
        self.tree.insert(path.clone(), Node::Directory);
        Ok(self.changed(handle))
    }

    fn make_parents(&mut self, path: &FilePath) -> Result<(), StoreError> {
        let mut parent = path.parent();
        while let Some(directory) = parent {
            match self.tree.get(&directory) {
                Some(Node::File { .. }) => return Err(error(StoreErrorKind::NotAFile)),
                Some(Node::Directory) => {}
                None => drop(self.tree.insert(directory.clone(), Node::Directory)),
            }
            parent = directory.parent();
        }
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        handle: Handle,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
    ) -> Result<Done, StoreError> {
        let node = self.tree.get(from).ok_or_else(|| error(StoreErrorKind::NotFound))?;
        let is_directory = matches!(node, Node::Directory);
        if from == to {
            return Ok(self.changed(handle));
        }
        if is_below(to, from) {
            return Err(error(StoreErrorKind::IntoItself));
        }
        match self.tree.get(to) {
            Some(_) if mode == Mode::Create => return Err(error(StoreErrorKind::Exists)),
            Some(Node::Directory) => return Err(error(StoreErrorKind::IsDirectory)),
            Some(Node::File { .. }) if is_directory => {
                return Err(error(StoreErrorKind::NotAFile));
            }
            Some(Node::File { .. }) | None => {}
        }
        self.make_parents(to)?;
        let moved: Vec<FilePath> = self
            .tree
            .keys()
            .filter(|path| *path == from || is_below(path, from))
            .cloned()
            .collect();
        for path in moved {
            let rest = &path.as_str()[from.as_str().len()..];
            let target = parsed(&format!("{}{rest}", to.as_str()));
            if let Some(node) = self.tree.remove(&path) {
                self.tree.insert(target, node);
            }
        }
        Ok(self.changed(handle))
    }
}

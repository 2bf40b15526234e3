//! What a view does, by a plain model of the share: a map of its names.

use std::collections::{BTreeMap, BTreeSet};

use haul_core::account::{Mount, Right};
use haul_core::{Depth, FilePath, Mode, StoreErrorKind};

/// The names of the share: the content of a file, or `None` for a directory.
pub(super) type Tree = BTreeMap<String, Option<Vec<u8>>>;

type Outcome<T> = Result<T, StoreErrorKind>;

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) tree: Tree,
    pub(super) mounts: Vec<Mount>,
}

/// A path of the view in its mount: the names below the directory of the mount.
struct Place {
    mount: Mount,
    rest: Vec<String>,
}

impl Place {
    fn require(&self, right: Right) -> Outcome<()> {
        if self.mount.rights.contain(right) {
            Ok(())
        } else {
            Err(StoreErrorKind::Forbidden(right))
        }
    }

    fn has(&self, right: Right) -> bool {
        self.require(right).is_ok()
    }

    fn is_hidden(&self) -> bool {
        !self.mount.home && self.rest.iter().any(|name| name.starts_with('.'))
    }

    /// The path in the share.
    fn full(&self) -> String {
        let directory = names(self.mount.directory.as_ref());
        [directory, self.rest.clone()].concat().join("/")
    }
}

fn names(path: Option<&FilePath>) -> Vec<String> {
    path.map(|path| path.components().map(str::to_owned).collect()).unwrap_or_default()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn is_below(path: &str, above: &str) -> bool {
    path.len() > above.len()
        && (above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')))
}

impl Model {
    fn find(&self, path: &str) -> Outcome<Place> {
        let path: Vec<String> =
            path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mount = (0..=path.len()).rev().find_map(|length| {
            self.mounts.iter().find(|mount| names(mount.at.as_ref()) == path[..length])
        });
        let mount = mount.ok_or(StoreErrorKind::NotFound)?.clone();
        let rest = path[names(mount.at.as_ref()).len()..].to_vec();
        Ok(Place { mount, rest })
    }

    fn is_mount(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| names(mount.at.as_ref()).join("/") == path)
    }

    /// Whether there are mounts below.
    fn is_way(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| is_below(&names(mount.at.as_ref()).join("/"), path))
    }

    fn require_plain(&self, path: &str, otherwise: StoreErrorKind) -> Outcome<()> {
        if self.is_mount(path) || self.is_way(path) { Err(otherwise) } else { Ok(()) }
    }

    /// Fails unless the directory is there. With `make` it is created.
    fn enter(&mut self, directory: &str, make: Option<StoreErrorKind>) -> Outcome<()> {
        let mut at = String::new();
        for name in directory.split('/').filter(|name| !name.is_empty()) {
            at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            match (self.tree.get(&at), make) {
                (Some(Some(_)), _) => return Err(StoreErrorKind::NotAFile),
                (Some(None), _) => {}
                (None, None) => drop(self.tree.insert(at.clone(), None)),
                (None, Some(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens the mount, which creates a home.
    fn open(&mut self, place: &Place) -> Outcome<()> {
        let directory = names(place.mount.directory.as_ref()).join("/");
        let missing = (!place.mount.home).then_some(StoreErrorKind::NotFound);
        self.enter(&directory, missing)?;
        if place.is_hidden() { Err(StoreErrorKind::NotFound) } else { Ok(()) }
    }

    /// What is there, if its parents are directories.
    fn there(&mut self, path: &str) -> Outcome<Option<Vec<u8>>> {
        self.enter(parent(path), Some(StoreErrorKind::NotFound))?;
        self.tree.get(path).cloned().ok_or(StoreErrorKind::NotFound)
    }

    /// Fails before anything is created.
    fn make_parents(&mut self, place: &Place) -> Outcome<()> {
        let full = place.full();
        let mut copy = Self { tree: self.tree.clone(), mounts: Vec::new() };
        let right = Right::MakeDirectory;
        let missing = (!place.has(right)).then_some(StoreErrorKind::Forbidden(right));
        copy.enter(parent(&full), missing)?;
        self.tree = copy.tree;
        Ok(())
    }

    pub(super) fn read(&mut self, path: &str) -> Outcome<Vec<u8>> {
        let place = self.find(path)?;
        place.require(Right::Get)?;
        self.require_plain(path, StoreErrorKind::IsDirectory)?;
        self.open(&place)?;
        self.there(&place.full())?.ok_or(StoreErrorKind::IsDirectory)
    }

    pub(super) fn upload(&mut self, path: &str, mode: Mode, content: &[u8]) -> Outcome<()> {
        let place = self.find(path)?;
        place.require(Right::Put)?;
        let mode = if place.has(Right::Replace) { mode } else { Mode::Create };
        let taken =
            if mode == Mode::Create { StoreErrorKind::Exists } else { StoreErrorKind::IsDirectory };
        self.require_plain(path, taken)?;
        self.open(&place)?;
        match self.tree.get(&place.full()) {
            Some(None) => return Err(taken),
            Some(Some(_)) if mode == Mode::Create => return Err(taken),
            _ => {}
        }
        self.make_parents(&place)?;
        self.tree.insert(place.full(), Some(content.to_vec()));
        Ok(())
    }

    pub(super) fn copy(&mut self, from: &str, to: &str) -> Outcome<()> {
        let content = self.read(from)?;
        self.upload(to, Mode::Replace, &content)
    }

    pub(super) fn delete(&mut self, path: &str) -> Outcome<()> {
        let place = self.find(path)?;
        place.require(Right::Delete)?;
        if self.is_mount(path) {
            return Err(StoreErrorKind::Denied);
        }
        self.require_plain(path, StoreErrorKind::NotEmpty)?;
        self.open(&place)?;
        let full = place.full();
        self.there(&full)?;
        if self.tree.keys().any(|other| is_below(other, &full)) {
            return Err(StoreErrorKind::NotEmpty);
        }
        self.tree.remove(&full);
        Ok(())
    }

    pub(super) fn make_directory(&mut self, path: &str) -> Outcome<()> {
        let place = self.find(path)?;
        place.require(Right::MakeDirectory)?;
        self.require_plain(path, StoreErrorKind::Exists)?;
        self.open(&place)?;
        if self.tree.contains_key(&place.full()) {
            return Err(StoreErrorKind::Exists);
        }
        self.make_parents(&place)?;
        self.tree.insert(place.full(), None);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, mode: Mode) -> Outcome<()> {
        let (old, new) = (self.find(from)?, self.find(to)?);
        old.require(Right::Move)?;
        new.require(Right::Put)?;
        let mode = if new.has(Right::Replace) { mode } else { Mode::Create };
        self.require_plain(from, StoreErrorKind::Denied)?;
        let taken =
            if mode == Mode::Create { StoreErrorKind::Exists } else { StoreErrorKind::IsDirectory };
        self.require_plain(to, taken)?;
        if old.mount.at != new.mount.at {
            return Err(StoreErrorKind::NotSupported);
        }
        self.open(&old)?;
        self.open(&new)?;
        let (old, target) = (old.full(), new.full());
        let moved = self.there(&old)?;
        if moved.is_none() && is_below(&target, &old) {
            return Err(StoreErrorKind::IntoItself);
        }
        if old == target {
            return Ok(());
        }
        match self.tree.get(&target) {
            Some(_) if mode == Mode::Create => return Err(StoreErrorKind::Exists),
            Some(None) => return Err(StoreErrorKind::IsDirectory),
            Some(Some(_)) if moved.is_none() => return Err(StoreErrorKind::NotAFile),
            _ => {}
        }
        self.make_parents(&new)?;
        let names: Vec<_> = self
            .tree
            .keys()
            .filter(|name| **name == old || is_below(name, &old))
            .cloned()
            .collect();
        for name in names {
            if let Some(node) = self.tree.remove(&name) {
                self.tree.insert(format!("{target}{}", &name[old.len()..]), node);
            }
        }
        Ok(())
    }

    /// The sorted names of a listing, with a `/` after directories.
    pub(super) fn list(&mut self, path: &str, depth: Depth) -> Outcome<Vec<String>> {
        let mut listed = Vec::new();
        let is_way = self.is_way(path);
        match self.find(path) {
            Err(error) if !is_way => return Err(error),
            Err(_) => {}
            Ok(place) => {
                place.require(Right::List)?;
                let opened = self.open(&place);
                let found = opened.and_then(|()| match place.full().as_str() {
                    "" => Ok(None),
                    full => self.there(full),
                });
                match found {
                    Err(StoreErrorKind::NotFound | StoreErrorKind::NotAFile)
                        if is_way && !place.rest.is_empty() => {}
                    Err(error) => return Err(error),
                    Ok(Some(_)) if !is_way => return Ok(vec![path.to_owned()]),
                    Ok(_) => {}
                }
            }
        }
        self.list_below(path, depth, 1, &mut listed);
        listed.sort();
        Ok(listed)
    }

    /// Lists the entries of a directory of the view, which are at `level`.
    fn list_below(&mut self, path: &str, depth: Depth, level: u64, listed: &mut Vec<String>) {
        let join =
            |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let first = |rest: &str| rest.trim_start_matches('/').split('/').next().unwrap().to_owned();
        let mut children = BTreeSet::new();
        for mount in &self.mounts {
            let at = names(mount.at.as_ref()).join("/");
            if is_below(&at, path) {
                children.insert(join(&first(&at[path.len()..])));
            }
        }
        if let Some(place) = self.find(path).ok().filter(|place| !place.is_hidden()) {
            let full = place.full();
            let below = self.tree.keys().filter(|name| is_below(name, &full));
            let names = below.map(|name| first(&name[full.len()..]));
            let shown = names.filter(|name| place.mount.home || !name.starts_with('.'));
            children.extend(shown.map(|name| join(&name)));
        }
        for child in children {
            let goes_below = depth.goes_below(level);
            if self.is_mount(&child) && goes_below {
                let opened = self.find(&child).and_then(|place| {
                    place.require(Right::List)?;
                    self.open(&place)
                });
                match opened {
                    Ok(()) => {}
                    Err(StoreErrorKind::Forbidden(_)) => {
                        listed.push(format!("{child}/ denied"));
                        continue;
                    }
                    Err(_) => {
                        listed.push(format!("{child}/ io"));
                        continue;
                    }
                }
            }
            let is_mounted = self.is_mount(&child) || self.is_way(&child);
            let place = self.find(&child).ok().map(|place| place.full());
            let is_file = place.is_some_and(|full| matches!(self.tree.get(&full), Some(Some(_))));
            if is_file && !is_mounted {
                listed.push(child);
                continue;
            }
            listed.push(format!("{child}/"));
            if goes_below {
                self.list_below(&child, depth, level + 1, listed);
            }
        }
    }
}

//! Detects one file under several spellings of its path.
//!
//! Some file systems ignore the case of names. There a file may only replace the file that had its exact name, and not
//! another file of the same tree: both would be acknowledged, and one would be lost.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use haul_core::FilePath;
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

use super::name::TemporaryName;
use crate::directory_handle::DirectoryHandle;
use crate::entries::Entries;
use crate::resolve::{Links, open_beneath};
use crate::stat::{FileId, Stat};

/// The maximum number of directory entries to read.
const MAX_READ: usize = 1 << 16;
/// The maximum number of files whose paths are remembered, which takes some hundred kilobytes.
const MAX_GIVEN: usize = 1 << 11;

/// The paths that this process gave to files, and the directory that each is relative to.
static GIVEN: Mutex<Option<HashMap<FileId, (FileId, PathBuf)>>> = Mutex::new(None);

fn given() -> MutexGuard<'static, Option<HashMap<FileId, (FileId, PathBuf)>>> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers that `file` is about to get `name` in `directory`, where the file system may list it differently.
pub(crate) fn note(directory: &DirectoryHandle, name: &OsStr, file: FileId) {
    let (root, path) = directory.path_of(name);
    if directory.file_system.lists_other_names()
        && let Ok(root) = Stat::of(root)
    {
        note_in(root.id(), &path, file);
    }
}

fn note_in(root: FileId, path: &Path, file: FileId) {
    let mut given = given();
    let given = given.get_or_insert_default();
    if given.len() >= MAX_GIVEN {
        given.clear();
    }
    given.insert(file, (root, path.to_owned()));
}

/// Returns the spelling of the path of `file` in the directory `root`, if it differs from `path`, which leads to the
/// file.
pub(crate) fn other(root: impl AsFd, path: &Path, file: FileId) -> Option<PathBuf> {
    given_otherwise(&root, path, file).or_else(|| listed_otherwise(&root, path))
}

/// The path that this process gave the file, if it differs in case and still leads to the file.
fn given_otherwise(root: impl AsFd, path: &Path, file: FileId) -> Option<PathBuf> {
    let (from, other) = given().as_ref()?.get(&file)?.clone();
    // Links and mounts may lead to the file by other paths.
    let differs = other != path && lower(&other)? == lower(path)?;
    let still = |other: &Path| Stat::at(&root, other).is_ok_and(|stat| stat.id() == file);
    let same_root = || Stat::of(&root).is_ok_and(|stat| stat.id() == from);
    (differs && same_root() && still(&other)).then_some(other)
}

/// Whether two paths that differ, and both exist, are one path in two cases.
pub(crate) fn is_other_case(root: impl AsFd, one: &FilePath, other: &FilePath) -> bool {
    let mut above = PathBuf::from(".");
    for (name, other) in one.components().zip(other.components()) {
        if name.to_lowercase() != other.to_lowercase() {
            return false;
        }
        if name != other && lists_both(&root, &above, [name, other]) {
            return false;
        }
        above.push(name);
    }
    one.components().count() == other.components().count()
}

fn lists_both(root: impl AsFd, above: &Path, names: [&str; 2]) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let Ok(directory) = open_beneath(&root, above, flags, Links::Refuse) else { return false };
    let listed = Entries::of(directory).take(MAX_READ).map_while(Result::ok);
    let both =
        listed.filter(|entry| names.iter().any(|name| entry.name().to_bytes() == name.as_bytes()));
    both.count() == names.len()
}

fn lower(path: &Path) -> Option<String> {
    path.to_str().map(str::to_lowercase)
}

/// The path, if a component of it is listed in another case, and not in this one.
fn listed_otherwise(root: impl AsFd, path: &Path) -> Option<PathBuf> {
    let path = path.to_str()?;
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    let mut begin = 0;
    for end in ends {
        let name = &path[begin..end];
        let (above, after) = (path[..begin].trim_end_matches('/'), &path[end..]);
        begin = end + 1;
        // On other file systems that name rarely exists, and nothing has to be read.
        let is_there =
            |other: &str| other != name && Stat::at(&root, Path::new(above).join(other)).is_ok();
        let [ascii, any] = swapped(name);
        if (is_there(&ascii) || any != ascii && is_there(&any))
            && let Some(other) = listed(&root, above, name)
        {
            let other = Path::new(above).join(other);
            return Some(PathBuf::from(format!("{}{after}", other.display())));
        }
    }
    None
}

/// The name with the case of its letters inverted: only ASCII letters, and all letters that have exactly one other
/// case.
fn swapped(name: &str) -> [String; 2] {
    let ascii = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    let any = |c: char| {
        let one = |mut cased: Box<dyn Iterator<Item = char>>| match (cased.next(), cased.next()) {
            (Some(other), None) => other,
            _ => c,
        };
        if c.is_lowercase() {
            one(Box::new(c.to_uppercase()))
        } else {
            one(Box::new(c.to_lowercase()))
        }
    };
    [name.chars().map(ascii).collect(), name.chars().map(any).collect()]
}

/// How `name` is listed in the directory `above`, if it is listed only in another case.
fn listed(root: impl AsFd, above: &str, name: &str) -> Option<String> {
    let above = if above.is_empty() { "." } else { above };
    let open = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        open_beneath(&root, above.as_ref(), flags, Links::Follow).ok()
    };
    let lower = name.to_lowercase();
    let mut other = None;
    for entry in Entries::of(open()?).take(MAX_READ) {
        let entry = entry.ok()?;
        match entry.name().to_str() {
            Ok(listed) if listed == name => return None,
            Ok(listed) if listed.to_lowercase() == lower => other = Some(listed.to_owned()),
            _ => {}
        }
    }
    // Some file systems list every name in lower case, so that a difference means nothing.
    other.filter(|other| *other != lower || lists_capitals(open))
}

/// Whether a name in upper case is listed as it was created.
fn lists_capitals(open: impl Fn() -> Option<OwnedFd>) -> bool {
    let Some(directory) = open() else { return true };
    let name = TemporaryName::in_capitals();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    if openat(&directory, &name.0, flags, Mode::RUSR | Mode::WUSR).is_err() {
        return true;
    }
    let same = |listed: &[u8]| listed.eq_ignore_ascii_case(name.0.as_bytes());
    let found = open().and_then(|again| {
        Entries::of(again).map_while(Result::ok).find(|entry| same(entry.name().to_bytes()))
    });
    let _ = unlinkat(&directory, &name.0, AtFlags::empty());
    found.is_none_or(|entry| entry.name().to_bytes() == name.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn letters_have_another_case() {
        assert_eq!(swapped("aB1-ä"), ["Ab1-ä", "Ab1-Ä"]);
        assert_eq!(swapped("ß"), ["ß", "ß"]);
    }

    /// A link simulates a file system that ignores case.
    #[test]
    fn another_case_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        let root = File::open(directory.path()).unwrap();
        fs::create_dir_all(at("Dir/inner")).unwrap();
        fs::write(at("Dir/inner/README"), "x").unwrap();
        let id = Stat::at(&root, "Dir/inner/README").unwrap().id();
        let other = |path: &str| other(&root, path.as_ref(), id);
        assert_eq!(other("Dir/inner/README"), None);
        assert_eq!(other("Dir/inner/readme"), Some("Dir/inner/README".into()));
        assert_eq!(other("Dir/inner/Readme"), None, "no other name is there");
        fs::write(at("dIR"), "").unwrap();
        assert_eq!(other("Dir/inner/README"), None, "they are two");
    }

    #[test]
    fn what_was_given_another_path_is_known_by_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        let root = File::open(directory.path()).unwrap();
        let root_id = Stat::of(&root).unwrap().id();
        fs::write(at("one"), "x").unwrap();
        // Links simulate a file system that takes all of them for one name.
        for link in ["ONE", "other"] {
            fs::hard_link(at("one"), at(link)).unwrap();
        }
        let id = Stat::at(&root, "one").unwrap().id();
        assert_eq!(other(&root, "ONE".as_ref(), id), None);
        note_in(root_id, "one".as_ref(), id);
        assert_eq!(other(&root, "one".as_ref(), id), None);
        assert_eq!(other(&root, "ONE".as_ref(), id), Some("one".into()));
        assert_eq!(other(&root, "other".as_ref(), id), None, "it differs in more than case");
        fs::remove_file(at("one")).unwrap();
        assert_eq!(other(&root, "ONE".as_ref(), id), None, "it was renamed");
    }
}

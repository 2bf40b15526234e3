//! Files of one command whose names collide in a local directory that ignores case or the Unicode form.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use haul_core::{Checksum, Escaped, StoreError, StoreErrorKind, Version};
use haul_store::{NewFile, PassThrough, Staged, Target};

/// The files that one command has downloaded, where that matters: none may replace another.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch(Arc<Mutex<Downloaded>>);

/// The identity of a file, whatever its names: device and inode.
type Id = (u64, u64);

#[derive(Debug, Default)]
struct Downloaded {
    /// The files in directories that find names under another spelling. Empty elsewhere, however much is downloaded.
    files: HashSet<Id>,
    /// The directory of the last file, and whether it ignores spelling.
    last: Option<(PathBuf, bool)>,
}

impl Batch {
    /// Makes `target`, the local file `path`, part of the batch.
    pub(super) fn guard(&self, path: PathBuf, target: Box<dyn Target>) -> Box<dyn Target> {
        Box::new(Guarded { batch: self.clone(), path, target })
    }

    /// Fails if this batch downloaded the file `path` under another name.
    pub(super) fn check(&self, path: &Path) -> Result<(), StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).check(path)
    }
}

impl Downloaded {
    fn check(&self, path: &Path) -> Result<(), StoreError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let Some(id) = id(path).filter(|id| self.files.contains(id)) else { return Ok(()) };
        let other = name_of(id, path).filter(|other| path.file_name() != Some(other));
        let other = other.map_or_else(
            || String::from("a file in a directory of the same name here"),
            |other| Escaped::new(&other.to_string_lossy()).to_string(),
        );
        let name = path.to_string_lossy();
        let name = Escaped::new(&name);
        let detail = format!("{name} collides with {other}, which this command downloaded");
        Err(StoreError::new(StoreErrorKind::BadName, detail))
    }

    /// Records that `path` was downloaded.
    fn note(&mut self, path: &Path) {
        let Some(parent) = path.parent() else { return };
        let last = self.last.as_ref().filter(|(last, _)| last == parent).map(|(_, blurs)| *blurs);
        if last == Some(false) {
            return;
        }
        let Some(id) = id(path) else { return };
        let Some(blurs) = last.or_else(|| blurs(path, id)) else { return };
        self.last = Some((parent.to_path_buf(), blurs));
        if blurs {
            self.files.insert(id);
        }
    }
}

fn id(path: &Path) -> Option<Id> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether a file is also found under its name in the other case; `None` if its name has no case.
fn blurs(path: &Path, file: Id) -> Option<bool> {
    let name = path.file_name()?.to_str()?;
    let swapped: String = name
        .chars()
        .flat_map(|c| -> Box<dyn Iterator<Item = char>> {
            if c.is_lowercase() { Box::new(c.to_uppercase()) } else { Box::new(c.to_lowercase()) }
        })
        .collect();
    (swapped != name).then(|| id(&path.with_file_name(swapped)) == Some(file))
}

/// The name of a file in the directory of `path`.
fn name_of(file: Id, path: &Path) -> Option<OsString> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let entries = fs::read_dir(parent.unwrap_or(Path::new("."))).ok()?;
    let mut names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    names.find(|name| id(&path.with_file_name(name)) == Some(file))
}

struct Guarded {
    batch: Batch,
    path: PathBuf,
    target: Box<dyn Target>,
}

impl Target for Guarded {
    fn create(&mut self, file: &NewFile) -> Result<Box<dyn Staged>, StoreError> {
        self.batch.check(&self.path)?;
        let staged = self.target.create(file)?;
        Ok(Box::new(GuardedStaged { batch: self.batch.clone(), path: self.path.clone(), staged }))
    }
}

struct GuardedStaged {
    batch: Batch,
    path: PathBuf,
    staged: Box<dyn Staged>,
}

impl Staged for GuardedStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.staged.write(offset, data)
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.staged.pass_through()
    }

    fn write_received(&mut self, offset: u64, length: usize) -> Result<Checksum, StoreError> {
        self.staged.write_received(offset, length)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.staged.sync()
    }

    fn publish(&mut self, checksum: Checksum) -> Result<Option<Version>, StoreError> {
        // Locked until the file is recorded, so that no other connection publishes a colliding one in between.
        let mut downloaded = self.batch.0.lock().unwrap_or_else(PoisonError::into_inner);
        downloaded.check(&self.path)?;
        let version = self.staged.publish(checksum)?;
        downloaded.note(&self.path);
        Ok(version)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        self.staged.sync_directory()
    }
}

#[cfg(test)]
mod tests {
    use haul_core::{FilePath, Mode};

    use super::*;

    const SPELLINGS: [&str; 3] = ["README", "readme", "Readme"];

    /// A file system that finds a file under each spelling of its name.
    struct Blurs(PathBuf);

    impl Target for Blurs {
        fn create(&mut self, _: &NewFile) -> Result<Box<dyn Staged>, StoreError> {
            Ok(Box::new(Self(self.0.clone())))
        }
    }

    impl Staged for Blurs {
        fn write(&mut self, _: u64, _: &[u8]) -> Result<(), StoreError> {
            Ok(())
        }

        fn sync(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn publish(&mut self, _: Checksum) -> Result<Option<Version>, StoreError> {
            let names = SPELLINGS.map(|name| self.0.with_file_name(name));
            for name in &names {
                let _ = fs::remove_file(name);
            }
            fs::write(&self.0, "").unwrap();
            for name in names.iter().filter(|name| **name != self.0) {
                fs::hard_link(&self.0, name).unwrap();
            }
            Ok(None)
        }

        fn sync_directory(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn stage(batch: &Batch, path: &Path) -> Box<dyn Staged> {
        let mut target = batch.guard(path.to_path_buf(), Box::new(Blurs(path.to_path_buf())));
        let file = NewFile {
            path: FilePath::parse("x").unwrap(),
            mode: Mode::Replace,
            if_match: None,
            size: None,
            modified: None,
            executable: false,
            durable: false,
        };
        target.create(&file).unwrap()
    }

    #[test]
    fn two_spellings_of_one_name_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let first = Batch::default();
        let [mut one, mut other] = ["README", "Readme"].map(|name| stage(&first, &at(name)));
        one.publish(Checksum::EMPTY).unwrap();
        let told = other.publish(Checksum::EMPTY).unwrap_err().detail.to_string();
        assert!(told.contains("Readme collides with "), "{told}");
        assert!(told.ends_with(", which this command downloaded"), "{told}");
        assert!(first.check(&at("readme")).is_err());
        // Files from before this command do not count.
        stage(&Batch::default(), &at("Readme")).publish(Checksum::EMPTY).unwrap();
    }

    #[test]
    fn where_spelling_matters_nothing_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let batch = Batch::default();
        fs::write(directory.path().join("x"), "").unwrap();
        batch.0.lock().unwrap().note(&directory.path().join("x"));
        assert!(batch.0.lock().unwrap().files.is_empty());
        assert_eq!(batch.check(&directory.path().join("x")), Ok(()));
    }
}

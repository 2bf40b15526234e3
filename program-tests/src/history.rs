//! What was uploaded under which name, what the server replied, and whether the files agree.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haul_harness::Random;

use crate::unfinished::is_unfinished;

/// The length of a version's number, with which each file begins.
pub(super) const HEADER: usize = 20;

/// A directory of which [`Ledger`](crate::ledger::Ledger)s know what is in it.
pub(super) const CHANGED: &str = "changed";

/// All uploads so far. One clock counts steps, so the order of their starts and ends is known.
#[derive(Debug, Default)]
pub(super) struct History {
    clock: AtomicU64,
    names: Mutex<BTreeMap<String, Vec<Version>>>,
    acknowledged: Mutex<u64>,
    one_more: Condvar,
}

#[derive(Debug)]
struct Version {
    id: u64,
    size: usize,
    create: bool,
    sent: u64,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// No reply came, or one that leaves the outcome open.
    Unknown,
    Acknowledged(u64),
    /// The server said that it did not publish the file.
    Refused,
}

/// An upload that is about to be sent.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) path: String,
    pub(super) create: bool,
    id: u64,
    size: usize,
}

impl Upload {
    pub(super) fn bytes(&self) -> Vec<u8> {
        bytes(self.id, self.size)
    }
}

/// What was found on disk.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Found {
    /// Uploads acknowledged since the last comparison.
    pub(super) acknowledged: u64,
    /// Uploads that were under way.
    pub(super) unknown: u64,
    /// Files that are there. Each is a whole version.
    pub(super) files: u64,
}

impl History {
    /// Registers a new version of a file, which is sent from now on.
    pub(super) fn send(&self, path: String, size: usize, create: bool) -> Upload {
        let sent = self.tick();
        let size = size.max(HEADER);
        let version = Version { id: sent, size, create, sent, outcome: Outcome::Unknown };
        self.names().entry(path.clone()).or_default().push(version);
        Upload { path, create, id: sent, size }
    }

    pub(super) fn acknowledge(&self, upload: &Upload) {
        self.settle(upload, Outcome::Acknowledged(self.tick()));
        *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.one_more.notify_all();
    }

    /// How many uploads were acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `count` uploads are acknowledged. The wait is bounded, because the clients may have failed.
    pub(super) fn wait_for_acknowledged(&self, count: u64) {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = Duration::from_secs(20);
        drop(self.one_more.wait_timeout_while(acknowledged, timeout, |now| *now < count));
    }

    pub(super) fn refuse(&self, upload: &Upload) {
        self.settle(upload, Outcome::Refused);
    }

    /// Compares with the files of `share`: each name has a whole version that it may have, and no name is missing. The
    /// versions found are the base of the next comparison, as are those that a server may still publish.
    pub(super) fn compare(&self, share: &Path) -> Result<Found, String> {
        let mut files = BTreeMap::new();
        collect(share, "", &mut files).map_err(|error| format!("cannot look: {error}"))?;
        let mut names = self.names();
        let mut found = Found::default();
        for (path, versions) in names.iter_mut() {
            found.acknowledged +=
                versions.iter().filter(|version| version.is_new_acknowledgement()).count() as u64;
            found.unknown += versions.iter().filter(|version| version.is_open()).count() as u64;
            let Some(bytes) = files.remove(path) else {
                match versions.iter().find(|version| version.acknowledged().is_some()) {
                    Some(version) => return Err(format!("{path}: lost {version:?}")),
                    None => versions.retain(Version::is_open),
                }
                continue;
            };
            let index = which(versions, &bytes).map_err(|reason| format!("{path}: {reason}"))?;
            let version = versions.swap_remove(index);
            versions.retain(Version::is_open);
            versions.push(Version { sent: 0, outcome: Outcome::Acknowledged(0), ..version });
            found.files += 1;
        }
        // Without a journal, a directory that was being created may be incomplete, and the repair may keep what it
        // finds of it.
        let debris = |path: &String| {
            let below = format!("{path}/");
            names.iter().any(|(name, versions)| {
                name.starts_with(&below) && versions.iter().any(Version::is_open)
            })
        };
        match files.keys().find(|path| !debris(path)) {
            Some(path) => Err(format!("{path}: nobody sent it")),
            None => Ok(found),
        }
    }

    /// The server is gone, so it will publish nothing more.
    pub(super) fn close(&self) {
        for versions in self.names().values_mut() {
            versions.retain(|version| !version.is_open());
        }
    }

    /// Removes the directory `top` of `share`, and what is known of it.
    pub(super) fn remove(&self, share: &Path, top: &str) -> io::Result<()> {
        match fs::remove_dir_all(share.join(top)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let below = format!("{top}/");
        self.names().retain(|path, _| !path.starts_with(&below));
        Ok(())
    }

    fn settle(&self, upload: &Upload, outcome: Outcome) {
        let mut names = self.names();
        let versions = names.get_mut(&upload.path).into_iter().flatten();
        for version in versions.filter(|version| version.id == upload.id) {
            version.outcome = outcome;
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Version>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins at 1, so that the versions of an earlier comparison are the oldest.
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Version {
    fn acknowledged(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Acknowledged(at) => Some(at),
            Outcome::Unknown | Outcome::Refused => None,
        }
    }

    fn is_open(&self) -> bool {
        self.outcome == Outcome::Unknown
    }

    fn is_new_acknowledgement(&self) -> bool {
        self.acknowledged().is_some_and(|at| at > 0)
    }

    /// Whether `self` ended before `other` was sent.
    fn is_before(&self, other: &Self) -> bool {
        self.acknowledged().is_some_and(|at| at < other.sent)
    }
}

/// The version that these bytes are, if it may be visible now.
fn which(versions: &[Version], found: &[u8]) -> Result<usize, String> {
    let id = id_of(found);
    let torn = || format!("torn: {} bytes of no version, among {versions:?}", found.len());
    let index = versions.iter().position(|version| Some(version.id) == id).ok_or_else(torn)?;
    let version = &versions[index];
    if bytes(version.id, version.size) != found {
        return Err(format!("torn: {} bytes of {version:?}", found.len()));
    }
    if version.outcome == Outcome::Refused {
        return Err(format!("published though it was refused: {version:?}"));
    }
    if let Some(later) =
        versions.iter().find(|other| version.is_before(other) && other.acknowledged().is_some())
    {
        return Err(format!("lost {later:?}: {version:?} is there, which is older"));
    }
    if version.create && versions.iter().any(|other| other.is_before(version)) {
        return Err(format!("{version:?} was to replace nothing, and did"));
    }
    Ok(index)
}

/// The number that a file begins with.
pub(super) fn id_of(found: &[u8]) -> Option<u64> {
    std::str::from_utf8(found.get(..HEADER)?).ok()?.parse().ok()
}

/// The content of the file of this number.
pub(super) fn bytes(id: u64, size: usize) -> Vec<u8> {
    let mut bytes = format!("{id:0HEADER$}").into_bytes();
    bytes.extend(Random::new(id).bytes(size.saturating_sub(bytes.len())));
    bytes.truncate(size);
    bytes
}

fn collect(
    directory: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_unfinished(&name) || (prefix.is_empty() && name == CHANGED) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_with(path: &str, bytes: &[u8]) -> tempfile::TempDir {
        let share = tempfile::tempdir().unwrap();
        fs::write(share.path().join(path), bytes).unwrap();
        share
    }

    #[test]
    fn an_older_version_is_a_loss_and_an_open_one_is_not() {
        let history = History::default();
        let [one, two, open] = [1, 2, 3].map(|_| history.send("a".into(), 100, false));
        history.acknowledge(&one);
        let three = history.send("a".into(), 100, false);
        history.acknowledge(&three);
        history.refuse(&two);
        for (upload, complaint) in [(&one, "lost"), (&two, "though it was refused")] {
            let error = history.compare(share_with("a", &upload.bytes()).path()).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
        let found = history.compare(share_with("a", &open.bytes()).path()).unwrap();
        assert_eq!((found.acknowledged, found.unknown, found.files), (2, 1, 1));
        history.close();
        // From now on that version counts.
        history.compare(share_with("a", &three.bytes()).path()).unwrap_err();
    }

    #[test]
    fn what_is_torn_missing_or_made_up_is_seen() {
        let history = History::default();
        let upload = history.send("a".into(), 100, true);
        let bytes = upload.bytes();
        for torn in [&bytes[..99], &bytes[..10], b""] {
            assert!(history.compare(share_with("a", torn).path()).unwrap_err().contains("torn"));
        }
        history.acknowledge(&upload);
        let error = history.compare(share_with("b", &bytes).path()).unwrap_err();
        assert!(error.contains("lost"), "{error}");
        let later = history.send("a".into(), 100, true);
        let error = history.compare(share_with("a", &later.bytes()).path()).unwrap_err();
        assert!(error.contains("replace nothing"), "{error}");
        let other = History::default();
        let error = other.compare(share_with("b", &bytes).path()).unwrap_err();
        assert!(error.contains("nobody sent it"), "{error}");
    }
}

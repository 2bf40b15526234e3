//! The oracle: what must be true of the files, kept apart from the disk that it checks.

use std::collections::BTreeMap;

use bytes::Bytes;
use haul_core::{Checksum, FilePath};

use crate::disk::Disk;

/// Shorter contents may be equal by chance.
const UNIQUE: usize = 8;

/// The number of a version.
pub(super) type VersionId = usize;

/// A whole content that a name may have.
#[derive(Debug)]
struct Version {
    path: FilePath,
    data: Bytes,
    /// Its upload was refused or cancelled.
    void: bool,
}

/// The versions that were visible under one name, in order.
#[derive(Debug, Default)]
struct History {
    shown: Vec<Shown>,
    /// The visible version.
    current: Option<usize>,
    /// The newest acknowledged version. No power cut may bring back an older one.
    floor: Option<usize>,
    /// For each power cut, the versions before it, and the one that was visible after it.
    cuts: Vec<(usize, Option<usize>)>,
}

#[derive(Debug)]
struct Shown {
    version: VersionId,
    lost: bool,
}

/// All versions, and the history of every name.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    versions: Vec<Version>,
    by_checksum: BTreeMap<u64, Vec<VersionId>>,
    names: BTreeMap<FilePath, History>,
    /// A bit of a command was flipped. No checksum covers its path, so a content may have another name than was meant.
    pub(super) names_may_differ: bool,
}

/// A moment in the history of every name.
pub(super) type Since = BTreeMap<FilePath, usize>;

impl Oracle {
    /// Adds a version that may be visible from now on.
    pub(super) fn attempt(&mut self, path: &FilePath, data: Bytes) -> VersionId {
        let id = self.versions.len();
        self.by_checksum.entry(Checksum::of(&data).to_u64()).or_default().push(id);
        self.versions.push(Version { path: path.clone(), data, void: false });
        id
    }

    /// Adds a version that is on the disk from the beginning, and synced.
    pub(super) fn found(&mut self, path: &FilePath, data: Bytes) {
        let version = self.attempt(path, data);
        let shown = vec![Shown { version, lost: false }];
        let history = History { shown, current: Some(0), floor: Some(0), cuts: Vec::new() };
        self.names.insert(path.clone(), history);
    }

    pub(super) fn now(&self) -> Since {
        self.names.iter().map(|(path, history)| (path.clone(), history.shown.len())).collect()
    }

    fn whole_version(&self, path: &FilePath, data: &[u8]) -> Option<VersionId> {
        let alike = self.by_checksum.get(&Checksum::of(data).to_u64())?;
        let fits = |id: &&VersionId| {
            let version = &self.versions[**id];
            version.data == data && (self.names_may_differ || version.path == *path)
        };
        alike.iter().find(fits).copied()
    }

    /// Records what is visible now.
    pub(super) fn observe(&mut self, disk: &Disk) -> Result<(), String> {
        for (path, history) in &self.names {
            if history.current.is_some() && !disk.names.contains_key(path) {
                return Err(format!("{path:?} has vanished"));
            }
        }
        for path in disk.names.keys() {
            let data = disk.file(path).unwrap_or_default();
            let current = self
                .names
                .get(path)
                .and_then(|history| history.current.map(|at| history.shown[at].version));
            if current.is_some_and(|version| self.versions[version].data == data) {
                continue;
            }
            let Some(version) = self.whole_version(path, data) else {
                return Err(format!(
                    "{path:?} shows {} bytes that are no whole version",
                    data.len()
                ));
            };
            if self.versions[version].void && data.len() >= UNIQUE {
                return Err(format!("{path:?} shows an upload that was refused or cancelled"));
            }
            let history = self.names.entry(path.clone()).or_default();
            history.shown.push(Shown { version, lost: false });
            history.current = Some(history.shown.len() - 1);
        }
        Ok(())
    }

    /// Records what is visible after a power cut.
    pub(super) fn observe_power_cut(&mut self, disk: &Disk) -> Result<(), String> {
        for (path, history) in &mut self.names {
            let versions = &self.versions;
            let length = history.shown.len();
            let left = match disk.file(path) {
                None => None,
                Some(data) => {
                    let left = history
                        .shown
                        .iter()
                        .rposition(|shown| !shown.lost && versions[shown.version].data == data);
                    if left.is_none() {
                        return Err(format!("{path:?} is torn after a power cut"));
                    }
                    left
                }
            };
            if left < history.floor {
                return Err(format!("{path:?}: an acknowledged version is lost after a power cut"));
            }
            for shown in history.shown.iter_mut().skip(left.map_or(0, |left| left + 1)) {
                shown.lost = true;
            }
            history.current = left;
            history.cuts.push((length, left));
        }
        Ok(())
    }

    /// A client got `OK` for an upload that it began at `since`.
    pub(super) fn receipt(
        &mut self,
        id: VersionId,
        since: &Since,
        durable: bool,
    ) -> Result<(), String> {
        let Version { path, data, .. } = &self.versions[id];
        let versions = &self.versions;
        let (mut seen, mut survivors) = (false, Vec::new());
        for (name, history) in &mut self.names {
            if name != path && !self.names_may_differ {
                continue;
            }
            // An equal content may have been there before.
            let from = since.get(name).map_or(0, |from| from.saturating_sub(1));
            let alike: Vec<_> = (from..history.shown.len())
                .filter(|at| versions[history.shown[*at].version].data == *data)
                .collect();
            seen |= !alike.is_empty();
            let cuts = &history.cuts;
            let lost = |at| cuts.iter().any(|(length, left)| at < *length && *left < Some(at));
            // Equal short contents cannot be distinguished, so one that survived is enough.
            if let Some(at) = alike.into_iter().find(|at| !lost(*at)) {
                survivors.push((&mut history.floor, at));
            }
        }
        if !seen {
            return Err(format!("{path:?} is acknowledged and was never there"));
        }
        if !durable {
            return Ok(());
        }
        match &mut survivors[..] {
            [] => return Err(format!("{path:?} was lost in a power cut and is acknowledged")),
            [(floor, at)] => **floor = (**floor).max(Some(*at)),
            // Under several names, any of them may be the right one.
            _ => {}
        }
        Ok(())
    }

    /// A client was told that an upload failed and nothing was published.
    pub(super) fn void(&mut self, id: VersionId) -> Result<(), String> {
        let Version { path, data, void } = &mut self.versions[id];
        *void = true;
        let mut shown = self.names.values().flat_map(|history| &history.shown);
        if data.len() >= UNIQUE && shown.any(|shown| shown.version == id) {
            return Err(format!("{path:?} was refused or cancelled and is published"));
        }
        Ok(())
    }

    /// A client received `got`, a range of a file that it requested at `since`.
    pub(super) fn fetched(
        &self,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
        since: &Since,
        got: &[u8],
    ) -> Result<(), String> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let length =
            length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let is_range = |whole: &[u8]| {
            let end = whole.len().min(offset.saturating_add(length));
            whole.get(offset..end) == Some(got)
        };
        let found = self.names.iter().any(|(name, history)| {
            let from = since.get(name).map_or(0, |from| from.saturating_sub(1));
            // After a power cut an older version than the last may be visible again.
            let from = if history.cuts.is_empty() { from } else { 0 };
            (name == path || self.names_may_differ)
                && history.shown[from..]
                    .iter()
                    .any(|shown| is_range(&self.versions[shown.version].data))
        });
        if found {
            Ok(())
        } else {
            Err(format!("{path:?} was fetched with bytes of no whole version"))
        }
    }

    /// Whether such a content was ever visible under a name.
    pub(super) fn was_seen(&self, path: &FilePath, fits: impl Fn(&[u8]) -> bool) -> bool {
        self.names.get(path).is_some_and(|history| {
            history.shown.iter().any(|shown| fits(&self.versions[shown.version].data))
        })
    }
}

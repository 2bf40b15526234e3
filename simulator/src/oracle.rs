//! What must be true of the files, kept apart from the disk that is judged by it.

use std::collections::BTreeMap;

use bytes::Bytes;
use haul_core::{Checksum, FilePath};

use crate::disk::Disk;

/// Contents shorter than this may be alike by chance.
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

/// What was seen under one name, in order.
#[derive(Debug, Default)]
struct History {
    shown: Vec<Shown>,
    /// The one that is seen.
    current: Option<usize>,
    /// The newest one that was acknowledged: no power cut may bring back an older one.
    floor: Option<usize>,
    /// What was seen no later than at a power cut, and what it left.
    cuts: Vec<(usize, Option<usize>)>,
}

#[derive(Debug)]
struct Shown {
    version: VersionId,
    lost: bool,
}

/// All versions and all histories.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    versions: Vec<Version>,
    by_checksum: BTreeMap<u64, Vec<VersionId>>,
    names: BTreeMap<FilePath, History>,
    /// A bit of a command was turned over. No checksum covers its path, so that content may be under another name than was meant.
    pub(super) names_may_differ: bool,
}

/// A moment in every name's history.
pub(super) type Since = BTreeMap<FilePath, usize>;

impl Ledger {
    /// A version that may be seen from now on.
    pub(super) fn attempt(&mut self, path: &FilePath, data: Bytes) -> VersionId {
        let id = self.versions.len();
        self.by_checksum.entry(Checksum::of(&data).to_u64()).or_default().push(id);
        self.versions.push(Version { path: path.clone(), data, void: false });
        id
    }

    /// What is on the disk from the beginning, on stable storage.
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

    /// Something may be seen that was not before.
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

    /// The power was cut and is back.
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

    /// A client was told `OK` for an upload that it began at `since`.
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
            // Contents as short as none cannot be told apart: one of them that survived will do.
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
            // Under several names: any of them may be the one.
            _ => {}
        }
        Ok(())
    }

    /// A client was told that an upload failed with nothing published.
    pub(super) fn void(&mut self, id: VersionId) -> Result<(), String> {
        let Version { path, data, void } = &mut self.versions[id];
        *void = true;
        let mut shown = self.names.values().flat_map(|history| &history.shown);
        if data.len() >= UNIQUE && shown.any(|shown| shown.version == id) {
            return Err(format!("{path:?} was refused or cancelled and is published"));
        }
        Ok(())
    }

    /// A client has `got` a range of a file that it asked for at `since`.
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
            // After a power cut an older one than the last is seen again.
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

    /// Whether such a content was ever seen under a name.
    pub(super) fn was_seen(&self, path: &FilePath, fits: impl Fn(&[u8]) -> bool) -> bool {
        self.names.get(path).is_some_and(|history| {
            history.shown.iter().any(|shown| fits(&self.versions[shown.version].data))
        })
    }
}

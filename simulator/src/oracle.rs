//! The oracle: what must be true of the files, kept apart from the disk that it checks.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use haul_core::{Checksum, FilePath, Version};

use crate::disk::Disk;
use crate::history::{ContentId, History, State};
use crate::op::{Made, Op};
use crate::tree::Node;

/// What a session asked for and what its server did, of one kind of change.
#[derive(Debug, Default)]
struct Account {
    /// Requests whose outcome nobody knows.
    open: usize,
    /// Those of them whose client does not wait any more.
    given_up: usize,
    /// Changes that were not acknowledged, by their number.
    made: VecDeque<usize>,
}

/// What came of a change.
#[derive(Debug)]
struct Outcome {
    /// The states that names have because of it.
    produced: Vec<(FilePath, usize)>,
    /// The version of the file that was copied, deleted, moved or replaced.
    before: Option<Version>,
    after: Option<(ContentId, Version)>,
}

/// A name that went and the one that came in its place, with the numbers of their states.
type Moved = [(FilePath, usize); 2];

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// This session, for an honest client.
    Session(usize),
    /// A session whose client may have asked for anything.
    Anybody,
    /// Another program.
    Program,
}

/// All contents, and the history of every name.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    contents: Vec<Bytes>,
    by_checksum: BTreeMap<u64, Vec<ContentId>>,
    versions: HashMap<Version, ContentId>,
    names: BTreeMap<FilePath, History>,
    accounts: BTreeMap<(usize, Op), Account>,
    outcomes: Vec<Outcome>,
    /// The moves since the last power cut.
    moves: Vec<Moved>,
    cuts: usize,
    /// Sessions of which a bit of a command was flipped. No checksum covers it, so that something else may have been
    /// done than was meant.
    pub(super) flipped: BTreeSet<usize>,
}

/// A moment in the history of every name.
#[derive(Debug, Clone, Default)]
pub(super) struct Since {
    states: BTreeMap<FilePath, usize>,
    cuts: usize,
}

/// What is expected to be seen under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File(ContentId),
}

/// Whether `path` is below the directory `above`.
pub(super) fn is_below(path: &FilePath, above: &FilePath) -> bool {
    path.as_str().strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

fn make_parents(names: &mut BTreeMap<FilePath, Kind>, path: &FilePath) {
    let mut parent = path.parent();
    while let Some(directory) = parent {
        parent = directory.parent();
        names.entry(directory).or_insert(Kind::Directory);
    }
}

impl Oracle {
    /// Adds a content that a file may have from now on.
    pub(super) fn content(&mut self, data: &Bytes) -> ContentId {
        self.known(data).unwrap_or_else(|| {
            let id = self.contents.len();
            self.by_checksum.entry(Checksum::of(data).to_u64()).or_default().push(id);
            self.contents.push(data.clone());
            id
        })
    }

    /// A file is on the disk from the beginning, and synced.
    pub(super) fn found(&mut self, disk: &Disk, path: &FilePath, data: Bytes) {
        let op = Op::Upload { path: path.clone(), data };
        let observed = self.observe(disk, Some((By::Program, Made { op, copied: None })));
        observed.expect("what was just put there");
        for history in self.names.values_mut() {
            history.floor = history.current;
        }
    }

    fn known(&self, data: &[u8]) -> Option<ContentId> {
        let alike = self.by_checksum.get(&Checksum::of(data).to_u64())?;
        alike.iter().find(|id| self.contents[**id] == data).copied()
    }

    /// A client asks for a change.
    pub(super) fn attempt(&mut self, session: usize, op: &Op) {
        if let Op::Upload { data, .. } = op {
            self.content(data);
        }
        self.accounts.entry((session, op.clone())).or_default().open += 1;
    }

    pub(super) fn now(&self) -> Since {
        let states = self.names.iter().map(|(path, history)| (path.clone(), history.current));
        Since { states: states.collect(), cuts: self.cuts }
    }

    /// The states of a name since then, and that which it had then.
    pub(super) fn states(
        &self,
        path: &FilePath,
        since: &Since,
    ) -> impl Iterator<Item = State> + use<'_> {
        // After a power cut an older state than the last may be visible again.
        let from = if since.cuts == self.cuts { since.states.get(path) } else { None };
        let shown = self
            .names
            .get(path)
            .map_or(&[][..], |history| &history.shown[from.copied().unwrap_or(0)..]);
        let nothing = shown.is_empty().then_some(State::Nothing);
        nothing.into_iter().chain(shown.iter().map(|shown| shown.state))
    }

    pub(super) fn data(&self, content: ContentId) -> &Bytes {
        &self.contents[content]
    }

    /// Records what is visible now, which must be what was before and what was `made`.
    pub(super) fn observe(&mut self, disk: &Disk, made: Option<(By, Made)>) -> Result<(), String> {
        let mut expected = BTreeMap::new();
        for (path, history) in &self.names {
            match history.state() {
                State::Nothing => {}
                State::Directory => drop(expected.insert(path.clone(), Kind::Directory)),
                State::File { content, .. } => {
                    expected.insert(path.clone(), Kind::File(content));
                }
            }
        }
        let mut moved = Vec::new();
        if let Some((by, made)) = &made {
            self.require_asked(*by, &made.op)?;
            moved = self.apply(&mut expected, made)?;
        }
        let seen = self.see(disk, &expected)?;
        let before = made.as_ref().and_then(|(_, made)| self.version_before(made));
        let mut produced = Vec::new();
        let gone: Vec<FilePath> =
            self.names.keys().filter(|path| !seen.contains_key(*path)).cloned().collect();
        let gone = gone.into_iter().map(|path| (path, State::Nothing));
        for (path, state) in gone.chain(seen) {
            let history = self.names.entry(path.clone()).or_default();
            if history.show(state) {
                produced.push((path, history.current));
            }
        }
        let Some((by, made)) = made else { return Ok(()) };
        let number = |path: &FilePath| self.names.get(path).map_or(0, |history| history.current);
        self.moves.extend(moved.into_iter().map(|paths| {
            paths.map(|path| {
                let number = number(&path);
                (path, number)
            })
        }));
        let (Op::Upload { path, .. }
        | Op::Copy { to: path, .. }
        | Op::Move { to: path, .. }
        | Op::Delete { path }
        | Op::MakeDirectory { path }) = &made.op;
        let state = self.names.get(path).map_or(State::Nothing, History::state);
        let after = state.content().zip(state.version());
        if let By::Session(session) = by {
            let account = self.accounts.entry((session, made.op)).or_default();
            account.made.push_back(self.outcomes.len());
        }
        self.outcomes.push(Outcome { produced, before, after });
        Ok(())
    }

    /// Somebody must have asked for a change, and nobody been told that it was not made.
    fn require_asked(&mut self, by: By, op: &Op) -> Result<(), String> {
        match by {
            By::Session(session) => {
                let account = self.accounts.get(&(session, op.clone()));
                let open = account.is_some_and(|account| account.made.len() < account.open);
                if !open && !self.flipped.contains(&session) {
                    return Err(format!("{op} is made, and nobody asks for it any more"));
                }
            }
            By::Anybody | By::Program => {
                if let Op::Upload { data, .. } = op {
                    self.content(data);
                }
            }
        }
        Ok(())
    }

    /// Does what was made to what is expected. Returns the names that went and those that came in their place.
    fn apply(
        &self,
        names: &mut BTreeMap<FilePath, Kind>,
        made: &Made,
    ) -> Result<Vec<[FilePath; 2]>, String> {
        let op = &made.op;
        let impossible = || Err(format!("{op} is made, and cannot be"));
        match op {
            Op::Upload { path, data } => {
                let Some(content) = self.known(data) else {
                    return Err(format!("{op} has bytes that are no whole version"));
                };
                make_parents(names, path);
                if names.insert(path.clone(), Kind::File(content)) == Some(Kind::Directory) {
                    return impossible();
                }
            }
            Op::Copy { from, to } => {
                let Some((version, checksum)) = made.copied else { return impossible() };
                let history = self.names.get(from);
                let mut shown = history.iter().flat_map(|history| &history.shown);
                let source = shown.find(|shown| shown.state.version() == version);
                let content = source.and_then(|shown| shown.state.content());
                let Some(content) =
                    content.filter(|content| Checksum::of(self.data(*content)) == checksum)
                else {
                    return Err(format!("{op} has bytes that are no whole version"));
                };
                make_parents(names, to);
                if names.insert(to.clone(), Kind::File(content)) == Some(Kind::Directory) {
                    return impossible();
                }
            }
            Op::Delete { path } => {
                if names.remove(path).is_none() || names.keys().any(|name| is_below(name, path)) {
                    return impossible();
                }
            }
            Op::MakeDirectory { path } => {
                make_parents(names, path);
                if names.insert(path.clone(), Kind::Directory).is_some() {
                    return impossible();
                }
            }
            Op::Move { from, to } if from == to => {}
            Op::Move { from, to } => {
                let (source, target) = (names.get(from).copied(), names.get(to).copied());
                let free = match target {
                    None => true,
                    Some(Kind::File(_)) => matches!(source, Some(Kind::File(_))),
                    Some(Kind::Directory) => false,
                };
                if source.is_none() || !free || is_below(to, from) {
                    return impossible();
                }
                make_parents(names, to);
                let old: Vec<FilePath> = names
                    .keys()
                    .filter(|name| *name == from || is_below(name, from))
                    .cloned()
                    .collect();
                let new = |path: &FilePath| {
                    let rest = &path.as_str()[from.as_str().len()..];
                    FilePath::parse(&format!("{}{rest}", to.as_str())).expect("a short path")
                };
                let moved: Vec<_> =
                    old.into_iter().map(|path| [path.clone(), new(&path)]).collect();
                for [old, new] in &moved {
                    let kind = names.remove(old);
                    names.extend(kind.map(|kind| (new.clone(), kind)));
                }
                return Ok(moved);
            }
        }
        Ok(Vec::new())
    }

    /// What is visible, if it is what is expected.
    fn see(
        &mut self,
        disk: &Disk,
        expected: &BTreeMap<FilePath, Kind>,
    ) -> Result<BTreeMap<FilePath, State>, String> {
        let seen = disk.names.all();
        if let Some(path) = expected.keys().find(|path| !seen.contains_key(*path)) {
            return Err(format!("{path:?} has vanished"));
        }
        let mut states = BTreeMap::new();
        for (path, node) in seen {
            let state = match (expected.get(&path), node) {
                (Some(Kind::Directory), Node::Directory(_)) => State::Directory,
                (Some(Kind::File(content)), Node::File(inode))
                    if self.contents[*content] == disk.inodes[inode].data =>
                {
                    let (content, version) = (*content, disk.inodes[inode].version(inode));
                    self.require_version(&path, content, version)?;
                    State::File { content, version }
                }
                (_, Node::File(inode)) => {
                    let length = disk.inodes[inode].data.len();
                    return Err(format!("{path:?} shows {length} bytes that are no whole version"));
                }
                (_, Node::Directory(_)) => {
                    return Err(format!("{path:?} is a directory, and nobody made it"));
                }
            };
            states.insert(path, state);
        }
        Ok(states)
    }

    /// A version is that of one content.
    fn require_version(
        &mut self,
        path: &FilePath,
        content: ContentId,
        version: Version,
    ) -> Result<(), String> {
        if *self.versions.entry(version).or_insert(content) == content {
            Ok(())
        } else {
            Err(format!("{path:?} has another content and the version {version}"))
        }
    }

    fn version_before(&self, made: &Made) -> Option<Version> {
        match &made.op {
            Op::Copy { .. } => made.copied?.0,
            Op::Upload { path, .. }
            | Op::Move { from: path, .. }
            | Op::Delete { path }
            | Op::MakeDirectory { path } => self.names.get(path)?.state().version(),
        }
    }

    /// Records what is visible after a power cut.
    pub(super) fn observe_power_cut(&mut self, disk: &Disk) -> Result<(), String> {
        self.cuts += 1;
        let mut seen = disk.names.all();
        let mut left = BTreeMap::new();
        for (path, history) in &self.names {
            let state = match seen.remove(path) {
                None => State::Nothing,
                Some(Node::Directory(_)) => State::Directory,
                Some(Node::File(inode)) => {
                    let (inode, version) = (&disk.inodes[inode], disk.inodes[inode].version(inode));
                    match self.known(&inode.data) {
                        Some(content) => State::File { content, version },
                        None => return Err(format!("{path:?} is torn after a power cut")),
                    }
                }
            };
            let Some((first, last)) = history.left_as(state) else {
                return Err(format!("{path:?} is torn after a power cut"));
            };
            if last < history.floor {
                return Err(format!("{path:?}: an acknowledged version is lost after a power cut"));
            }
            left.insert(path.clone(), (state, first, last));
        }
        if let Some(path) = seen.keys().next() {
            return Err(format!("{path:?} is there after a power cut, and never was before"));
        }
        for [(from, went), (to, came)] in std::mem::take(&mut self.moves) {
            if left[&from].1 >= went && left[&to].2 < came {
                return Err(format!("{from:?} has moved to {to:?}, and a power cut left neither"));
            }
        }
        for (path, (state, _, last)) in left {
            if let State::File { content, version } = state {
                self.require_version(&path, content, version)?;
            }
            if let Some(history) = self.names.get_mut(&path) {
                history.cut(last, state);
            }
        }
        Ok(())
    }

    /// A client got `OK` for a change: it was made, to the version that was meant, and stays. Returns what the file has
    /// then.
    pub(super) fn receipt(
        &mut self,
        session: usize,
        op: &Op,
        if_match: Option<Version>,
        told: Option<Version>,
        durable: bool,
    ) -> Result<Option<(ContentId, Version)>, String> {
        let account = self.accounts.entry((session, op.clone())).or_default();
        // Before it, some may have been made whose client did not wait.
        let fits = |at: &usize| {
            let Outcome { before, after, .. } = &self.outcomes[*at];
            (if_match.is_none() || if_match == *before)
                && (told.is_none() || told == after.map(|(_, version)| version))
        };
        let at = account.made.iter().take(account.given_up + 1).position(fits).unwrap_or(0);
        let Some(made) = account.made.remove(at) else {
            return Err(format!("{op} is acknowledged, and was never made"));
        };
        account.open -= 1;
        let Outcome { produced, before, after } = &self.outcomes[made];
        if if_match.is_some() && if_match != *before {
            return Err(format!("{op} is acknowledged, and the file was another one"));
        }
        for (path, at) in produced.iter().filter(|_| durable) {
            let Some(history) = self.names.get_mut(path) else { continue };
            if history.shown[*at].lost {
                return Err(format!("{path:?} was lost in a power cut and is acknowledged"));
            }
            history.floor = history.floor.max(*at);
        }
        Ok(*after)
    }

    /// A client does not wait for the reply any more.
    pub(super) fn give_up(&mut self, session: usize, op: &Op) {
        self.accounts.entry((session, op.clone())).or_default().given_up += 1;
    }

    /// A client was told that a change was not made.
    pub(super) fn void(&mut self, session: usize, op: &Op) -> Result<(), String> {
        let account = self.accounts.entry((session, op.clone())).or_default();
        account.open -= 1;
        if account.made.len() > account.open {
            return Err(format!("{op} was refused or cancelled, and is made"));
        }
        Ok(())
    }

    /// Whether `got` is a range of a content that the file has had since then, under the version that was told.
    pub(super) fn had(
        &self,
        path: &FilePath,
        since: &Since,
        version: Option<Version>,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> bool {
        self.states(path, since).any(|state| match state {
            State::File { content, version: had } => {
                version.is_none_or(|version| version == had) && is_it(self.data(content))
            }
            State::Nothing | State::Directory => false,
        })
    }

    /// Whether such a content was ever visible under any name.
    pub(super) fn ever_had(&self, is_it: impl Fn(&[u8]) -> bool) -> bool {
        self.contents.iter().any(|data| is_it(data))
    }
}

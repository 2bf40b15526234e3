//! What one client has made, moved, copied and deleted, and whether the files agree with the replies that it got.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use haul_core::Checksum;
use haul_harness::Random;

use crate::history::{CHANGED, HEADER, bytes, id_of};
use crate::unfinished::is_unfinished;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    File { id: u64, size: usize },
}

/// A command that succeeds, if those before it are carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Put { path: String, id: u64, size: usize },
    MakeDirectory { path: String },
    Move { from: String, to: String },
    Copy { from: String, to: String },
    Delete { path: String },
}

/// The commands of one client, which alone uses the names below its directory.
#[derive(Debug)]
pub(super) struct Ledger {
    top: String,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    /// What is there once all commands are carried out.
    tree: BTreeMap<String, Node>,
    /// What names have been since the last crash, beginning with what they were then.
    histories: BTreeMap<String, Vec<Been>>,
    /// For each move since then, its old name and its new one, with their places in the histories.
    moves: Vec<[(String, usize); 2]>,
    /// The versions that were told and hold still.
    versions: BTreeMap<String, String>,
    /// Commands since the last crash.
    sent: usize,
    confirmed: usize,
    /// The number of the last file.
    last_id: u64,
}

#[derive(Debug, Clone, Copy)]
struct Been {
    /// The command that made it so; `None` is the state after the last crash.
    command: Option<usize>,
    node: Option<Node>,
}

/// What was compared.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Compared {
    /// Commands confirmed since the last comparison.
    pub(super) confirmed: u64,
    /// Commands that were under way.
    pub(super) under_way: u64,
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

impl Ledger {
    /// The ledger of this client.
    pub(super) fn new(client: usize) -> Self {
        let last_id = (client as u64 + 1) << 40;
        let names = Names { last_id, ..Names::default() };
        Self { top: format!("{CHANGED}/{client}"), names: Mutex::new(names) }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some commands that are sent at once from now on, and their text. Bodies come first: a client begins none behind
    /// another command.
    pub(super) fn send(&self, random: &mut Random) -> (Vec<Command>, Vec<u8>) {
        let mut names = self.names();
        let (mut commands, mut text) = (Vec::new(), Vec::new());
        for _ in 0..random.below(6) {
            commands.push(names.put(&self.top, random));
        }
        for _ in 0..random.between(1, 12) {
            commands.extend(names.any(&self.top, random));
        }
        let mut sent = Vec::new();
        for command in commands {
            if names.is_possible(&command) {
                let version = names.version_for(&command, random);
                write(&mut text, &command, version).expect("memory takes all");
                names.apply(&command);
                sent.push(command);
            }
        }
        (sent, text)
    }

    /// The next command was answered `OK`.
    pub(super) fn confirm(&self, command: &Command, receipt: &str) {
        let mut names = self.names();
        let (Command::Put { path, .. } | Command::Copy { to: path, .. }) = command else {
            names.confirmed += 1;
            return;
        };
        let last = names.histories.get(path).and_then(|history| history.last());
        let holds = last.is_some_and(|been| been.command == Some(names.confirmed));
        if let Some((_, version)) = receipt.split_once("version=").filter(|_| holds) {
            names.versions.insert(path.clone(), version.to_owned());
        }
        names.confirmed += 1;
    }

    /// Compares with the files of `share`: what was confirmed is done, what was under way is done or not, and what is
    /// moved has a name; not two, where the file system has a journal. What is found is the base of the next
    /// comparison.
    pub(super) fn compare(&self, share: &Path, has_journal: bool) -> Result<Compared, String> {
        let mut found = BTreeMap::new();
        collect(share, &self.top, &mut found)?;
        self.names().compare(found, has_journal)
    }
}

impl Names {
    fn put(&mut self, top: &str, random: &mut Random) -> Command {
        self.last_id += 1;
        let most = if random.chance(80) { 3_000 } else { 200_000 };
        let size = random.below(most).max(HEADER);
        Command::Put { path: file_name(top, random), id: self.last_id, size }
    }

    /// A command about something that is there, if there is anything.
    fn any(&self, top: &str, random: &mut Random) -> Option<Command> {
        if random.one_in(6) {
            return Some(Command::MakeDirectory { path: directory_name(top, random) });
        }
        let at = random.below(self.tree.len().max(1));
        let (from, node) = self.tree.iter().nth(at)?;
        let from = from.clone();
        let to = match node {
            Node::Directory => directory_name(top, random),
            Node::File { .. } => file_name(top, random),
        };
        Some(match random.below(4) {
            0 => Command::Delete { path: from },
            1 => Command::Copy { from, to },
            _ => Command::Move { from, to },
        })
    }

    /// Whether it succeeds, given that no directory has a file's name.
    fn is_possible(&self, command: &Command) -> bool {
        let node = |path: &String| self.tree.get(path);
        let is_directory = |path| node(path) == Some(&Node::Directory);
        match command {
            Command::Put { .. } => true,
            Command::MakeDirectory { path } => node(path).is_none(),
            Command::Copy { from, to } => {
                matches!(node(from), Some(Node::File { .. })) && from != to
            }
            Command::Delete { path } => {
                let is_empty = || !self.tree.keys().any(|name| is_below(name, path));
                node(path).is_some() && (!is_directory(path) || is_empty())
            }
            Command::Move { from, to } => {
                let free = !is_directory(from) || node(to).is_none();
                node(from).is_some() && free && from != to && !is_below(to, from)
            }
        }
    }

    fn version_for(&self, command: &Command, random: &mut Random) -> Option<&String> {
        let (Command::Move { from: path, .. }
        | Command::Copy { from: path, .. }
        | Command::Delete { path }) = command
        else {
            return None;
        };
        self.versions.get(path).filter(|_| random.one_in(2))
    }

    fn apply(&mut self, command: &Command) {
        match command {
            Command::Put { path, id, size } => {
                self.set(path, Some(Node::File { id: *id, size: *size }));
            }
            Command::MakeDirectory { path } => self.set(path, Some(Node::Directory)),
            Command::Copy { from, to } => self.set(to, self.tree.get(from).copied()),
            Command::Delete { path } => self.set(path, None),
            Command::Move { from, to } => {
                let moved: Vec<_> = (self.tree.iter())
                    .filter(|(name, _)| *name == from || is_below(name, from))
                    .map(|(name, node)| (name.clone(), *node))
                    .collect();
                for (old, node) in moved {
                    let new = format!("{to}{}", &old[from.len()..]);
                    self.set(&new, Some(node));
                    self.set(&old, None);
                    let pair = [old, new].map(|name| {
                        let at = self.histories.get(&name).map_or(0, |history| history.len() - 1);
                        (name, at)
                    });
                    self.moves.push(pair);
                }
            }
        }
        self.sent += 1;
    }

    fn set(&mut self, path: &str, node: Option<Node>) {
        if let Some((parent, _)) = path.rsplit_once('/').filter(|_| node.is_some())
            && parent != CHANGED
            && !self.tree.contains_key(parent)
        {
            self.set(parent, Some(Node::Directory));
        }
        let before = match node {
            Some(node) => self.tree.insert(path.to_owned(), node),
            None => self.tree.remove(path),
        };
        let first = || vec![Been { command: None, node: before }];
        let history = self.histories.entry(path.to_owned()).or_insert_with(first);
        history.push(Been { command: Some(self.sent), node });
        self.versions.remove(path);
    }

    fn compare(
        &mut self,
        found: BTreeMap<String, Node>,
        has_journal: bool,
    ) -> Result<Compared, String> {
        let mut left = BTreeMap::new();
        for (path, history) in &self.histories {
            let is_confirmed =
                |been: &Been| been.command.is_none_or(|command| command < self.confirmed);
            let floor = history.iter().rposition(is_confirmed).unwrap_or(0);
            let node = found.get(path).copied();
            let fits = |at: &usize| history[*at].node == node;
            let Some(first) = (floor..history.len()).find(fits) else {
                return Err(format!(
                    "{path}: lost: {node:?} is there, and not {:?}",
                    &history[floor..]
                ));
            };
            let last = (floor..history.len()).rev().find(fits).unwrap_or(first);
            left.insert(path.as_str(), (first, last));
        }
        for [(from, went), (to, came)] in &self.moves {
            let ((first, last), (new_first, new_last)) = (left[from.as_str()], left[to.as_str()]);
            if first >= *went && new_last < *came {
                return Err(format!("lost: {from} was moved to {to}, and neither is there"));
            }
            if has_journal && last < *went && new_first >= *came {
                return Err(format!("{from} was moved to {to}, and both are there"));
            }
        }
        for path in self.tree.keys().chain(found.keys()) {
            let (node, known) = (found.get(path), self.tree.get(path));
            if !self.histories.contains_key(path) && node != known {
                return Err(format!(
                    "{path}: lost: {node:?} is there, and nobody changed {known:?}"
                ));
            }
        }
        let under_way = (self.sent - self.confirmed) as u64;
        let compared = Compared { confirmed: self.confirmed as u64, under_way };
        *self = Self { tree: found, last_id: self.last_id, ..Self::default() };
        Ok(compared)
    }
}

/// The name of a file. Few, so that many are taken.
fn file_name(top: &str, random: &mut Random) -> String {
    let file = random.below(4);
    match random.below(3) {
        0 => format!("{top}/f{file}"),
        1 => format!("{}/f{file}", directory_name(top, random)),
        _ => format!("{top}/new{}/f{file}", random.below(50)),
    }
}

fn directory_name(top: &str, random: &mut Random) -> String {
    let directory = format!("{top}/d{}", random.below(4));
    if random.one_in(3) { format!("{directory}/e{}", random.below(2)) } else { directory }
}

fn write(out: &mut Vec<u8>, command: &Command, version: Option<&String>) -> io::Result<()> {
    match command {
        Command::Put { path, id, size } => {
            let bytes = bytes(*id, *size);
            write!(out, "UPLOAD {path} size={size}\nDATA {size}\n")?;
            out.extend(&bytes);
            write!(out, "END crc64nvme={}", Checksum::of(&bytes))?;
        }
        Command::MakeDirectory { path } => write!(out, "MKDIR {path}")?,
        Command::Move { from, to } => write!(out, "MOVE {from} {to}")?,
        Command::Copy { from, to } => write!(out, "COPY {from} {to}")?,
        Command::Delete { path } => write!(out, "DELETE {path}")?,
    }
    if let Some(version) = version {
        write!(out, " if-match={version}")?;
    }
    writeln!(out)
}

/// Everything at and below `path`. Each file is a whole one that was sent.
fn collect(share: &Path, path: &str, found: &mut BTreeMap<String, Node>) -> Result<(), String> {
    let entries = match fs::read_dir(share.join(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| format!("cannot look: {error}"))?,
    };
    found.insert(path.to_owned(), Node::Directory);
    for entry in entries {
        let entry = entry.map_err(|error| format!("cannot look: {error}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_unfinished(&name) {
            continue;
        }
        let below = format!("{path}/{name}");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(share, &below, found)?;
            continue;
        }
        let data = fs::read(entry.path()).map_err(|error| format!("cannot look: {error}"))?;
        let size = data.len();
        let id = id_of(&data).filter(|id| bytes(*id, size) == data);
        let id = id.ok_or_else(|| format!("{below}: torn: {size} bytes of no file"))?;
        found.insert(below, Node::File { id, size });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "changed/0/f0";
    const B: &str = "changed/0/f1";

    const ONE: Option<Node> = Some(Node::File { id: 1, size: 100 });
    const TWO: Option<Node> = Some(Node::File { id: 2, size: 100 });

    /// A file that was put, and moved after that was confirmed. Then there is this.
    fn compare(confirmed: usize, a: Option<Node>, b: Option<Node>) -> Result<Compared, String> {
        let mut names = Names::default();
        names.apply(&Command::Put { path: A.into(), id: 1, size: 100 });
        names.apply(&Command::Move { from: A.into(), to: B.into() });
        names.confirmed = confirmed;
        let top = [("changed/0".to_owned(), Node::Directory)];
        let files = [(A, a), (B, b)];
        let files = files.into_iter().filter_map(|(name, node)| Some((name.to_owned(), node?)));
        names.compare(top.into_iter().chain(files).collect(), true)
    }

    #[test]
    fn what_is_under_way_is_done_or_not_and_what_is_confirmed_is_done() {
        compare(0, None, None).unwrap();
        compare(1, ONE, None).unwrap();
        compare(1, None, ONE).unwrap();
        compare(2, None, ONE).unwrap();
        for wrong in [
            compare(1, None, None),
            compare(1, TWO, None),
            compare(1, ONE, ONE),
            compare(2, ONE, None),
            compare(2, None, None),
            compare(2, ONE, ONE),
        ] {
            wrong.unwrap_err();
        }
    }
}

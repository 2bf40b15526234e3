//! The printed form of results: lines for people, or one JSON object a line for programs.

use std::fmt;
use std::path::Path;

use haul_core::message::{Omission, Summary};
use haul_core::{Checksum, Entry, ErrorCode, Escaped, FilePath};
use serde::Serialize;

/// An entry of a listing, for programs. `error` says why the entries of a directory are not listed.
#[derive(Debug, Serialize)]
pub(crate) struct EntryRecord<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    executable: bool,
    #[serde(skip_serializing_if = "is_false")]
    link: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

// serde requires this signature.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl<'a> EntryRecord<'a> {
    /// The record of `entry`, named `path`.
    pub(crate) fn new(path: &'a str, entry: &Entry) -> Self {
        let plain = Self {
            path,
            kind: "directory",
            size: None,
            modified: None,
            executable: false,
            link: false,
            error: None,
        };
        match *entry {
            Entry::File { size, modified, executable, .. } => Self {
                kind: "file",
                size: Some(size),
                modified: Some(modified.to_string()),
                executable,
                ..plain
            },
            Entry::Directory { error, link, .. } => {
                Self { link, error: error.map(ErrorCode::as_str), ..plain }
            }
            Entry::Omitted { .. } => Self { kind: "omitted", ..plain },
        }
    }
}

/// Why something is left out of a listing, and what to do about it.
pub(crate) fn left_out(reason: Omission) -> &'static str {
    match reason {
        Omission::Name => "its name or path cannot be sent (rename it on the server)",
        Omission::Link => "a link that leads nowhere, or out of what is shared",
        Omission::Special => "neither a file nor a directory",
        Omission::Hidden => "its name begins with a dot (serve --hidden serves it)",
        Omission::Unknown => "the server cannot say what it is",
    }
}

/// A completed transfer of a file.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    /// The direction.
    pub(crate) direction: Direction,
    /// Its name on the server.
    pub(crate) path: &'a FilePath,
    /// Its local name; `None` for a stream.
    pub(crate) local: Option<&'a Path>,
    /// The size in bytes.
    pub(crate) size: u64,
    /// The checksum of those bytes.
    pub(crate) checksum: Option<Checksum>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

impl<'a> Transfer<'a> {
    /// The transfer that `summary` describes.
    pub(crate) fn new(
        direction: Direction,
        path: &'a FilePath,
        local: Option<&'a Path>,
        summary: &Summary,
    ) -> Self {
        let size = match direction {
            Direction::Down => summary.length,
            Direction::Up => summary.size,
        };
        Self { direction, path, local, size: size.unwrap_or_default(), checksum: summary.checksum }
    }

    /// The record for programs.
    pub(crate) fn record(&self) -> TransferRecord<'a> {
        let local = self.local.map_or_else(|| "-".into(), |path| path.to_string_lossy());
        let (target, source) = match self.direction {
            Direction::Down => (Some(local.into_owned()), None),
            Direction::Up => (None, Some(local.into_owned())),
        };
        TransferRecord {
            path: self.path.as_str(),
            target,
            source,
            size: self.size,
            crc64nvme: self.checksum.map(|checksum| checksum.to_string()),
        }
    }
}

impl fmt::Display for Transfer<'_> {
    /// The line for people: `notes.txt  12 bytes  crc64nvme ae8b14860a799888  verified`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local.map(Path::to_string_lossy);
        let same = local.as_deref() == Some(self.path.as_str());
        match (self.direction, local) {
            (_, None) => write!(f, "{}", self.path.escaped())?,
            (_, Some(_)) if same => write!(f, "{}", self.path.escaped())?,
            (Direction::Down, Some(local)) => {
                write!(f, "{} -> {}", self.path.escaped(), Escaped::new(&local))?;
            }
            (Direction::Up, Some(local)) => {
                write!(f, "{} -> {}", Escaped::new(&local), self.path.escaped())?;
            }
        }
        write_size_and_checksum(f, self.size, self.checksum)?;
        f.write_str(match self.direction {
            Direction::Down => "  verified",
            Direction::Up => "  stored",
        })
    }
}

fn write_size_and_checksum(
    f: &mut fmt::Formatter<'_>,
    size: u64,
    checksum: Option<Checksum>,
) -> fmt::Result {
    let unit = if size == 1 { "byte" } else { "bytes" };
    write!(f, "  {size} {unit}")?;
    checksum.map_or(Ok(()), |checksum| write!(f, "  crc64nvme {checksum}"))
}

/// A completed transfer, for programs. `path` is the name on the server.
#[derive(Debug, Serialize)]
pub(crate) struct TransferRecord<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc64nvme: Option<String>,
}

/// A change on the server.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    action: &'static str,
    path: &'a FilePath,
    from: Option<&'a FilePath>,
    copied: Option<(u64, Checksum)>,
}

impl<'a> Change<'a> {
    pub(crate) fn deleted(path: &'a FilePath) -> Self {
        Self { action: "deleted", path, from: None, copied: None }
    }

    pub(crate) fn made(path: &'a FilePath) -> Self {
        Self { action: "made", path, from: None, copied: None }
    }

    pub(crate) fn moved(from: &'a FilePath, path: &'a FilePath) -> Self {
        Self { action: "moved", path, from: Some(from), copied: None }
    }

    /// The copy that the server describes with `summary`.
    pub(crate) fn copied(from: &'a FilePath, path: &'a FilePath, summary: &Summary) -> Self {
        let copied = summary.size.zip(summary.checksum);
        Self { action: "copied", path, from: Some(from), copied }
    }

    /// The record for programs.
    pub(crate) fn record(&self) -> ChangeRecord<'a> {
        ChangeRecord {
            path: self.path.as_str(),
            action: self.action,
            from: self.from.map(FilePath::as_str),
            size: self.copied.map(|(size, _)| size),
            crc64nvme: self.copied.map(|(_, checksum)| checksum.to_string()),
        }
    }
}

impl fmt::Display for Change<'_> {
    /// The line for people: `notes.txt -> letters/notes.txt  moved`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.from {
            write!(f, "{} -> ", from.escaped())?;
        }
        write!(f, "{}", self.path.escaped())?;
        if let Some((size, checksum)) = self.copied {
            write_size_and_checksum(f, size, Some(checksum))?;
        }
        write!(f, "  {}", self.action)
    }
}

/// A change on the server, for programs. `path` is the new name, or the deleted one.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeRecord<'a> {
    path: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc64nvme: Option<String>,
}

/// A listening address, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct ListeningRecord {
    pub(crate) listening: String,
    /// The fingerprint of the key that clients see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
}

/// Formats `record` as one line of JSON. On a terminal, everything beyond ASCII is written as `\u….`, so that a name
/// cannot control it.
pub(crate) fn json(record: &impl Serialize, terminal: bool) -> serde_json::Result<String> {
    let line = serde_json::to_string(record)?;
    if !terminal {
        return Ok(line);
    }
    let mut units = [0; 2];
    let mut ascii = String::with_capacity(line.len());
    for c in line.chars() {
        if matches!(c, ' '..='~') {
            ascii.push(c);
        } else {
            // Such characters occur only in strings, where JSON allows this form.
            ascii.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    Ok(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            size: Some(9),
            length: Some(1),
            checksum: Some(Checksum::of(b"123456789")),
            ..Summary::default()
        }
    }

    fn transfer<'a>(direction: Direction, path: &'a FilePath, local: Option<&'a str>) -> String {
        Transfer::new(direction, path, local.map(Path::new), &summary()).to_string()
    }

    #[test]
    fn lines_for_people() {
        let path = FilePath::parse("a/n\u{202e}.txt").unwrap();
        let notes = FilePath::parse("notes.txt").unwrap();
        assert_eq!(
            transfer(Direction::Up, &notes, Some("notes.txt")),
            "notes.txt  9 bytes  crc64nvme ae8b14860a799888  stored"
        );
        assert_eq!(
            transfer(Direction::Down, &path, Some("x\u{1b}")),
            r"a/n\u{202e}.txt -> x\u{1b}  1 byte  crc64nvme ae8b14860a799888  verified"
        );
        assert_eq!(
            transfer(Direction::Up, &notes, None),
            "notes.txt  9 bytes  crc64nvme ae8b14860a799888  stored"
        );
    }

    #[test]
    fn json_is_plain_ascii_on_a_terminal_and_means_the_same() {
        let path = FilePath::parse("π\u{202e}\u{1f600}").unwrap();
        let record = Transfer::new(Direction::Down, &path, None, &summary()).record();
        let raw = json(&record, false).unwrap();
        let shown = json(&record, true).unwrap();
        assert!(raw.contains('π'));
        assert!(shown.is_ascii());
        let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        assert_eq!(read(&raw), read(&shown));
        assert_eq!(read(&raw)["crc64nvme"], "ae8b14860a799888");
        assert_eq!(read(&raw)["target"], "-");
    }
}

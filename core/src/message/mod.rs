//! The lines of the protocol as types: what a client sends ([`ClientLine`]) and what a server sends ([`ServerLine`]).
//!
//! Each is parsed from a line without its ending and encoded with it, so that `parse(encode(x)) == x`.

mod decode;
mod encode;

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;
use core::num::NonZeroU64;

use thiserror::Error;

use crate::checksum::Checksum;
use crate::error::ErrorCode;
use crate::escape::Escaped;
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::wire::words::Quoted;

pub(crate) use encode::data_line_len;

/// The version word that a greeting begins with.
pub const VERSION: &str = "HAUL/1";

/// The largest number of the protocol, 2^63-1.
pub const MAX_NUMBER: u64 = i64::MAX as u64;

/// A line that a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientLine {
    /// A command, which gets exactly one final reply.
    Command(Command),
    /// `DATA n`: `n` raw bytes follow, 1 to 16 MiB.
    Data(u64),
    /// `END`: the body is whole.
    End {
        /// The checksum of the body, if the client took it.
        checksum: Option<Checksum>,
    },
    /// `ABORT`: in a body, give it up; elsewhere, cancel every command not yet answered.
    Abort,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// List a directory, or one file.
    List {
        /// What to list; `None` is the shared directory itself.
        path: Option<FilePath>,
        /// How deep to go.
        depth: Depth,
        /// Whether to name what the listing leaves out, too.
        omitted: bool,
    },
    /// Fetch a file or a range of it.
    Download {
        /// The file.
        path: FilePath,
        /// The first byte, from the start of the file.
        offset: u64,
        /// The most bytes; `None` is all to the end.
        length: Option<u64>,
    },
    /// Store a file.
    Upload {
        /// The name to be.
        path: FilePath,
        /// The size in bytes, if known.
        size: Option<u64>,
        /// Whether an existing file may be replaced.
        mode: Mode,
        /// The modification time that the file shall have.
        modified: Option<Timestamp>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// Ask what commands there are.
    Help,
    /// End the session.
    Exit,
}

impl Command {
    /// The command's verb, in upper case.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::List { .. } => "LIST",
            Self::Download { .. } => "DOWNLOAD",
            Self::Upload { .. } => "UPLOAD",
            Self::Help => "HELP",
            Self::Exit => "EXIT",
        }
    }

    /// The path that the command is about.
    pub fn path(&self) -> Option<&FilePath> {
        match self {
            Self::List { path, .. } => path.as_ref(),
            Self::Download { path, .. } | Self::Upload { path, .. } => Some(path),
            Self::Help | Self::Exit => None,
        }
    }
}

/// How deep a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// So many levels; 1 is the directory's own entries.
    Levels(NonZeroU64),
    /// All of them.
    All,
}

impl Depth {
    /// The directory's own entries.
    pub const ONE: Self = Self::Levels(NonZeroU64::MIN);

    /// Whether entries of a directory found at `level` are listed too; the listed directory's own entries are at level 1.
    pub fn goes_below(self, level: u64) -> bool {
        match self {
            Self::Levels(levels) => level < levels.get(),
            Self::All => true,
        }
    }
}

/// Whether an upload may replace a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It replaces an existing file.
    Replace,
    /// It is refused if the name exists when it would be published.
    Create,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// The whole path, from the shared directory.
        path: FilePath,
        /// Its size in bytes.
        size: u64,
        /// When it was last modified.
        modified: Timestamp,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory.
    Directory {
        /// The whole path, from the shared directory.
        path: FilePath,
        /// Why its own entries are not in the listing, if they could not be read: [`ErrorCode::Denied`] or
        /// [`ErrorCode::Io`].
        error: Option<ErrorCode>,
        /// Whether it is a link to a directory within the share. A listing does not descend through one.
        link: bool,
    },
    /// A name that the listing leaves out; only if it was [asked for](Command::List::omitted).
    Omitted {
        /// The whole path in a form that can be shown and sent, see [`Entry::omitted`]. It may not be a path that the protocol
        /// can ask for.
        shown: String,
        /// Why it is left out.
        reason: Omission,
    },
}

impl Entry {
    /// A name that a listing leaves out: the whole path as it stands on the disk, from the shared directory.
    ///
    /// Bytes that are not UTF-8 come out as `\u{fffd}`, characters that cannot be shown as [`Escaped`] has them;
    /// what does not fit into a line is cut.
    ///
    /// ```
    /// use haul_core::{Entry, message::Omission};
    ///
    /// let entry = Entry::omitted(b"caf\xe9\n", Omission::Name);
    /// let shown = r"caf\u{fffd}\n".to_owned();
    /// assert_eq!(entry, Entry::Omitted { shown, reason: Omission::Name });
    /// ```
    pub fn omitted(path: &[u8], reason: Omission) -> Self {
        const CUT: &str = "…";
        let text = String::from_utf8_lossy(path);
        let mut shown = Escaped::new(&text).to_string().replace('\u{fffd}', r"\u{fffd}");
        if shown.len() > Quoted::MAX_BYTES {
            shown.truncate(shown.floor_char_boundary(Quoted::MAX_BYTES - CUT.len()));
            shown.push_str(CUT);
        }
        Self::Omitted { shown, reason }
    }

    /// The whole path, from the shared directory; `None` of what is left out.
    pub fn path(&self) -> Option<&FilePath> {
        match self {
            Self::File { path, .. } | Self::Directory { path, .. } => Some(path),
            Self::Omitted { .. } => None,
        }
    }
}

/// Why a listing leaves a name out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Omission {
    /// It breaks the rules of names, or its path is too long.
    Name,
    /// It is a link that leads outside the share, or nowhere.
    Link,
    /// It is neither a regular file nor a directory: a device, a FIFO or a socket.
    Special,
    /// The server serves no names that begin with a dot. One entry stands for a directory and all that is below it.
    Hidden,
    /// The server could not find out what it is. A client takes a reason that it does not know for this one.
    Unknown,
}

impl Omission {
    /// Every reason.
    pub const ALL: &'static [Self] =
        &[Self::Name, Self::Link, Self::Special, Self::Hidden, Self::Unknown];

    /// The reason as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Link => "link",
            Self::Special => "special",
            Self::Hidden => "hidden",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A line that a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerLine {
    /// The first line of a session.
    Greeting(Greeting),
    /// A line of a listing.
    Entry(Entry),
    /// What a download will send.
    Sending(Sending),
    /// `DATA n`: `n` raw bytes follow, 1 to 16 MiB.
    Data(u64),
    /// An upload's body is welcome.
    Ready,
    /// A line of help.
    Info(String),
    /// The command is done.
    Ok(Summary),
    /// The command, or the connection, failed.
    Err(Refusal),
}

/// The first line of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// A text for people.
    pub banner: String,
    /// The largest `DATA` that the server takes: 1 to 16 MiB.
    pub max_data: u64,
    /// The most unanswered commands: at least 1.
    pub pipeline: u64,
}

/// What a download is about to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The first byte that comes.
    pub offset: u64,
    /// The bytes that come.
    pub length: u64,
    /// When the file was last modified.
    pub modified: Timestamp,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// The options of an `OK`. Which of them are there depends on the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// A text for people.
    pub text: Option<Cow<'static, str>>,
    /// Files and directories of a listing.
    pub entries: Option<u64>,
    /// Names that a listing left out, each of which had its line. There only if they were asked for.
    pub omitted: Option<u64>,
    /// Names that a listing left out because they break the rules of names, if there are any.
    pub skipped: Option<u64>,
    /// Bytes of a download.
    pub length: Option<u64>,
    /// Bytes of a published file.
    pub size: Option<u64>,
    /// The checksum of those bytes.
    pub checksum: Option<Checksum>,
}

/// What an `ERR` says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", crate::Escaped::new(text).cut(256))]
pub struct Refusal {
    /// The code's word. A client may meet one that it does not know; see [`code`](Self::code).
    pub word: Cow<'static, str>,
    /// A text for people.
    pub text: Cow<'static, str>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// An `ERR` with `code`, told by `text`, which has no control characters.
    pub fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { word: Cow::Borrowed(code.as_str()), text: text.into(), retry_after: None }
    }

    /// The code, if this version knows it.
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.word)
    }
}

/// Why a line of a client is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// The refusal to send; [`ErrorCode::Protocol`] ends the connection.
    pub code: ErrorCode,
    /// A text for people, without control characters.
    pub text: Cow<'static, str>,
}

impl LineError {
    pub(crate) fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }
}

/// A line of a server that this client does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Garbled(pub(crate) &'static str);

//! What lines are made of: the types of a server's lines, and the grammar of all lines that belong to no verb.
//!
//! The lines of a client, and what stands in those of one verb only, are in [`verb`](crate::verb).

pub(crate) mod arguments;
pub(crate) mod body;
pub(crate) mod common;
pub(crate) mod encode;
mod entry;

use alloc::borrow::Cow;
use alloc::string::String;

use thiserror::Error;

use crate::checksum::Checksum;
use crate::error::ErrorCode;
use crate::time::Timestamp;
use crate::version::Version;

pub use crate::wire::words::MAX_NUMBER;
pub use entry::{Depth, Entry, Omission};

/// The version word that a greeting begins with.
pub const VERSION: &str = "HAUL/1";

/// Whether an upload may replace a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It replaces an existing file.
    Replace,
    /// It is refused if the name exists when it would be published.
    Create,
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
    /// Its version, if the server tells it.
    pub version: Option<Version>,
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
    /// Bytes of a published file, or of the whole file that a checksum is of.
    pub size: Option<u64>,
    /// Bytes of a download, or of the range that a checksum is of.
    pub length: Option<u64>,
    /// The checksum of those bytes.
    pub checksum: Option<Checksum>,
    /// The version of the file, if the server tells it.
    pub version: Option<Version>,
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

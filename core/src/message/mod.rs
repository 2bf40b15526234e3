//! The types of a server's lines, and the grammar of all lines that belong to no verb.
//!
//! The lines of a client, and those that belong to one verb only, are in [`verb`](crate::verb).

pub(crate) mod arguments;
pub(crate) mod body;
pub(crate) mod common;
pub(crate) mod encode;
mod entry;

use alloc::borrow::Cow;
use alloc::string::String;

use thiserror::Error;

use crate::account::{Grant, Quota, UserName};
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
    /// It fails if the name exists when the file is published.
    Create,
}

/// A line that a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerLine {
    /// The first line of a session.
    Greeting(Greeting),
    /// An entry of a listing.
    Entry(Entry),
    /// What a download will send.
    Sending(Sending),
    /// `DATA n`: `n` raw bytes follow, 1 to 16 MiB.
    Data(u64),
    /// The server wants the body of an upload.
    Ready,
    /// A line of help.
    Info(String),
    /// A mount of the user.
    Grant(Grant),
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
    /// The maximum number of unanswered commands, at least 1.
    pub pipeline: u64,
    /// Whether the client must be identified before it is served.
    pub auth_required: bool,
    /// The user that the connection has already.
    pub user: Option<UserName>,
}

/// What a download will send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The first byte that is sent.
    pub offset: u64,
    /// The number of bytes that are sent.
    pub length: u64,
    /// The time of the last modification.
    pub modified: Timestamp,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// The version, if the server sends it.
    pub version: Option<Version>,
}

/// The options of an `OK`. The command decides which of them are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// A text for people.
    pub text: Option<Cow<'static, str>>,
    /// The number of files and directories of a listing.
    pub entries: Option<u64>,
    /// The number of omitted names of a listing, each of which has its line. It is set only if the client asked for
    /// them.
    pub omitted: Option<u64>,
    /// The number of names that a listing omitted because they break the rules of names, if there are any.
    pub skipped: Option<u64>,
    /// The size of a published file, or of the whole file of a checksum, in bytes.
    pub size: Option<u64>,
    /// The length of a download, or of the range of a checksum, in bytes.
    pub length: Option<u64>,
    /// The checksum of those bytes.
    pub checksum: Option<Checksum>,
    /// The version of the file, if the server sends it.
    pub version: Option<Version>,
    /// The user of the connection.
    pub user: Option<UserName>,
    /// The quota of the user.
    pub quota: Option<Quota>,
}

/// The content of an `ERR`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", crate::Escaped::new(text).cut(256))]
pub struct Refusal {
    /// The code as a word. A client may not know it; see [`code`](Self::code).
    pub word: Cow<'static, str>,
    /// A text for people.
    pub text: Cow<'static, str>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// An `ERR` with `code` and `text`, which has no control characters.
    pub fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { word: Cow::Borrowed(code.as_str()), text: text.into(), retry_after: None }
    }

    /// The code, if this version knows it.
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.word)
    }
}

/// Why a server refuses a line of a client.
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

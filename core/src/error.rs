//! Error codes of the protocol, errors of a store, and misuse of a machine.

use alloc::borrow::Cow;
use core::fmt;

use thiserror::Error;

use crate::account::Right;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// The code of an `ERR`. Its meaning never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// All codes, in the order of the protocol's table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as the protocol writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

error_codes! {
    /// No such command.
    UnknownCommand = "unknown-command",
    /// An argument is missing, unknown or malformed.
    BadArgument = "bad-argument",
    /// A path breaks the rules of names.
    BadName = "bad-name",
    /// An offset is beyond the end of the file.
    BadRange = "bad-range",
    /// Nothing of this name exists, or it is not served.
    NotFound = "not-found",
    /// The name exists.
    Exists = "exists",
    /// The name is that of a directory.
    IsDirectory = "is-directory",
    /// The name is not that of a regular file, or a component of the path is not a directory.
    NotAFile = "not-a-file",
    /// The directory is not empty.
    NotEmpty = "not-empty",
    /// The storage does not support this.
    NotSupported = "not-supported",
    /// The server may not do this, or the user has no right to it.
    Denied = "denied",
    /// Nobody is identified, or the attempt failed.
    Unauthenticated = "unauthenticated",
    /// The file is larger than the server accepts.
    TooLarge = "too-large",
    /// The storage is full.
    NoSpace = "no-space",
    /// The number of bytes is not the announced one.
    SizeMismatch = "size-mismatch",
    /// The bytes do not have the checksum that was sent.
    ChecksumMismatch = "checksum-mismatch",
    /// The client cancelled the command.
    Aborted = "aborted",
    /// The file changed while it was sent.
    Changed = "changed",
    /// The storage failed; nothing was published, and the received bytes are lost.
    Io = "io",
    /// The file was published, but may not survive a power cut.
    OutcomeUnknown = "outcome-unknown",
    /// The server accepts no further client, or lacks a resource for a command at the moment.
    Busy = "busy",
    /// The peer was too slow.
    Timeout = "timeout",
    /// The server is stopping.
    ShuttingDown = "shutting-down",
    /// The peer broke a rule of the protocol.
    Protocol = "protocol",
}

impl ErrorCode {
    /// Parses a code; `None` for one that this version does not know.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// Whether the connection ends after an `ERR` with this code.
    pub fn closes(self) -> bool {
        matches!(self, Self::Busy | Self::Timeout | Self::ShuttingDown | Self::Protocol)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kinds of errors of a store and of its accounts, each with its code in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// Nothing of this name exists, or it is not served.
    NotFound,
    /// The name exists and the mode is to create.
    Exists,
    /// A file with another spelling of the name exists, and the file system takes both for one.
    OtherSpelling,
    /// The name is that of a directory where a file was needed.
    IsDirectory,
    /// It is not a regular file, or a component of the path is not a directory.
    NotAFile,
    /// The directory to be deleted is not empty.
    NotEmpty,
    /// A directory would be moved into itself.
    IntoItself,
    /// The storage does not support this.
    NotSupported,
    /// The operating system or a rule of the store forbids it.
    Denied,
    /// The store is read-only.
    ReadOnly,
    /// The operating system does not accept the name.
    BadName,
    /// The file would be larger than the storage accepts.
    TooLarge,
    /// No space: blocks, quota or inodes.
    NoSpace,
    /// The file has changed since it was opened.
    Changed,
    /// The user has not this right there.
    Forbidden(Right),
    /// The account of the session is gone or disabled.
    Revoked,
    /// A secret is not taken over this connection: it is neither encrypted nor local.
    Insecure,
    /// An invitation needs a key, and the client has shown none.
    KeyMissing,
    /// Any other failure of the storage.
    Io,
}

impl StoreErrorKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::NotFound,
        Self::Exists,
        Self::OtherSpelling,
        Self::IsDirectory,
        Self::NotAFile,
        Self::NotEmpty,
        Self::IntoItself,
        Self::NotSupported,
        Self::Denied,
        Self::ReadOnly,
        Self::BadName,
        Self::TooLarge,
        Self::NoSpace,
        Self::Changed,
        Self::Forbidden(Right::List),
        Self::Forbidden(Right::Get),
        Self::Forbidden(Right::Put),
        Self::Forbidden(Right::Replace),
        Self::Forbidden(Right::MakeDirectory),
        Self::Forbidden(Right::Delete),
        Self::Forbidden(Right::Move),
        Self::Revoked,
        Self::Insecure,
        Self::KeyMissing,
        Self::Io,
    ];

    /// The code that a server replies with.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::NotFound,
            Self::Exists | Self::OtherSpelling => ErrorCode::Exists,
            Self::IsDirectory => ErrorCode::IsDirectory,
            Self::NotAFile => ErrorCode::NotAFile,
            Self::NotEmpty => ErrorCode::NotEmpty,
            Self::IntoItself | Self::KeyMissing => ErrorCode::BadArgument,
            Self::NotSupported => ErrorCode::NotSupported,
            Self::Denied | Self::ReadOnly | Self::Forbidden(_) | Self::Revoked | Self::Insecure => {
                ErrorCode::Denied
            }
            Self::BadName => ErrorCode::BadName,
            Self::TooLarge => ErrorCode::TooLarge,
            Self::NoSpace => ErrorCode::NoSpace,
            Self::Changed => ErrorCode::Changed,
            Self::Io => ErrorCode::Io,
        }
    }

    /// Whether a server ends the session after its reply.
    pub fn ends_session(self) -> bool {
        self == Self::Revoked
    }

    /// The text for a peer that requested this `work`. It reveals no more than the peer could find out.
    pub(crate) fn words(self, work: Work) -> &'static str {
        match self {
            Self::NotFound => "nothing of this name is served; LIST shows what is",
            Self::Exists => "the name is taken",
            Self::OtherSpelling => {
                "a file is there whose name differs in its spelling; the server's file system takes both for one"
            }
            Self::IsDirectory => "the name is a directory's",
            Self::NotAFile => "the name is not a regular file's",
            Self::NotEmpty => "the directory is not empty",
            Self::IntoItself => "a directory cannot be moved into itself",
            Self::NotSupported => "the server's storage cannot do this",
            Self::Denied => match work {
                Work::List => "the server has no right to list this",
                Work::Download | Work::Checksum => "the server has no right to read this file",
                Work::Upload => "the server has no right to store a file there",
                Work::Delete => "the server has no right to delete this",
                Work::MakeDirectory => "the server has no right to make a directory there",
                Work::Move => "the server has no right to move this",
                Work::Copy => "the server has no right to copy this",
                Work::Identify => "nobody is served here",
            },
            Self::ReadOnly if work == Work::Upload => "no uploads are taken here: it is read-only",
            Self::ReadOnly => "nothing can be changed here: it is read-only",
            Self::BadName => "the server's storage does not take this name",
            Self::TooLarge => "the file is larger than the server takes",
            Self::NoSpace => "the server's storage is full",
            Self::Changed => match work {
                Work::List => "the directory changed while it was listed; list it again",
                Work::Download => "the file changed while it was sent; fetch it again",
                Work::Upload => "what is served changed meanwhile; nothing was published",
                Work::Checksum => "the file changed while it was read, or before",
                Work::Delete | Work::Move | Work::Copy | Work::MakeDirectory => {
                    "the file is another one now; nothing was changed"
                }
                Work::Identify => "the accounts changed meanwhile",
            },
            Self::Forbidden(right) => match right {
                Right::List => "your rights there do not include list",
                Right::Get => "your rights there do not include get",
                Right::Put => "your rights there do not include put",
                Right::Replace => "your rights there do not include replace",
                Right::MakeDirectory => "your rights there do not include mkdir",
                Right::Delete => "your rights there do not include delete",
                Right::Move => "your rights there do not include move",
            },
            Self::Revoked => "your account is no longer served",
            Self::Insecure => "passwords and invitations are taken over TLS only: hauls://",
            Self::KeyMissing => {
                "an invitation needs a key: a client certificate in the TLS handshake"
            }
            Self::Io => match work {
                Work::Identify => "the server cannot look up accounts at the moment",
                Work::List => "the server's storage failed; the listing is not complete",
                Work::Download => "the server's storage failed; what came of the file is void",
                Work::Upload => "the server's storage failed; nothing was published",
                Work::Checksum => "the server's storage failed",
                Work::Delete | Work::MakeDirectory | Work::Move | Work::Copy => {
                    "the server's storage failed; nothing was changed"
                }
            },
        }
    }
}

/// What a store was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    List,
    Download,
    Upload,
    Delete,
    MakeDirectory,
    Move,
    Copy,
    Checksum,
    Identify,
}

/// A failed effect.
///
/// The kind decides what happens next and what the peer learns. The detail is for this side's own log or user and is
/// never sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct StoreError {
    /// The kind of error.
    pub kind: StoreErrorKind,
    /// A description, with local names.
    pub detail: Cow<'static, str>,
    /// Whether the shortage ends by itself, such as one of descriptors. A server then replies
    /// [`Busy`](ErrorCode::Busy), whatever the kind.
    pub passes: bool,
}

impl StoreError {
    /// An error of `kind`, described by `detail`.
    pub fn new(kind: StoreErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), passes: false }
    }

    /// The same error, marked as a shortage that ends by itself.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { passes: true, ..self }
    }
}

/// A call to a machine that does not answer what it requested. This is a bug in the transport or the store, never
/// caused by the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the machine was told \"{reported}\" while it waited for \"{waiting_for}\"")]
pub struct Misuse {
    /// What was reported.
    pub reported: &'static str,
    /// What the machine had requested.
    pub waiting_for: &'static str,
}

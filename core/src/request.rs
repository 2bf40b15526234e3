//! The requests of a client, and what it reports about them.

use thiserror::Error;

use crate::account::{Grant, Proof, UserName};
use crate::effect::RequestId;
use crate::error::StoreError;
use crate::message::{Depth, Entry, Greeting, Mode, Refusal, Sending, Summary};
use crate::name::FilePath;
use crate::version::Version;

/// Something that a client is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// List a directory, or one file. Its entries come as [`ClientEvent::Entry`].
    List {
        /// What to list; `None` is the shared directory itself.
        path: Option<FilePath>,
        /// The number of levels to list.
        depth: Depth,
        /// Whether to list omitted names too. If the server does not know this option, the `OK` has no count of them.
        omitted: bool,
    },
    /// Download a file or a range of it. When the server starts to send, the machine requests
    /// [`Effect::Create`](crate::Effect::Create), then `Write`s, and `Publish` only after it has verified length and
    /// checksum.
    Download {
        /// The file.
        path: FilePath,
        /// The first byte, from the start of the file.
        offset: u64,
        /// The maximum number of bytes; `None` is all to the end.
        length: Option<u64>,
        /// The version that the file must have.
        if_match: Option<Version>,
        /// The mode of [`Effect::Create`](crate::Effect::Create).
        mode: Mode,
    },
    /// Upload a file. The machine requests [`Effect::Open`](crate::Effect::Open) before it sends anything to the
    /// server; the source reports the size, the modification time and whether the file is executable.
    Upload {
        /// The name on the server.
        path: FilePath,
        /// Whether an existing file may be replaced.
        mode: Mode,
        /// The version of the file that it must replace.
        if_match: Option<Version>,
    },
    /// Delete a file or an empty directory.
    Delete {
        /// The file or directory.
        path: FilePath,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Create a directory and its missing parents.
    MakeDirectory {
        /// The directory.
        path: FilePath,
    },
    /// Rename a file or a directory.
    Move {
        /// The present name.
        from: FilePath,
        /// The new name.
        to: FilePath,
        /// Whether a file of the new name may be replaced.
        mode: Mode,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Copy a file on the server.
    Copy {
        /// The file.
        from: FilePath,
        /// The name of the copy.
        to: FilePath,
        /// Whether a file of this name may be replaced.
        mode: Mode,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Get the checksum of a file or a range of it.
    Checksum {
        /// The file.
        path: FilePath,
        /// The first byte, from the start of the file.
        offset: u64,
        /// The maximum number of bytes; `None` is all to the end.
        length: Option<u64>,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Say who the client is. The server's `OK` has the user.
    Authenticate {
        /// The user.
        user: UserName,
        /// What proves it.
        proof: Proof,
    },
    /// Get what the user of the connection may do. The mounts come as [`ClientEvent::Grant`].
    WhoAmI,
    /// Get the list of commands. The lines come as [`ClientEvent::Info`].
    Help,
    /// End the session. No request can follow.
    Exit,
}

/// What a client reports to its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server's greeting. It is the first event of a session.
    Greeted(Greeting),
    /// An entry of a listing.
    Entry {
        /// The request.
        id: RequestId,
        /// The entry.
        entry: Entry,
    },
    /// A line of help. It is a text of the server, to be [escaped](crate::Escaped).
    Info {
        /// The request.
        id: RequestId,
        /// The line.
        text: alloc::string::String,
    },
    /// A mount of the user.
    Grant {
        /// The request.
        id: RequestId,
        /// The mount.
        grant: Grant,
    },
    /// A download starts; or starts again, if the cancelling of an earlier request stopped it.
    Sending {
        /// The request.
        id: RequestId,
        /// What the server will send.
        sending: Sending,
    },
    /// Payload was transferred.
    Progress {
        /// The request.
        id: RequestId,
        /// The progress.
        progress: Progress,
    },
    /// The request is finished. No event of it follows.
    Finished {
        /// The request.
        id: RequestId,
        /// The server's `OK`, after it was checked; or why the request failed.
        result: Result<Summary, Failure>,
    },
    /// The connection cannot be used any more: every request failed or will fail with this.
    Lost(Failure),
}

impl ClientEvent {
    /// The request of the event, if it belongs to one.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            Self::Entry { id, .. }
            | Self::Info { id, .. }
            | Self::Grant { id, .. }
            | Self::Sending { id, .. }
            | Self::Progress { id, .. }
            | Self::Finished { id, .. } => Some(*id),
            Self::Greeted(_) | Self::Lost(_) => None,
        }
    }
}

/// The progress of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The number of payload bytes transferred so far.
    pub bytes: u64,
    /// The total number of payload bytes, if known.
    pub total: Option<u64>,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server refused it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The received bytes are not those that were sent.
    #[error("what arrived is not what the server sent: its checksum differs")]
    Corrupted,
    /// The server broke the protocol; the text is this side's own.
    #[error("the server broke the protocol: {0}")]
    Violation(&'static str),
    /// The peer accepted the connection and then sent nothing. It may not be a HAUL server: HTTP and TLS servers wait
    /// for the client to speak first.
    #[error("no greeting came in time")]
    NoGreeting,
    /// The server was too slow.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The connection ended before the reply.
    #[error("the connection ended before the server's reply")]
    Disconnected,
    /// The application cancelled the request.
    #[error("cancelled")]
    Cancelled,
    /// A local file failed.
    #[error("{0}")]
    Local(#[from] StoreError),
    /// An earlier request ended the session.
    #[error("the session is over")]
    Ended,
}

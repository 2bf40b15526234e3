//! What a client is asked to do, and what it reports of it.

use thiserror::Error;

use crate::effect::RequestId;
use crate::error::StoreError;
use crate::message::{Depth, Entry, Greeting, Mode, Refusal, Sending, Summary};
use crate::name::FilePath;
use crate::version::Version;

/// Something that a client shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// List a directory, or one file. Its entries come as [`ClientEvent::Entry`].
    List {
        /// What to list; `None` is the shared directory itself.
        path: Option<FilePath>,
        /// How deep to go.
        depth: Depth,
        /// Whether to ask for what the listing leaves out, too. If the server does not know how to tell it, the `OK`
        /// has no count of it.
        omitted: bool,
    },
    /// Fetch a file or a range of it. When the server begins to send, the machine asks for
    /// [`Effect::Create`](crate::Effect::Create), then for `Write`s, and for `Publish` only when length and checksum
    /// were found right.
    Download {
        /// The file.
        path: FilePath,
        /// The first byte, from the start of the file.
        offset: u64,
        /// The most bytes; `None` is all to the end.
        length: Option<u64>,
        /// The version that the file must have.
        if_match: Option<Version>,
        /// What [`Effect::Create`](crate::Effect::Create) is told.
        mode: Mode,
    },
    /// Store a file. The machine asks for [`Effect::Open`](crate::Effect::Open) before it says anything to the server;
    /// size, modification time and whether it is executable are what the source tells.
    Upload {
        /// The name to be.
        path: FilePath,
        /// Whether an existing file may be replaced.
        mode: Mode,
        /// The version of the file that it must replace.
        if_match: Option<Version>,
    },
    /// Remove a file or an empty directory.
    Delete {
        /// What to remove.
        path: FilePath,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Make a directory, and the parents that it lacks.
    MakeDirectory {
        /// The directory.
        path: FilePath,
    },
    /// Give a file or a directory another name.
    Move {
        /// The present name.
        from: FilePath,
        /// The future name.
        to: FilePath,
        /// Whether a file that has the future name may be replaced.
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
        /// Whether a file that has this name may be replaced.
        mode: Mode,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Ask for the checksum of a file or a range of it.
    Checksum {
        /// The file.
        path: FilePath,
        /// The first byte, from the start of the file.
        offset: u64,
        /// The most bytes; `None` is all to the end.
        length: Option<u64>,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Ask what commands there are. The lines come as [`ClientEvent::Info`].
    Help,
    /// End the session. No request can follow.
    Exit,
}

/// What a client tells its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server answered. The first event of a session.
    Greeted(Greeting),
    /// A line of a listing.
    Entry {
        /// The request.
        id: RequestId,
        /// The line.
        entry: Entry,
    },
    /// A line of help: text of the server, to be [escaped](crate::Escaped).
    Info {
        /// The request.
        id: RequestId,
        /// The line.
        text: alloc::string::String,
    },
    /// A download begins; anew, if the cancelling of an earlier request had stopped it.
    Sending {
        /// The request.
        id: RequestId,
        /// What comes.
        sending: Sending,
    },
    /// Payload moved.
    Progress {
        /// The request.
        id: RequestId,
        /// How far it is.
        progress: Progress,
    },
    /// The request is over; nothing more is said of it.
    Finished {
        /// The request.
        id: RequestId,
        /// What the server's `OK` said, after it was checked; or why it failed.
        result: Result<Summary, Failure>,
    },
    /// The connection is of no more use: every request failed or will fail with this.
    Lost(Failure),
}

impl ClientEvent {
    /// The request that it is about, if it is about one.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            Self::Entry { id, .. }
            | Self::Info { id, .. }
            | Self::Sending { id, .. }
            | Self::Progress { id, .. }
            | Self::Finished { id, .. } => Some(*id),
            Self::Greeted(_) | Self::Lost(_) => None,
        }
    }
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Payload bytes moved so far.
    pub bytes: u64,
    /// Payload bytes in all, if known.
    pub total: Option<u64>,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server said no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The bytes that came are not those that were sent.
    #[error("what arrived is not what the server sent: its checksum differs")]
    Corrupted,
    /// The server broke the protocol; the text is this side's own.
    #[error("the server broke the protocol: {0}")]
    Violation(&'static str),
    /// Somebody answered the connection, and then said nothing. It may be no HAUL server: those of HTTP and TLS wait
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
    /// This side's own file failed.
    #[error("{0}")]
    Local(#[from] StoreError),
    /// The session was ended by an earlier request.
    #[error("the session is over")]
    Ended,
}

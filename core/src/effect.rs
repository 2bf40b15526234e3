//! The file work that a machine requests, and its outcomes.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::account::{Account, Proof, UserName};
use crate::checksum::Checksum;
use crate::message::{Depth, Entry, Mode};
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::version::Version;

/// Identifies a request within one session. On a server it is the number of the command, on a client that of the
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names an open listing or file of one session.
///
/// The machine chooses the handle in the effect that opens the listing or file. Once that effect has succeeded, the
/// machine never uses the handle for anything else in the session, even after the listing or file is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// A piece of file work. The driver carries it out once and reports the outcome with
/// [`Machine::performed`](crate::Machine::performed).
///
/// [`List`](Self::List), [`Open`](Self::Open), [`Create`](Self::Create), [`Delete`](Self::Delete),
/// [`MakeDirectory`](Self::MakeDirectory) and [`Move`](Self::Move) each open something under a [`Handle`], and every
/// later effect refers to it by that handle. If one of them fails, or if the answer to `Create` is [`Done::Full`],
/// nothing is open under the handle. Otherwise it stays open until exactly one of these:
///
/// | what | is closed by |
/// | --- | --- |
/// | a listing | [`NextEntries`](Self::NextEntries) without entries, [`Close`](Self::Close) |
/// | a source: a file open for reading | [`FinishReading`](Self::FinishReading), also if that fails; `Close` |
/// | a staged file: one without a name | [`Discard`](Self::Discard); a `Sync` or a `Publish` that fails |
/// | a published file, or a change | [`SyncDirectories`](Self::SyncDirectories), also if that fails; `Close` |
///
/// If the session ends before that, whoever carries out effects closes what is open and discards what is staged.
///
/// A machine has at most one listing, one source or one incomplete staged file open at a time, except that a server
/// that copies has a source and a staged file. A server may also have complete staged files open: it commits them
/// together, with one `Sync`, one `Publish` for each and one `SyncDirectories`.
///
/// On a server the paths are in the shared directory. On a client they only identify the request, because the machine
/// knows no local names; the [`RequestId`] of the request leads to the user's own file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a listing of a directory, or of a file as its single entry. Answer: [`Done::Started`].
    List {
        /// The new handle of the listing.
        handle: Handle,
        /// The request that the listing is for.
        id: RequestId,
        /// What to list; `None` is the shared directory itself.
        path: Option<FilePath>,
        /// The number of levels to list.
        depth: Depth,
        /// Whether the listing reports omitted names, as [`Entry::Omitted`].
        omitted: bool,
    },
    /// Return the next entries of a listing. Answer: [`Done::Entries`]; an answer without entries ends the listing and
    /// closes it.
    NextEntries {
        /// The listing.
        handle: Handle,
        /// The maximum number of entries, at least 1.
        max: usize,
    },
    /// Open a regular file for reading. Answer: [`Done::Opened`].
    Open {
        /// The new handle of the source.
        handle: Handle,
        /// The request that reads the file.
        id: RequestId,
        /// The file.
        path: FilePath,
    },
    /// Read from a source. Answer: [`Done::Read`] with 1 to `length` bytes, none only at the end of the file.
    Read {
        /// The source.
        handle: Handle,
        /// The first byte, counted from the start of the file.
        offset: u64,
        /// The maximum number of bytes, at least 1.
        length: usize,
    },
    /// Prepare bytes of a source for [`Output::Send`](crate::Output::Send). They stay as they are even if the file
    /// changes before they are sent. The machine asks for this only if pass-through is on. Answer:
    /// [`Done::SendPrepared`]; or as for [`Read`](Self::Read), where pass-through is impossible or not worth it.
    PrepareSend {
        /// The source.
        handle: Handle,
        /// The first byte, counted from the start of the file.
        offset: u64,
        /// The maximum number of bytes to prepare, at least 1.
        length: usize,
        /// The maximum number of bytes, at least 1, if they are read instead. They take memory.
        read: usize,
        /// Whether the machine needs the checksum of the bytes.
        checksum: bool,
    },
    /// Verify that the bytes of a range, which may be the whole source, are those that the machine sent, and close the
    /// source, whatever the outcome. Answer: [`Done::Finished`], or
    /// [`StoreErrorKind::Changed`](crate::StoreErrorKind::Changed).
    FinishReading {
        /// The source.
        handle: Handle,
        /// The first byte of the range, counted from the start of the file.
        offset: u64,
        /// The length of the range in bytes.
        length: u64,
        /// The checksum of the sent bytes.
        checksum: Checksum,
    },
    /// Start a staged file, which [`Publish`](Self::Publish) will give the name `path`. Nothing is visible yet. Answer:
    /// [`Done::Started`]; or [`Done::Full`] if other staged files have to be committed first.
    Create {
        /// The new handle of the staged file.
        handle: Handle,
        /// The request that writes the file.
        id: RequestId,
        /// The file.
        file: NewFile,
    },
    /// Append to a staged file. Answer: [`Done::Written`], for all of `data`.
    Write {
        /// The staged file.
        handle: Handle,
        /// The position of `data` in the file: always the number of bytes written before.
        offset: u64,
        /// The bytes, at least one.
        data: Bytes,
    },
    /// Append the bytes that [`Output::Receive`](crate::Output::Receive) took from the socket to a staged file. Answer:
    /// [`Done::ReceivedWritten`], for all of them.
    WriteReceived {
        /// The staged file, the same one as in `Receive`.
        handle: Handle,
        /// The position of the bytes in the file: always the number of bytes written before.
        offset: u64,
        /// The number of bytes, which are all that were received.
        length: usize,
    },
    /// Fsync the bytes of staged files. Answer: [`Done::Synced`]. A failure is final: all of these files are discarded.
    Sync {
        /// The staged files, at least one.
        handles: Vec<Handle>,
    },
    /// Give one staged file its name, atomically. Answer: [`Done::Published`]. After a failure nothing is published and
    /// the file is discarded.
    Publish {
        /// The staged file.
        handle: Handle,
        /// The checksum of the whole file; a store may remember it.
        checksum: Checksum,
    },
    /// Copy bytes of a source to the end of a staged file. Answer: [`Done::Copied`] with 1 to `length` bytes, or none
    /// at the end of the source.
    Copy {
        /// The source.
        from: Handle,
        /// The staged file.
        to: Handle,
        /// The position in both files: always the number of bytes copied before.
        offset: u64,
        /// The maximum number of bytes to copy, at least 1.
        length: usize,
    },
    /// Delete a file or an empty directory. Answer: [`Done::Changed`]: the deletion is visible, and the change is open
    /// under the handle. After a failure nothing is changed.
    Delete {
        /// The new handle of the change.
        handle: Handle,
        /// The request.
        id: RequestId,
        /// The file or directory.
        path: FilePath,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Create a directory and its missing parents. Answer: [`Done::Changed`], as for [`Delete`](Self::Delete).
    MakeDirectory {
        /// The new handle of the change.
        handle: Handle,
        /// The request.
        id: RequestId,
        /// The directory.
        path: FilePath,
    },
    /// Rename a file or a directory, atomically. Answer: [`Done::Changed`], as for [`Delete`](Self::Delete).
    Move {
        /// The new handle of the change.
        handle: Handle,
        /// The request.
        id: RequestId,
        /// The present name.
        from: FilePath,
        /// The new name.
        to: FilePath,
        /// Whether a file of the new name may be replaced.
        mode: Mode,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Fsync the names of published files and other changes, and close all of them, whatever the outcome. Answer:
    /// [`Done::Synced`]. The machine requests this only if it is configured to be durable.
    SyncDirectories {
        /// The published files and the changes, at least one in all.
        handles: Vec<Handle>,
    },
    /// Close a listing, a source, a published file or a change. Answer: [`Done::Closed`]. The machine ignores an error
    /// and considers the handle closed.
    Close {
        /// The listing, source, published file or change.
        handle: Handle,
    },
    /// Discard a staged file and remove every trace of it. Answer: [`Done::Discarded`]. The machine ignores an error
    /// and considers the handle closed.
    Discard {
        /// The staged file.
        handle: Handle,
    },
    /// Check who the client is (servers only). Answer: [`Done::Identified`], and from then on the session's effects are
    /// those of this user; or [`Done::NotIdentified`], whatever is wrong. Nothing is open when this is requested.
    Identify {
        /// The request.
        id: RequestId,
        /// Who the client says they are.
        user: UserName,
        /// What shall prove it.
        proof: Proof,
    },
    /// Return what the session's user may do (servers only). Answer: [`Done::Account`].
    WhoAmI {
        /// The request.
        id: RequestId,
    },
}

/// Something that is open under a handle and may have to be closed early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// A listing, a source or a published file.
    Existing(Handle),
    /// A staged file.
    Staged(Handle),
}

impl Open {
    /// The effect that closes it before its regular end.
    pub(crate) fn end(self) -> Effect {
        match self {
            Self::Existing(handle) => Effect::Close { handle },
            Self::Staged(handle) => Effect::Discard { handle },
        }
    }
}

impl Effect {
    /// The name of the effect, for logs and counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::NextEntries { .. } => "next-entries",
            Self::Open { .. } => "open",
            Self::Read { .. } => "read",
            Self::PrepareSend { .. } => "prepare-send",
            Self::FinishReading { .. } => "finish-reading",
            Self::Create { .. } => "create",
            Self::Write { .. } => "write",
            Self::WriteReceived { .. } => "write-received",
            Self::Sync { .. } => "sync",
            Self::Publish { .. } => "publish",
            Self::SyncDirectories { .. } => "sync-directory",
            Self::Copy { .. } => "copy",
            Self::Delete { .. } => "delete",
            Self::MakeDirectory { .. } => "make-directory",
            Self::Move { .. } => "move",
            Self::Close { .. } => "close",
            Self::Discard { .. } => "discard",
            Self::Identify { .. } => "identify",
            Self::WhoAmI { .. } => "who-am-i",
        }
    }

    /// Whether `done` answers this effect, within the limits of the effect.
    pub(crate) fn is_answered_by(&self, done: &Done) -> bool {
        match (self, done) {
            (Self::List { .. } | Self::Create { .. }, Done::Started)
            | (Self::Create { .. }, Done::Full)
            | (Self::Open { .. }, Done::Opened(_))
            | (Self::FinishReading { .. }, Done::Finished)
            | (Self::Write { .. }, Done::Written)
            | (Self::WriteReceived { .. }, Done::ReceivedWritten { .. })
            | (Self::Sync { .. } | Self::SyncDirectories { .. }, Done::Synced)
            | (Self::Publish { .. }, Done::Published { .. })
            | (
                Self::Delete { .. } | Self::MakeDirectory { .. } | Self::Move { .. },
                Done::Changed,
            )
            | (Self::Close { .. }, Done::Closed)
            | (Self::Discard { .. }, Done::Discarded)
            | (Self::Identify { .. }, Done::NotIdentified)
            | (Self::WhoAmI { .. }, Done::Account(_)) => true,
            (Self::Identify { user, .. }, Done::Identified { user: known }) => user == known,
            (Self::Copy { length, .. }, Done::Copied { length: copied, .. }) => copied <= length,
            (Self::NextEntries { max, .. }, Done::Entries { entries, .. }) => entries.len() <= *max,
            (
                Self::Read { length, .. } | Self::PrepareSend { read: length, .. },
                Done::Read(data),
            ) => data.len() <= *length,
            (
                Self::PrepareSend { length, checksum: needed, .. },
                Done::SendPrepared { length: prepared, checksum },
            ) => (1..=*length).contains(prepared) && (checksum.is_some() || !needed),
            _ => false,
        }
    }
}

/// The outcome of an [`Effect`] that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Answers [`Effect::List`] and [`Effect::Create`].
    Started,
    /// Answers [`Effect::Create`]: there is no room beside the files that are staged. Nothing is open; the machine asks
    /// again, with the same handle, once those files are committed.
    Full,
    /// Answers [`Effect::NextEntries`].
    Entries {
        /// At most as many as the machine requested; none at the end.
        entries: Vec<Entry>,
        /// The number of names omitted from the whole listing so far because they break the rules of names.
        skipped: u64,
    },
    /// Answers [`Effect::Open`].
    Opened(Opened),
    /// Answers [`Effect::Read`] and [`Effect::PrepareSend`], with the bytes.
    Read(Bytes),
    /// Answers [`Effect::PrepareSend`]: the bytes are ready for [`Output::Send`](crate::Output::Send).
    SendPrepared {
        /// The number of bytes, from 1 to the requested length.
        length: usize,
        /// Their checksum; required if the machine requested it.
        checksum: Option<Checksum>,
    },
    /// Answers [`Effect::FinishReading`].
    Finished,
    /// Answers [`Effect::Write`].
    Written,
    /// Answers [`Effect::WriteReceived`].
    ReceivedWritten {
        /// The checksum of the appended bytes, as they are in the file.
        checksum: Checksum,
    },
    /// Answers [`Effect::Sync`] and [`Effect::SyncDirectories`].
    Synced,
    /// Answers [`Effect::Publish`].
    Published {
        /// The version of the published file, if the store knows versions.
        version: Option<Version>,
    },
    /// Answers [`Effect::Copy`].
    Copied {
        /// The number of bytes copied.
        length: usize,
        /// Their checksum.
        checksum: Checksum,
    },
    /// Answers [`Effect::Delete`], [`Effect::MakeDirectory`] and [`Effect::Move`].
    Changed,
    /// Answers [`Effect::Close`].
    Closed,
    /// Answers [`Effect::Discard`].
    Discarded,
    /// Answers [`Effect::Identify`]: the client is this user, the one of the effect.
    Identified {
        /// The user.
        user: UserName,
    },
    /// Answers [`Effect::Identify`]: the client is not identified.
    NotIdentified,
    /// Answers [`Effect::WhoAmI`].
    Account(Account),
}

impl Done {
    /// The name of the outcome, for logs and for [`Misuse`](crate::Misuse).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Full => "full",
            Self::Entries { .. } => "entries",
            Self::Opened(_) => "opened",
            Self::Read(_) => "read",
            Self::SendPrepared { .. } => "send-prepared",
            Self::Finished => "finished",
            Self::Written => "written",
            Self::ReceivedWritten { .. } => "received-written",
            Self::Synced => "synced",
            Self::Copied { .. } => "copied",
            Self::Changed => "changed",
            Self::Published { .. } => "published",
            Self::Closed => "closed",
            Self::Discarded => "discarded",
            Self::Identified { .. } => "identified",
            Self::NotIdentified => "not-identified",
            Self::Account(_) => "account",
        }
    }
}

/// The file that [`Effect::Create`] begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The name that the file will get.
    pub path: FilePath,
    /// Whether the file may replace an existing one. `Create` reports a conflict early if it can; `Publish` decides.
    pub mode: Mode,
    /// The version that the replaced file must have; `None` for any or no file.
    /// [`StoreErrorKind::Changed`](crate::StoreErrorKind::Changed) if it has another one when the name is taken,
    /// [`NotFound`](crate::StoreErrorKind::NotFound) if there is no file.
    pub if_match: Option<Version>,
    /// The size in bytes, if known.
    pub size: Option<u64>,
    /// The modification time to set.
    pub modified: Option<Timestamp>,
    /// Whether the file is executable, for those whom the umask allows.
    pub executable: bool,
    /// Whether an [`Effect::Sync`] will follow, so that the store can start to write bytes back early.
    pub durable: bool,
}

/// What is known about a file when it is opened for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// The size in bytes; `None` if it is unknown before the end, as with a pipe (a client's source only).
    pub size: Option<u64>,
    /// The time of the last modification.
    pub modified: Option<Timestamp>,
    /// Whether the owner may execute it.
    pub executable: bool,
    /// The checksum of the whole file, if it is known without reading it. Only a file with a known size has one.
    pub checksum: Option<Checksum>,
    /// The version, if the store knows versions.
    pub version: Option<Version>,
}

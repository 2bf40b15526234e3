//! The file work that a machine asks for, and its outcomes.

use alloc::vec::Vec;

use bytes::Bytes;

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
/// The machine chooses the handle in the effect that begins the listing or file. Once that effect has succeeded, the
/// machine does not use the handle for anything else in the session, even after the listing or file is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// A piece of file work. Carry it out once and report the outcome by
/// [`Machine::performed`](crate::Machine::performed).
///
/// [`List`](Self::List), [`Open`](Self::Open), [`Create`](Self::Create), [`Delete`](Self::Delete),
/// [`MakeDirectory`](Self::MakeDirectory) and [`Move`](Self::Move) each begin something and give it a [`Handle`]; every
/// later effect says by that handle what it is for. If one of them fails, or `Create` is answered by [`Done::Full`],
/// nothing is open under the handle. What was begun is open until exactly one of these:
///
/// | what | is closed by |
/// | --- | --- |
/// | a listing | [`NextEntries`](Self::NextEntries) without entries, [`Close`](Self::Close) |
/// | a source: a file open for reading | [`FinishReading`](Self::FinishReading), also if that fails; `Close` |
/// | a staged file: one without a name | [`Discard`](Self::Discard); a `Sync` or a `Publish` that fails |
/// | a published file, or a change | [`SyncDirectories`](Self::SyncDirectories), also if that fails; `Close` |
///
/// If the session ends before that, whoever carries effects out closes what is open and discards what is staged.
///
/// A machine has at most one listing, one source or one unfinished staged file open at a time, except that a server
/// that copies has a source and a staged file. A server may have whole
/// staged files open besides: it commits them together, by one `Sync`, one `Publish` for each and one
/// `SyncDirectories`.
///
/// On a server the paths are in the shared directory. On a client they only say which request the work is for, since
/// the machine knows no local names; the request's [`RequestId`] finds the user's own file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Begin to list a directory, or a file as its single entry. Answer: [`Done::Started`].
    List {
        /// The new handle of the listing.
        handle: Handle,
        /// The request that the listing is for.
        id: RequestId,
        /// What to list; `None` is the shared directory itself.
        path: Option<FilePath>,
        /// How deep to go.
        depth: Depth,
        /// Whether the listing reports what it leaves out, by [`Entry::Omitted`].
        omitted: bool,
    },
    /// Fetch the next entries of a listing. Answer: [`Done::Entries`]; without entries the listing is over and closed.
    NextEntries {
        /// The listing.
        handle: Handle,
        /// The maximum number of entries to answer with, at least 1.
        max: usize,
    },
    /// Open a regular file for reading. Answer: [`Done::Opened`].
    Open {
        /// The new handle of the source.
        handle: Handle,
        /// The request that the file is read for.
        id: RequestId,
        /// The file.
        path: FilePath,
    },
    /// Read from a source. Answer: [`Done::Read`] with 1 to `length` bytes, none only at the end of the file.
    Read {
        /// The source.
        handle: Handle,
        /// Where to begin, in bytes from the start of the file.
        offset: u64,
        /// The maximum number of bytes to answer with, at least 1.
        length: usize,
    },
    /// Prepare bytes of a source for [`Output::Send`](crate::Output::Send). They stay as they are even if the file
    /// changes before they are sent. The machine asks for this only if pass-through is on. Answer:
    /// [`Done::SendPrepared`]; or as for [`Read`](Self::Read), where pass-through is impossible or not worth it.
    PrepareSend {
        /// The source.
        handle: Handle,
        /// Where the bytes begin, counted from the start of the file.
        offset: u64,
        /// The maximum number of bytes to prepare, at least 1.
        length: usize,
        /// The maximum number of bytes to answer with if they are read instead, at least 1: those take memory.
        read: usize,
        /// Whether the machine needs their checksum.
        checksum: bool,
    },
    /// The machine has sent a range of a source, which may be all of it. Verify that the range's bytes are those that
    /// were sent, and close the source, whatever the outcome. Answer: [`Done::Finished`], or
    /// [`StoreErrorKind::Changed`](crate::StoreErrorKind::Changed).
    FinishReading {
        /// The source.
        handle: Handle,
        /// Where the range begins, in bytes from the start of the file.
        offset: u64,
        /// The length of the range in bytes.
        length: u64,
        /// The checksum of what was sent.
        checksum: Checksum,
    },
    /// Begin a staged file, which [`Publish`](Self::Publish) will give the name `path`. Nothing is visible yet. Answer:
    /// [`Done::Started`]; or [`Done::Full`], if other files are staged that have to be committed first.
    Create {
        /// The new handle of the staged file.
        handle: Handle,
        /// The request that the file is written for.
        id: RequestId,
        /// The future name.
        path: FilePath,
        /// The version of the file that is to be replaced; [`StoreErrorKind::Changed`](crate::StoreErrorKind::Changed)
        /// if it has another one when the name is taken, [`NotFound`](crate::StoreErrorKind::NotFound) if there is
        /// none.
        if_match: Option<Version>,
        /// Whether an existing file may be replaced. `Create` refuses early if it can; `Publish` decides.
        mode: Mode,
        /// The size in bytes, if known.
        size: Option<u64>,
        /// The modification time that the file shall have.
        modified: Option<Timestamp>,
        /// Whether the file shall be executable, by those to whom the umask leaves that right.
        executable: bool,
        /// Whether a [`Sync`](Self::Sync) will follow, so that bytes had better be written back as they come.
        durable: bool,
    },
    /// Append to a staged file. Answer: [`Done::Written`], for all of `data`.
    Write {
        /// The staged file.
        handle: Handle,
        /// Where `data` belongs: always the number of bytes written before.
        offset: u64,
        /// At least one byte.
        data: Bytes,
    },
    /// Append the bytes that [`Output::Receive`](crate::Output::Receive) took from the socket to a staged file. Answer:
    /// [`Done::ReceivedWritten`], for all of them.
    WriteReceived {
        /// The staged file, the same one as in `Receive`.
        handle: Handle,
        /// Where the bytes belong: always the number of bytes written before.
        offset: u64,
        /// The number of bytes: all that were received.
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
    /// Copy a piece of a source to the end of a staged file. Answer: [`Done::Copied`] with 1 to `length` bytes, or none
    /// at the end of the source.
    Copy {
        /// The source.
        from: Handle,
        /// The staged file.
        to: Handle,
        /// Where the piece begins in both files: always the number of bytes copied before.
        offset: u64,
        /// The most bytes to copy, at least 1.
        length: usize,
    },
    /// Delete a file or an empty directory. Answer: [`Done::Changed`]: it is gone, and the change is open under the
    /// handle. After a failure nothing is changed.
    Delete {
        /// The new handle of the change.
        handle: Handle,
        /// The request that this is for.
        id: RequestId,
        /// What to delete.
        path: FilePath,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Make a directory, and the parents that it lacks. Answer: [`Done::Changed`], as for [`Delete`](Self::Delete).
    MakeDirectory {
        /// The new handle of the change.
        handle: Handle,
        /// The request that this is for.
        id: RequestId,
        /// The directory.
        path: FilePath,
    },
    /// Give a file or a directory another name, atomically. Answer: [`Done::Changed`], as for
    /// [`Delete`](Self::Delete).
    Move {
        /// The new handle of the change.
        handle: Handle,
        /// The request that this is for.
        id: RequestId,
        /// The present name.
        from: FilePath,
        /// The future name.
        to: FilePath,
        /// Whether a file that has the future name may be replaced.
        mode: Mode,
        /// The version that the file must have.
        if_match: Option<Version>,
    },
    /// Fsync the names of published files, and what was changed, and close them, whatever the outcome. Answer:
    /// [`Done::Synced`]. It comes only if the machine is configured to be durable.
    SyncDirectories {
        /// The published files and the changes, at least one.
        handles: Vec<Handle>,
    },
    /// Close a listing, a source, a published file or a change. Answer: [`Done::Closed`]. The machine ignores an error
    /// and considers the handle closed.
    Close {
        /// What to close.
        handle: Handle,
    },
    /// Give up a staged file and remove every trace of it. Answer: [`Done::Discarded`]. The machine ignores an error
    /// and considers the handle closed.
    Discard {
        /// The staged file.
        handle: Handle,
    },
}

/// What is open under a handle, as far as it matters to whoever gives it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// A listing, a source or a published file.
    Existing(Handle),
    /// A staged file.
    Staged(Handle),
}

impl Open {
    /// The effect that closes it, though it did not come to its end.
    pub(crate) fn end(self) -> Effect {
        match self {
            Self::Existing(handle) => Effect::Close { handle },
            Self::Staged(handle) => Effect::Discard { handle },
        }
    }
}

impl Effect {
    /// The effect's name, for logs and counts.
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
        }
    }

    /// Whether `done` is an answer to this effect, within the bounds that the effect gave.
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
            | (Self::Discard { .. }, Done::Discarded) => true,
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

/// The outcome of an [`Effect`] that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Of [`Effect::List`] and [`Effect::Create`].
    Started,
    /// Of [`Effect::Create`]: there is no room beside the files that are staged. Nothing is begun; the machine asks
    /// again, with the same handle, once those files are committed.
    Full,
    /// Of [`Effect::NextEntries`].
    Entries {
        /// At most as many as the machine asked for; none at the end.
        entries: Vec<Entry>,
        /// The number of names left out of the whole listing so far because they break the rules of names.
        skipped: u64,
    },
    /// Of [`Effect::Open`].
    Opened(Opened),
    /// Of [`Effect::Read`] and [`Effect::PrepareSend`]: the bytes.
    Read(Bytes),
    /// Of [`Effect::PrepareSend`]: the bytes are ready to go out by [`Output::Send`](crate::Output::Send).
    SendPrepared {
        /// The number of bytes, 1 to the length asked for.
        length: usize,
        /// Their checksum; required if the machine asked for it.
        checksum: Option<Checksum>,
    },
    /// Of [`Effect::FinishReading`].
    Finished,
    /// Of [`Effect::Write`].
    Written,
    /// Of [`Effect::WriteReceived`].
    ReceivedWritten {
        /// The checksum of the bytes that were appended, as they are in the file.
        checksum: Checksum,
    },
    /// Of [`Effect::Sync`] and [`Effect::SyncDirectories`].
    Synced,
    /// Of [`Effect::Publish`].
    Published {
        /// The version of the published file, if the store knows versions.
        version: Option<Version>,
    },
    /// Of [`Effect::Copy`].
    Copied {
        /// How many bytes were copied.
        length: usize,
        /// Their checksum.
        checksum: Checksum,
    },
    /// Of [`Effect::Delete`], [`Effect::MakeDirectory`] and [`Effect::Move`].
    Changed,
    /// Of [`Effect::Close`].
    Closed,
    /// Of [`Effect::Discard`].
    Discarded,
}

impl Done {
    /// The outcome's name, for logs and for [`Misuse`](crate::Misuse).
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
        }
    }
}

/// What is known of a file when it is opened for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// Its size in bytes; `None` if nobody knows before the end, as with a pipe (a client's source only).
    pub size: Option<u64>,
    /// When it was last modified.
    pub modified: Option<Timestamp>,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// The checksum of the whole file, if it is known without reading it. Only a file with a known size has one.
    pub checksum: Option<Checksum>,
    /// Its version, if the store knows versions.
    pub version: Option<Version>,
}

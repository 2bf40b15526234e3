//! File work that a machine asks for, and what came of it.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::checksum::Checksum;
use crate::message::{Depth, Entry, Mode};
use crate::name::FilePath;
use crate::time::Timestamp;

/// Tells the requests of one session apart: on a server the number of the command, on a client the request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A piece of file work, to be done once and answered by [`Machine::performed`](crate::Machine::performed).
///
/// A session has at most one listing, one source or one unfinished staged file open: each of `List`, `Open` and `Create` begins one, and it lasts until
/// [`Discard`](Self::Discard) or the effect that ends it. If the session ends before, whoever performs effects discards what is open.
///
/// Whole staged files may wait to be committed together: on a server `Create` may come while others are staged, and [`Sync`](Self::Sync), one [`Publish`](Self::Publish) for each
/// and [`SyncDirectory`](Self::SyncDirectory) follow for all of them. They are meant oldest first.
///
/// On a server the paths are in the shared directory; on a client they only say which request the work is for, since the machine knows nothing of local names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Begin to list a directory, or a file as its single entry. Answer: [`Done::Started`].
    List {
        /// The request that this is for.
        id: RequestId,
        /// What to list; `None` is the shared directory itself.
        path: Option<FilePath>,
        /// How deep to go.
        depth: Depth,
        /// Whether the listing names what it leaves out, by [`Entry::Omitted`].
        omitted: bool,
    },
    /// Fetch the next entries of the listing. Answer: [`Done::Entries`]; none of them means that the listing is over and closed.
    NextEntries {
        /// The most entries to answer with, at least 1.
        max: usize,
    },
    /// Open a regular file for reading. Answer: [`Done::Opened`].
    Open {
        /// The request that this is for.
        id: RequestId,
        /// The file.
        path: FilePath,
    },
    /// Read from the open file. Answer: [`Done::Read`] with 1 to `length` bytes, none only at the end of the file.
    Read {
        /// Where to begin, in bytes from the start of the file.
        offset: u64,
        /// The most bytes to answer with, at least 1.
        length: usize,
    },
    /// Keep bytes of the open file ready to go out by [`Output::SendHeld`](crate::Output::SendHeld), whatever happens to the file meanwhile; only if pass-through was switched on.
    /// Answer: [`Done::Held`], or as for [`Read`](Self::Read) where that is not possible or not worth it.
    Hold {
        /// Where they begin, in bytes from the start of the file.
        offset: u64,
        /// The most bytes to keep, at least 1.
        length: usize,
        /// The most bytes to answer with if they are read, at least 1: those take memory.
        read: usize,
        /// Whether their checksum is needed.
        checksum: bool,
    },
    /// A range of the file was sent, which may be all of it: make sure that its bytes are those that were sent, and close the file. Answer: [`Done::Finished`], or
    /// [`StoreErrorKind::Changed`](crate::StoreErrorKind::Changed).
    FinishReading {
        /// Where the range begins, in bytes from the start of the file.
        offset: u64,
        /// Its length in bytes.
        length: u64,
        /// The checksum of what was sent.
        checksum: Checksum,
    },
    /// Begin a staged file that will be published under `path`. Nothing is visible yet. Answer: [`Done::Started`]; or [`Done::Full`], if other files are staged that are to be
    /// committed first.
    Create {
        /// The request that this is for.
        id: RequestId,
        /// The name to be.
        path: FilePath,
        /// Whether an existing file may be replaced. `Create` refuses early if it can; [`Publish`](Self::Publish) decides.
        mode: Mode,
        /// The size in bytes, if known.
        size: Option<u64>,
        /// The modification time that the file shall have.
        modified: Option<Timestamp>,
        /// Whether it may be executed: by those to whom the umask leaves that right.
        executable: bool,
        /// Whether a [`Sync`](Self::Sync) will wait for the bytes to be on stable storage, so that they had better be sent there as they come.
        durable: bool,
    },
    /// Append to the staged file that was begun last. Answer: [`Done::Written`], for all of `data`.
    Write {
        /// Where `data` belongs: always the number of bytes written before.
        offset: u64,
        /// At least one byte.
        data: Bytes,
    },
    /// Append what [`Output::Receive`](crate::Output::Receive) brought to the staged file. Answer: [`Done::HeldWritten`], for all of it.
    WriteHeld {
        /// Where the bytes belong: always the number of bytes written before.
        offset: u64,
        /// How many there are: all that is held.
        length: usize,
    },
    /// Bring the bytes of the oldest staged files to stable storage. Answer: [`Done::Synced`]. A failure is final: all of these files are discarded.
    Sync {
        /// How many, at least 1. The one that was begun last may be left out: it is not whole yet.
        files: usize,
    },
    /// Give the oldest staged file its name, atomically. Answer: [`Done::Published`]. After a failure nothing is published and this file is discarded.
    Publish {
        /// The checksum of the whole file; a store may remember it.
        checksum: Checksum,
    },
    /// Bring all names given since the last time to stable storage too, and close their files. Answer: [`Done::Synced`]. Comes only after [`Publish`](Self::Publish), and only
    /// if the machine was told to be durable.
    SyncDirectory,
    /// Close whatever is open; remove the staged file that was begun last and is not whole. Answer: [`Done::Discarded`]. An error is ignored: there is nobody to tell.
    Discard,
}

impl Effect {
    /// The effect's name, for logs and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::NextEntries { .. } => "next-entries",
            Self::Open { .. } => "open",
            Self::Read { .. } => "read",
            Self::Hold { .. } => "hold",
            Self::FinishReading { .. } => "finish-reading",
            Self::Create { .. } => "create",
            Self::Write { .. } => "write",
            Self::WriteHeld { .. } => "write-held",
            Self::Sync { .. } => "sync",
            Self::Publish { .. } => "publish",
            Self::SyncDirectory => "sync-directory",
            Self::Discard => "discard",
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
            | (Self::WriteHeld { .. }, Done::HeldWritten { .. })
            | (Self::Sync { .. } | Self::SyncDirectory, Done::Synced)
            | (Self::Publish { .. }, Done::Published)
            | (Self::Discard, Done::Discarded) => true,
            (Self::NextEntries { max }, Done::Entries { entries, .. }) => entries.len() <= *max,
            (Self::Read { length, .. } | Self::Hold { read: length, .. }, Done::Read(data)) => {
                data.len() <= *length
            }
            (
                Self::Hold { length, checksum: needed, .. },
                Done::Held { length: held, checksum },
            ) => (1..=*length).contains(held) && (checksum.is_some() || !needed),
            _ => false,
        }
    }
}

/// What came of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Of [`Effect::List`] and [`Effect::Create`].
    Started,
    /// Of [`Effect::Create`]: there is no room beside the files that are staged. It is asked again once they are committed.
    Full,
    /// Of [`Effect::NextEntries`].
    Entries {
        /// At most as many as were asked for; none at the end.
        entries: Vec<Entry>,
        /// Names left out of the whole listing so far because they break the rules of names.
        skipped: u64,
    },
    /// Of [`Effect::Open`].
    Opened(Opened),
    /// Of [`Effect::Read`] and [`Effect::Hold`]: the bytes.
    Read(Bytes),
    /// Of [`Effect::Hold`]: the bytes stay below and are ready to go out by [`Output::SendHeld`](crate::Output::SendHeld).
    Held {
        /// How many, 1 to the length asked for.
        length: usize,
        /// Their checksum; there must be one if it was asked for.
        checksum: Option<Checksum>,
    },
    /// Of [`Effect::FinishReading`].
    Finished,
    /// Of [`Effect::Write`].
    Written,
    /// Of [`Effect::WriteHeld`].
    HeldWritten {
        /// The checksum of what is in the file now.
        checksum: Checksum,
    },
    /// Of [`Effect::Sync`] and [`Effect::SyncDirectory`].
    Synced,
    /// Of [`Effect::Publish`].
    Published,
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
            Self::Held { .. } => "held",
            Self::Finished => "finished",
            Self::Written => "written",
            Self::HeldWritten { .. } => "held-written",
            Self::Synced => "synced",
            Self::Published => "published",
            Self::Discarded => "discarded",
        }
    }
}

/// What is known of a file once it is open for reading.
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
}

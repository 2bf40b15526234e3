//! Planted bugs, which show that the simulator detects them.

/// A bug that the machines do not have. A simulation behaves as if they had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A file counts as synced and is not.
    SyncSkipped,
    /// Of several files that are synced together, the last one is not.
    BatchSyncShort,
    /// A file counts as synced because of another file's sync that began before all of its bytes were written.
    FlushJoinedLate,
    /// Of several directories that are synced together, only the first one is.
    BatchDirectorySyncShort,
    /// A change of names counts as synced and is not.
    ChangeSyncSkipped,
    /// A file loses its old name before it has the new one.
    MoveSplit,
    /// A file is taken for the version that was meant, whatever it is.
    MatchIgnored,
    /// A file is published before its bytes are synced.
    PublishBeforeSync,
    /// A directory counts as synced and is not.
    DirectorySyncSkipped,
    /// The name shows a part of the file before the whole.
    TornPublish,
    /// A file counts as published and is not.
    PublishSkipped,
    /// What a session stages is appended to another session's staged file.
    StagedMixed,
    /// What is not published is not removed.
    DiscardSkipped,
    /// Bytes change between the check of their checksum and the server's file.
    StoredAltered,
    /// Bytes change between the check of their checksum and the client's file.
    FetchedAltered,
    /// A change of a file while it is sent is overlooked.
    ChangeOverlooked,
    /// The server's payload and lines change on their way out.
    ReplyAltered,
    /// A piece of the server's output is sent twice.
    ReplyRepeated,
    /// The server's clock stands still, so no deadline comes.
    ClockStopped,
    /// An upload that was refused is published all the same.
    RefusedPublished,
    /// An executable file arrives as one that is not.
    ExecutableForgotten,
}

impl Planted {
    /// Every planted bug.
    pub const ALL: &'static [Self] = &[
        Self::SyncSkipped,
        Self::BatchSyncShort,
        Self::FlushJoinedLate,
        Self::BatchDirectorySyncShort,
        Self::ChangeSyncSkipped,
        Self::MoveSplit,
        Self::MatchIgnored,
        Self::PublishBeforeSync,
        Self::DirectorySyncSkipped,
        Self::TornPublish,
        Self::PublishSkipped,
        Self::StagedMixed,
        Self::DiscardSkipped,
        Self::StoredAltered,
        Self::FetchedAltered,
        Self::ChangeOverlooked,
        Self::ReplyAltered,
        Self::ReplyRepeated,
        Self::ClockStopped,
        Self::RefusedPublished,
        Self::ExecutableForgotten,
    ];
}

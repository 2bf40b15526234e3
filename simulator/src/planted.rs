//! Bugs planted in a simulation, to show that it finds them.

/// A bug that the machines do not have: a simulation is told to behave as if they had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The bytes are said to be on stable storage and are not.
    SyncSkipped,
    /// Of several files that are brought to stable storage together, the last one is left out.
    BatchSyncShort,
    /// Files are said to be on stable storage because somebody else brought all there was to it, before all of theirs was written.
    FlushJoinedLate,
    /// Of several names that are brought to stable storage together, only those in the directory of the first one are.
    BatchDirectorySyncShort,
    /// The file takes its name, and only then its bytes come to stable storage.
    PublishBeforeSync,
    /// The name is said to be on stable storage and is not.
    DirectorySyncSkipped,
    /// The name shows a part of the file before the whole.
    TornPublish,
    /// The file is said to have its name and has not.
    PublishSkipped,
    /// What a session stages is appended to what another one does.
    StagedMixed,
    /// What is not published is not removed.
    DiscardSkipped,
    /// Bytes change between the check of their checksum and the server's file.
    StoredAltered,
    /// Bytes change between the check of their checksum and the client's file.
    FetchedAltered,
    /// That a file changed while it was sent is overlooked.
    ChangeOverlooked,
    /// The server's payload and lines change on their way out.
    ReplyAltered,
    /// A piece of the server's output goes out twice.
    ReplyRepeated,
    /// The server's clock stands still, so that no deadline comes.
    ClockStopped,
    /// An upload that was refused is published all the same.
    RefusedPublished,
    /// What may be executed arrives as what may not.
    ExecutableForgotten,
}

impl Planted {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::SyncSkipped,
        Self::BatchSyncShort,
        Self::FlushJoinedLate,
        Self::BatchDirectorySyncShort,
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

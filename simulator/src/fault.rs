//! The kinds of faults, and how often each happened.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $variant,)+
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

faults! {
    /// The next reads of both sides return few bytes each.
    ShortReads = "short reads",
    /// The next writes of both sides take few bytes each.
    ShortWrites = "short writes",
    /// The next waits end without cause, and reads find nothing.
    WouldBlock = "would-block flood",
    /// Bytes of one direction take some seconds.
    Delay = "delay",
    /// Bytes from the client stop arriving for an hour.
    ClientStopsWriting = "client stops writing",
    /// Bytes from the server stop being read for an hour.
    ClientStopsReading = "client stops reading",
    /// The client does nothing for up to an hour.
    ClientFreezes = "client freezes",
    /// The server's side of a session does nothing for up to an hour.
    ServerFreezes = "server freezes",
    /// The client's process ends, and resets its connection.
    ClientReset = "reset by client",
    /// The network resets the connection on both sides.
    NetworkReset = "reset by network",
    /// The client closes its sending half.
    ClientHalfClose = "half-close by client",
    /// The server closes its sending half, whatever is under way.
    ServerHalfClose = "half-close by server",
    /// A bit from the client is flipped.
    FlipUp = "flipped bit, client to server",
    /// A bit from the server is flipped.
    FlipDown = "flipped bit, server to client",
    /// The server drops a session.
    SessionDropped = "session dropped",
    /// The server shuts down, and lets running commands finish.
    DrainWithGrace = "drain with grace",
    /// The server shuts down at once.
    DrainAtOnce = "drain without grace",
    /// The server's machine loses power, and restarts with what was synced.
    PowerCut = "power cut",
    /// An hour passes for everybody.
    ClockJump = "clock jump",
    /// An effect takes minutes.
    SlowStorage = "slow storage",
    /// A listing cannot begin.
    ListFails = "list fails",
    /// A listing fails under way.
    NextEntriesFails = "next-entries fails",
    /// A file cannot be opened.
    OpenFails = "open fails",
    /// A read fails.
    ReadFails = "read fails",
    /// The store returns less than was asked for.
    ShortStoreReads = "short reads of the store",
    /// Finishing a read fails.
    FinishFails = "finish-reading fails: io",
    /// Finishing a read finds that the file has changed.
    FinishChanged = "finish-reading fails: changed",
    /// A file cannot be staged.
    CreateFails = "create fails",
    /// There is no room for another staged file beside those of the session.
    NoRoom = "no room beside staged files",
    /// A write fails.
    WriteFails = "write fails: io",
    /// The storage is full.
    WriteNoSpace = "write fails: no-space",
    /// The file's bytes cannot be synced.
    SyncFails = "sync fails",
    /// A file cannot be published.
    PublishFails = "publish fails: io",
    /// Another program took the name.
    PublishExists = "publish fails: exists",
    /// The directory cannot be synced.
    SyncDirectoryFails = "sync-directory fails",
    /// A file cannot be copied to the end.
    CopyFails = "copy fails",
    /// A file or directory cannot be deleted.
    DeleteFails = "delete fails",
    /// A directory cannot be made.
    MakeDirectoryFails = "make-directory fails",
    /// A file or directory cannot be moved.
    MoveFails = "move fails",
    /// A staged file cannot be removed.
    DiscardFails = "discard fails",
    /// Another program truncates a file.
    FileCut = "file cut while served",
    /// Another program overwrites a part of a file.
    FileOverwritten = "file overwritten while served",
    /// Another program replaces the file.
    FileReplaced = "file replaced while served",
    /// A client's own file cannot be read.
    LocalReadFails = "client's own read fails",
    /// A client's own file cannot be written.
    LocalWriteFails = "client's own write fails",
    /// A client's own file cannot be published.
    LocalPublishFails = "client's own publish fails",
}

/// How often each kind of fault happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally([u64; Fault::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Tally {
    /// How often `fault` happened.
    pub fn count(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub(super) fn note(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in Fault::ALL {
            writeln!(f, "{:>10}  {}", self.count(*fault), fault.name())?;
        }
        Ok(())
    }
}

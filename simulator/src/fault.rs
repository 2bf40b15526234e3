//! What goes wrong in a simulation, and how often it did.

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
    /// The next reads of both sides bring a few bytes each.
    ShortReads = "short reads",
    /// The next writes of both sides take a few bytes each.
    ShortWrites = "short writes",
    /// The next waits are woken without cause, and looks at the socket find nothing.
    WouldBlock = "would-block flood",
    /// Bytes of one direction are on their way for some seconds.
    Delay = "delay",
    /// What the client sends stops arriving for an hour.
    ClientStopsWriting = "client stops writing",
    /// What the server sends stops being taken for an hour.
    ClientStopsReading = "client stops reading",
    /// The client's side does nothing for up to an hour.
    ClientFreezes = "client freezes",
    /// The server's side of a session does nothing for up to an hour.
    ServerFreezes = "server freezes",
    /// The client's process ends, its connection with it.
    ClientReset = "reset by client",
    /// The network breaks the connection under both.
    NetworkReset = "reset by network",
    /// The client's sending half closes.
    ClientHalfClose = "half-close by client",
    /// The server's sending half closes, whatever is under way.
    ServerHalfClose = "half-close by server",
    /// A bit of what the client sends turns over.
    FlipUp = "flipped bit, client to server",
    /// A bit of what the server sends turns over.
    FlipDown = "flipped bit, server to client",
    /// The server drops a session.
    SessionDropped = "session dropped",
    /// The server stops and lets what runs come to its end.
    DrainWithGrace = "drain with grace",
    /// The server stops at once.
    DrainAtOnce = "drain without grace",
    /// The machine of the server loses power; it comes back with what was on stable storage.
    PowerCut = "power cut",
    /// An hour passes for everybody.
    ClockJump = "clock jump",
    /// An effect takes minutes.
    SlowStorage = "slow storage",
    /// A listing cannot be begun.
    ListFails = "list fails",
    /// A listing fails under way.
    NextEntriesFails = "next-entries fails",
    /// A file cannot be opened.
    OpenFails = "open fails",
    /// A read fails.
    ReadFails = "read fails",
    /// The store gives less than was asked for.
    ShortStoreReads = "short reads of the store",
    /// The end of reading fails.
    FinishFails = "finish-reading fails: io",
    /// The end of reading finds another file.
    FinishChanged = "finish-reading fails: changed",
    /// A file cannot be staged.
    CreateFails = "create fails",
    /// There is no room for another staged file beside those of the session.
    NoRoom = "no room beside staged files",
    /// A write fails.
    WriteFails = "write fails: io",
    /// The storage is full.
    WriteNoSpace = "write fails: no-space",
    /// The bytes do not come to stable storage.
    SyncFails = "sync fails",
    /// A file cannot take its name.
    PublishFails = "publish fails: io",
    /// Somebody else took the name.
    PublishExists = "publish fails: exists",
    /// The name does not come to stable storage.
    SyncDirectoryFails = "sync-directory fails",
    /// What is staged cannot be removed.
    DiscardFails = "discard fails",
    /// Somebody else cuts a file.
    FileCut = "file cut while served",
    /// Somebody else overwrites a part of a file.
    FileOverwritten = "file overwritten while served",
    /// Somebody else puts another file in its place.
    FileReplaced = "file replaced while served",
    /// A client's own file cannot be read.
    LocalReadFails = "client's own read fails",
    /// A client's own file cannot be written.
    LocalWriteFails = "client's own write fails",
    /// A client's own file cannot take its name.
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

    /// Adds what happened in another run.
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

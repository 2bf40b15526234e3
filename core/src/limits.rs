//! Limits on memory and time.

use core::time::Duration;

/// Limits on what a machine buffers and accepts, in bytes unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest `n` of a `DATA n` that is accepted: 1 to [`MAX_DATA`](Self::MAX_DATA). A server announces it as
    /// `max-data`.
    pub max_data: u64,
    /// The maximum number of unanswered commands, at least 1. A server announces it as `pipeline`; a client never
    /// exceeds it.
    pub pipeline: u64,
    /// The payload to request from a source at once and to send as one `DATA`, and the most to read from the socket at
    /// once during a body. Each session buffers about two of these.
    pub chunk: usize,
    /// As [`chunk`](Self::chunk), for payload that passes between the store and the socket without the machine. It
    /// takes the system's memory, not the session's.
    pub pass_through_chunk: usize,
    /// The largest file that a server accepts; `None` leaves it to the storage.
    pub max_file_size: Option<u64>,
    /// The maximum number of uploads that a durable server commits together, at least 1. Their files stay open until
    /// then. With 1 each upload is committed on its own.
    pub commit_batch: usize,
    /// How much a server skips after an `ERR` before it ends the connection.
    pub max_discard: u64,
    /// How much a machine reads and drops while a connection closes, so that a reset does not destroy the last reply.
    pub max_linger: u64,
    /// The number of entries of a listing to request from the store at once.
    pub list_batch: usize,
}

impl Limits {
    /// The longest line including its ending, in bytes. It is part of the protocol.
    pub const MAX_LINE: usize = 4096;
    /// The largest `DATA` that any side ever sends, in bytes. It is part of the protocol.
    pub const MAX_DATA: u64 = 16 << 20;
    /// The maximum number of bytes of unanswered command lines from a client. It is part of the protocol.
    pub const MAX_PIPELINED_BYTES: usize = 16 << 10;
    /// The maximum number of `INFO` lines in the reply to one HELP. It is part of the protocol.
    pub const MAX_HELP: u64 = 256;
    /// A machine with more queued output than this, in bytes, requests only writes. It fits lines and the bodies of
    /// some small files, which are sent together.
    pub const HIGH_WATER: usize = 64 << 10;
    /// Smaller pieces of payload, in bytes, are gathered before they are written to a file, so that a flood of tiny
    /// `DATA` does not cause a flood of tiny writes.
    pub const GATHER: usize = 4 << 10;

    /// The payload of one `DATA` that this side sends: `wanted` bytes, but no more than the peer's `peer_max`.
    pub(crate) fn outgoing(wanted: usize, peer_max: u64) -> usize {
        let most = usize::try_from(peer_max.clamp(1, Self::MAX_DATA)).unwrap_or(usize::MAX);
        wanted.clamp(1, most)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_data: Self::MAX_DATA,
            // A thousand small files need four round trips; short replies to as many uploads still fit into the buffers
            // of a socket.
            pipeline: 256,
            chunk: 256 << 10,
            pass_through_chunk: 1 << 20,
            max_file_size: None,
            commit_batch: 64,
            max_discard: 64 << 20,
            max_linger: 64 << 20,
            list_batch: 128,
        }
    }
}

/// Limits on time. Only time spent waiting for the peer counts, never the time that this side's storage takes.
///
/// A server disconnects a slow client only while it keeps others waiting
/// ([`Server::set_scarce`](crate::server::Server::set_scarce)); otherwise `idle` is the only limit on its silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// How long a server waits between commands for the next one. It also limits the silence of a client that keeps
    /// nobody waiting, in any state.
    pub idle: Duration,
    /// The time from the first byte of a line to its last.
    pub line: Duration,
    /// The window over which a server measures the rate of a body, or of output that the client reads. The first window
    /// is twice as long.
    pub window: Duration,
    /// The minimum number of bytes in each window. A server disconnects a slower client.
    pub min_bytes_per_window: u64,
    /// How long a client waits for the greeting.
    pub greeting: Duration,
    /// How long a client waits without any progress: for a reply to begin, for more of a body, and for the server to
    /// accept some of a body. It includes the time of the server's storage, so it is long.
    pub reply: Duration,
    /// How long a client waits, but at least `reply`, for the reply to a command that makes the server read a whole
    /// file: COPY and CHECKSUM.
    pub reading: Duration,
    /// How long a client waits, but at most `reply`, for the server's goodbye once nothing else is requested. All
    /// requests are complete by then.
    pub goodbye: Duration,
    /// How long a closing connection waits for the peer to close its side.
    pub linger: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(10),
            line: Duration::from_secs(30),
            window: Duration::from_secs(30),
            min_bytes_per_window: 1 << 10,
            greeting: Duration::from_secs(10),
            reply: Duration::from_mins(5),
            reading: Duration::from_hours(1),
            goodbye: Duration::from_secs(2),
            linger: Duration::from_secs(3),
        }
    }
}

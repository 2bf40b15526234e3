//! Bounds on memory and time.

use core::time::Duration;

/// Bounds on what a machine buffers and takes, in bytes unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest `n` of a `DATA n` that is accepted: 1 to [`MAX_DATA`](Self::MAX_DATA). A server announces it as
    /// `max-data`.
    pub max_data: u64,
    /// Unanswered commands: a server announces it as `pipeline`, a client never goes beyond it. At least 1.
    pub pipeline: u64,
    /// The payload that is asked of a source at once and sent as one `DATA`, and the most that is read from the socket
    /// at once during a body. Each session holds about two of these.
    pub chunk: usize,
    /// As [`chunk`](Self::chunk), for payload that passes between the store and the socket without the machine. It
    /// takes the system's memory, not the session's.
    pub pass_through_chunk: usize,
    /// The largest file that a server takes; `None` leaves it to the storage.
    pub max_file_size: Option<u64>,
    /// Uploads that a durable server commits together at most, at least 1; they are open meanwhile. With 1 each is
    /// committed on its own.
    pub commit_batch: usize,
    /// What a server skips after an `ERR` before it ends the connection.
    pub max_discard: u64,
    /// What is read and dropped while a connection closes, so that the last reply is not lost to a reset.
    pub max_linger: u64,
    /// Entries of a listing that are asked of the store at once.
    pub list_batch: usize,
}

impl Limits {
    /// The longest line with its ending. A part of the protocol.
    pub const MAX_LINE: usize = 4096;
    /// The largest `DATA` that any side ever sends. A part of the protocol.
    pub const MAX_DATA: u64 = 16 << 20;
    /// Unanswered command lines that a client may have sent. A part of the protocol.
    pub const MAX_PIPELINED_BYTES: usize = 16 << 10;
    /// `INFO` lines in the reply to one HELP. A part of the protocol.
    pub const MAX_HELP: u64 = 256;
    /// Queued output above which a machine asks for nothing but writing: lines and bodies of some small files, which go
    /// out together.
    pub const HIGH_WATER: usize = 64 << 10;
    /// Payload pieces smaller than this are gathered before they are written to a file, so that a flood of tiny `DATA`
    /// does not become a flood of tiny writes.
    pub const GATHER: usize = 4 << 10;

    /// The payload of one `DATA` that this side sends, at best `wanted` bytes, to a peer that takes at most `peer_max`.
    pub(crate) fn outgoing(wanted: usize, peer_max: u64) -> usize {
        let most = usize::try_from(peer_max.clamp(1, Self::MAX_DATA)).unwrap_or(usize::MAX);
        wanted.clamp(1, most)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_data: Self::MAX_DATA,
            // A thousand small files in four round trips; short replies to as many uploads still fit into the buffers
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

/// Bounds on time. Only time spent waiting for the peer counts, never the time that one's own storage takes.
///
/// A server cuts off a slow client only while it keeps others waiting
/// ([`Server::set_scarce`](crate::server::Server::set_scarce)); otherwise `idle` is the only bound on its silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Between commands a server waits this long for the next one, and everywhere for a client that keeps nobody
    /// waiting and from or to which no byte passes.
    pub idle: Duration,
    /// From the first byte of a line to its last.
    pub line: Duration,
    /// The window over which a server measures the rate of a body, or of output that the client takes. The first window
    /// is twice as long.
    pub window: Duration,
    /// The bytes that must pass in each window; fewer, and the client is cut off.
    pub min_bytes_per_window: u64,
    /// A client waits this long for the greeting.
    pub greeting: Duration,
    /// A client waits this long without any progress: for a reply to begin, for more of a body, and for the server to
    /// take any of one. It covers the server's own storage, so it is long.
    pub reply: Duration,
    /// A client waits this long, and at least `reply`, for the reply to a command for which the server reads a whole
    /// file: COPY and CHECKSUM.
    pub reading: Duration,
    /// A client waits this long, and no longer than `reply`, for the goodbye once nothing else is asked for: what it
    /// wanted is done by then.
    pub goodbye: Duration,
    /// While a connection closes, for the peer to close its side.
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

//! How a client is set up, and what it tells.

use std::io;
use std::time::Duration;

use haul_core::Mode;
use haul_core::client::{ClientConfig, Failure};

use super::Cancel;

/// How a client connects and behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What the session keeps to. `pass_through` has no effect here yet: it counts as off.
    pub config: ClientConfig,
    /// How long to try each address of the server.
    pub connect_timeout: Duration,
    /// What cancels connecting and requests from outside.
    pub cancel: Option<Cancel>,
}

impl Default for ClientOptions {
    /// The defaults of [`ClientConfig`], 20 seconds for each address, and no cancel.
    fn default() -> Self {
        Self {
            config: ClientConfig::default(),
            connect_timeout: Duration::from_secs(20),
            cancel: None,
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody could be reached.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody answered, but not with a greeting; or it was cancelled.
    #[error("{0}")]
    Failed(#[from] Failure),
}

/// Which bytes a download fetches, and what its target is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadOptions {
    /// The first byte, from the start of the file.
    pub offset: u64,
    /// The most bytes; `None` is all to the end.
    pub length: Option<u64>,
    /// Whether the target may replace a file that exists.
    pub mode: Mode,
}

impl Default for DownloadOptions {
    /// The whole file, which replaces nothing.
    fn default() -> Self {
        Self { offset: 0, length: None, mode: Mode::Create }
    }
}

//! How servers and clients are set up.

use std::fmt;
use std::io;
use std::time::Duration;

use haul_core::client::{ClientConfig, Failure};
use haul_core::server::ServerConfig;

use crate::{Cancel, Unreached};

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// What each session keeps to. With `pass_through` payload goes between socket and file in the kernel, if the store can do that.
    pub config: ServerConfig,
    /// Sessions at once. Whoever comes then is answered `busy`.
    pub max_clients: usize,
    /// Sessions at once from one IPv4 address, or from one network of 64 bits of IPv6, which a single host may have for itself.
    pub max_clients_per_address: usize,
    /// Whether slow clients are cut off even while places are free.
    pub impatient: bool,
    /// How long commands under way may go on once a drain has begun.
    pub grace: Duration,
}

impl Default for ServerOptions {
    /// The defaults of [`ServerConfig`] with pass-through, 256 clients, 64 of them from one address, and 30 seconds of grace.
    fn default() -> Self {
        Self {
            config: ServerConfig { pass_through: true, ..ServerConfig::default() },
            max_clients: 256,
            max_clients_per_address: 64,
            impatient: false,
            grace: Duration::from_secs(30),
        }
    }
}

/// How long connecting may take unless something else is asked for.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How a client connects and behaves.
pub struct ClientOptions<W> {
    /// What the session keeps to. With `pass_through` payload goes between socket and file in the kernel, if the files can do that.
    pub config: ClientConfig,
    /// How long connecting may take, whatever addresses the server has, before it is given up. How long to wait for the greeting then, and for progress later, is in the
    /// [`timing`](ClientConfig::timing) of `config`.
    pub connect_timeout: Duration,
    /// What cancels connecting and requests from outside.
    pub cancel: Option<Cancel<W>>,
}

impl<W> Default for ClientOptions<W> {
    /// The defaults of [`ClientConfig`] with pass-through, 20 seconds to connect, and no cancel.
    fn default() -> Self {
        Self {
            config: ClientConfig { pass_through: true, ..ClientConfig::default() },
            connect_timeout: CONNECT_TIMEOUT,
            cancel: None,
        }
    }
}

impl<W> Clone for ClientOptions<W> {
    fn clone(&self) -> Self {
        let Self { config, connect_timeout, cancel } = self;
        Self { config: config.clone(), connect_timeout: *connect_timeout, cancel: cancel.clone() }
    }
}

impl<W> fmt::Debug for ClientOptions<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("config", &self.config)
            .field("connect_timeout", &self.connect_timeout)
            .field("cancel", &self.cancel)
            .finish()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address that could be found out.
    #[error("its address cannot be found: {0}")]
    Unknown(#[source] io::Error),
    /// None of the addresses could be reached: each with why.
    #[error("{}", each(.0))]
    Unreached(Vec<Unreached>),
    /// This side cannot connect at all.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody answered, but not with a greeting; or it was cancelled.
    #[error("{0}")]
    Failed(#[from] Failure),
}

/// A single address needs no mention: it was asked for.
fn each(unreached: &[Unreached]) -> String {
    match unreached {
        [Unreached { error, .. }] => error.to_string(),
        several => several.iter().map(Unreached::to_string).collect::<Vec<_>>().join("; "),
    }
}

//! How servers and clients are set up.

use std::fmt;
use std::io;
use std::time::Duration;

use haul_core::client::{ClientConfig, Failure};
use haul_core::server::ServerConfig;

use crate::Cancel;

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// What each session keeps to. With `pass_through` payload goes between socket and file in the kernel, if the store can do that.
    pub config: ServerConfig,
    /// Sessions at once. Whoever comes then is answered `busy`.
    pub max_clients: usize,
    /// Sessions at once from one IP address.
    pub max_clients_per_address: usize,
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
            grace: Duration::from_secs(30),
        }
    }
}

/// How a client connects and behaves.
pub struct ClientOptions<W> {
    /// What the session keeps to. With `pass_through` payload goes between socket and file in the kernel, if the files can do that.
    pub config: ClientConfig,
    /// How long to try each address of the server.
    pub connect_timeout: Duration,
    /// What cancels connecting and requests from outside.
    pub cancel: Option<Cancel<W>>,
}

impl<W> Default for ClientOptions<W> {
    /// The defaults of [`ClientConfig`] with pass-through, 20 seconds for each address, and no cancel.
    fn default() -> Self {
        Self {
            config: ClientConfig { pass_through: true, ..ClientConfig::default() },
            connect_timeout: Duration::from_secs(20),
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
    /// Nobody could be reached.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody answered, but not with a greeting; or it was cancelled.
    #[error("{0}")]
    Failed(#[from] Failure),
}

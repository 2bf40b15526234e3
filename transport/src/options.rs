//! How servers and clients are set up.

use std::time::Duration;

use haul_core::client::ClientConfig;
use haul_core::server::ServerConfig;

use crate::cancel::Cancel;
use crate::layer::Layer;

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// What each session keeps to. With `pass_through` payload goes between socket and file in the kernel, if the store
    /// can do that.
    pub config: ServerConfig,
    /// Sessions at once. Whoever comes then is answered `busy`.
    pub max_clients: usize,
    /// Sessions at once from one IPv4 address, or from one network of 64 bits of IPv6, which a single host may have for
    /// itself.
    pub max_clients_per_address: usize,
    /// Whether slow clients are cut off even while places are free.
    pub impatient: bool,
    /// How long commands under way may go on once a drain has begun.
    pub grace: Duration,
    /// What the stream of each connection is; `None` is plain TCP. Payload does not pass through a layer in the kernel.
    pub layer: Option<Layer>,
}

impl Default for ServerOptions {
    /// The defaults of [`ServerConfig`] with pass-through, 256 clients, 64 of them from one address, and 30 seconds of
    /// grace.
    fn default() -> Self {
        Self {
            config: ServerConfig { pass_through: true, ..ServerConfig::default() },
            max_clients: 256,
            max_clients_per_address: 64,
            impatient: false,
            grace: Duration::from_secs(30),
            layer: None,
        }
    }
}

/// How long connecting may take unless something else is asked for.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How a client connects and behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What the session keeps to. With `pass_through` payload goes between socket and file in the kernel, if the files
    /// can do that.
    pub config: ClientConfig,
    /// How long connecting may take, whatever addresses the server has, before it is given up. How long to wait for the
    /// greeting then, and for progress later, is in the [`timing`](ClientConfig::timing) of `config`.
    pub connect_timeout: Duration,
    /// What cancels connecting and requests from outside.
    pub cancel: Option<Cancel>,
    /// What the stream of the connection is; `None` is plain TCP. Payload does not pass through a layer in the kernel.
    pub layer: Option<Layer>,
}

impl Default for ClientOptions {
    /// The defaults of [`ClientConfig`] with pass-through, 20 seconds to connect, no cancel, and plain TCP.
    fn default() -> Self {
        Self {
            config: ClientConfig { pass_through: true, ..ClientConfig::default() },
            connect_timeout: CONNECT_TIMEOUT,
            cancel: None,
            layer: None,
        }
    }
}

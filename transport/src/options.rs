//! The options of servers and clients.

use std::sync::Arc;
use std::time::Duration;

use haul_core::client::ClientConfig;
use haul_core::server::ServerConfig;

use crate::cancel::Cancel;
use crate::layer::Layer;
use crate::users::Users;

/// The options of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The configuration of each session. With `pass_through` the kernel moves payload between socket and file, if the
    /// store supports that.
    pub config: ServerConfig,
    /// The maximum number of sessions at a time. Further clients get `busy`.
    pub max_clients: usize,
    /// The maximum number of sessions at a time from one IPv4 address, or from one IPv6 network of 64 bits, which a
    /// single host may own.
    pub max_clients_per_address: usize,
    /// Whether slow clients are disconnected even while there is room for others.
    pub impatient: bool,
    /// How long running commands may continue after a drain has started.
    pub grace: Duration,
    /// The maximum number of clients in the handshake of a [layer](Layer), which are no sessions yet. Each has the
    /// [`line`](haul_core::Timing::line) time. Another client takes the place of the one that has been there longest,
    /// of the address with the most of them.
    pub max_handshakes: usize,
    /// Who the clients are. `None` if nobody is identified: AUTH fails, and all sessions get the store of
    /// [nobody](haul_store::Identity::nobody).
    pub users: Option<Arc<dyn Users>>,
}

impl Default for ServerOptions {
    /// The defaults of [`ServerConfig`] with pass-through, 256 clients, 64 of them from one address, a grace period of
    /// 30 seconds, and 128 handshakes.
    fn default() -> Self {
        Self {
            config: ServerConfig { pass_through: true, ..ServerConfig::default() },
            max_clients: 256,
            max_clients_per_address: 64,
            impatient: false,
            grace: Duration::from_secs(30),
            max_handshakes: 128,
            users: None,
        }
    }
}

/// The default timeout for connecting.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The options of a client.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The configuration of the session. With `pass_through` the kernel moves payload between socket and file, if the
    /// files support that.
    pub config: ClientConfig,
    /// The timeout for connecting to all addresses of the server together. The [`timing`](ClientConfig::timing) of
    /// `config` limits the waits for the greeting and for progress after that.
    pub connect_timeout: Duration,
    /// Cancels connecting and requests from elsewhere.
    pub cancel: Option<Cancel>,
    /// The layer over TCP; `None` is plain TCP. The kernel moves no payload through a layer.
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

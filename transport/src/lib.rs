//! Server and client of HAUL for any runtime: streams, the loop that drives a connection, sessions, calls, limits on
//! clients, and stopping a server.
//!
//! The machines of [`haul_core`] make all decisions, and [`haul_store`] handles files. A transport adds a [`Runtime`]:
//! how to wait for sockets, to sleep, to spawn, and where work may block. Everything else is here, once:
//!
//! - [`Server`] accepts, admits, refuses and runs sessions. [`ServerHandle`] and [signals](drain_on_signals) stop it.
//! - [`Client`] connects and makes calls. [`call`] describes them; [`Cancel`] and [signals](cancel_on_signals) cancel
//!   them.
//! - [`Stream`] connects to the peer. Plain TCP is a stream, and the only one that payload is spliced through; a
//!   [`Layer`] creates another one over it, such as [`tls`] (with the feature of that name, which is on by default).
//!
//! `haul-std` is the blocking runtime of threads and poll(2); `haul-tokio` and `haul-async-std` have their own. An
//! application uses one of these.
//!
//! # How it is built
//!
//! `step` carries out one output of a machine. `drive` makes steps for a handler and waits with the runtime; `offload`
//! moves the steps to a thread where file work may block. `server` has a module for each part of a server: accepting,
//! sessions, refusals, limits.

mod accounts;
mod addresses;
pub mod call;
mod cancel;
mod client;
mod client_handlers;
mod clock;
mod connect;
mod connect_error;
pub mod descriptors;
mod drive;
mod event;
mod handshake;
mod layer;
mod log;
mod offload;
mod options;
mod runtime;
mod server;
mod signals;
mod socket;
mod step;
mod stream;
mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
mod users;

pub use accounts::UserStores;
pub use call::{Call, DownloadOptions, ListOptions, Watch};
pub use cancel::Cancel;
pub use client::Client;
pub use connect_error::{ConnectError, Unreached};
pub use event::{Event, Listener};
pub use handshake::{HandshakeError, Untrusted};
pub use layer::Layer;
pub use options::{CONNECT_TIMEOUT, ClientOptions, ServerOptions};
pub use runtime::{Readiness, Runtime, is_ready, poll_flags};
pub use server::{Peer, Server, ServerHandle};
pub use signals::{CancelOnSignals, cancel_on_signals, drain_on_signals};
pub use stream::{Interest, Security, Stream, StreamError};
pub use tcp::TcpStream;
pub use users::{Admission, Penalised, Users};

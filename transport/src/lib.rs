//! What all HAUL transports share.
//!
//! All decisions are made by the machines of [`haul_core`], and files are the business of [`haul_store`]. What is left to a transport is sockets, waiting, and where
//! work runs; and most of that is the same everywhere, so it is here:
//!
//! - [`Connection`]: the loop that carries out what a machine asks for, one step at a time, over any [`Socket`] and with any [`Files`]. It serves client and server, and decides nothing.
//! - [`Owner`]: on whose behalf it runs. [`serving`] has the owners of a server: a session that logs, and drains when it is told to; a refusal. [`call`] has those of a client:
//!   a caller who waits for the greeting or for a reply, and may cancel.
//! - [`Slots`], [`Open`], [`Pause`], [`Stop`], [`Cancel`] and the signals: how many clients there may be and are, and how things end from outside. What a transport waits with implements [`Wake`].
//! - [`descriptors`]: how many there may be, and the one that is kept for clients who would find none.
//! - [`addresses`]: which a name has, how they are tried and listened on. [`socket`]: how sockets are set up.
#![cfg_attr(
    feature = "async",
    doc = "- [`asynchronous`]: server and client for any async runtime, in terms of a [`Runtime`](asynchronous::Runtime)."
)]
//!
//! `haul-std` adds threads and poll(2) to it; `haul-tokio` and `haul-async-std` add their runtimes. An application uses one of these.

pub mod addresses;
#[cfg(feature = "async")]
pub mod asynchronous;
pub mod call;
mod cancel;
mod clock;
pub mod descriptors;
mod drive;
mod log;
mod open;
mod options;
pub mod serving;
mod signals;
mod slots;
pub mod socket;
mod stop;
mod wake;

pub use addresses::Unreached;
pub use call::{Call, DownloadOptions, ListOptions};
pub use cancel::{Busy, Cancel, settle};
pub use clock::Clock;
pub use drive::{Awaited, Connection, DriveError, Files, Here, Next, Owner};
pub use log::Log;
pub use open::{Counted, Open, Pause};
pub use options::{CONNECT_TIMEOUT, ClientOptions, ConnectError, ServerOptions};
pub use signals::{CancelOnSignals, cancel_on_signals, drain_on_signals};
pub use slots::{Slot, Slots};
pub use socket::Socket;
pub use stop::{ServerHandle, Stop};
pub use wake::Wake;

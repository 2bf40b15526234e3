//! HAUL over blocking sockets: a thread for each session of a server, and a client whose calls wait for the reply.
//!
//! A server shares a directory, or anything else that is a [`Store`](haul_store::Store):
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use haul_std::{Server, ServerOptions, drain_on_signals};
//! use haul_store::{Directory, Options};
//!
//! let store = Directory::open("shared", Options::default())?;
//! let server = Server::bind("127.0.0.1:4285", Arc::new(store), ServerOptions::default())?;
//! drain_on_signals(server.handle())?;
//! println!("listening on {}", server.local_addr());
//! server.run();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A client stores a file in it, and fetches it back:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use haul_core::{FilePath, Mode};
//! use haul_std::{Client, ClientOptions, DownloadOptions};
//! use haul_store::{LocalSource, LocalTarget};
//!
//! let mut client = Client::connect("127.0.0.1:4285", ClientOptions::default())?;
//! let name = FilePath::parse("notes.txt")?;
//! let source = Box::new(LocalSource::open("notes.txt")?);
//! client.upload(&name, Mode::Replace, source, |_| ControlFlow::Continue(()))?;
//! let target = Box::new(LocalTarget::new("copy.txt", false)?);
//! client.download(&name, DownloadOptions::default(), target, |progress| {
//!     eprintln!("{} bytes", progress.bytes);
//!     ControlFlow::Continue(())
//! })?;
//! client.exit()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it is built
//!
//! All decisions are made by the machines of [`haul_core`], and what transports share is in [`haul_transport`], the loop that carries out what a machine asks for too. Here is what blocks:
//! `drive` waits by poll(2) where that loop cannot go on, for the socket and for whatever may want the wait to end.
//!
//! A server takes in connections on one thread, which also tells those that find no place that it is busy; each session has a thread of its own. What it costs is
//! bounded by [`ServerOptions`] and the [`Limits`](haul_core::Limits) of its sessions.

mod client;
mod connect;
mod drive;
mod server;
mod wait;

pub use client::Client;
pub use haul_transport::{
    Call, ConnectError, DownloadOptions, ListOptions, ServerOptions, call, cancel_on_signals,
    drain_on_signals,
};
pub use server::Server;
pub use wait::Wake;

/// How a client connects and behaves.
pub type ClientOptions = haul_transport::ClientOptions<Wake>;
/// Cancels what a client is doing.
pub type Cancel = haul_transport::Cancel<Wake>;
/// Stops a server.
pub type ServerHandle = haul_transport::ServerHandle<Wake>;

/// Of a session's thread, in bytes. What a session holds is on the heap: unoptimised, the tests pass with 96 KiB and overflow 64 KiB.
const STACK_SIZE: usize = 256 << 10;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

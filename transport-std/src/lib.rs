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
//! println!("listening on {}", server.local_addr()?);
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
//! All decisions are made by the machines of [`haul_core`]. Here is one loop, `drive`, that carries out what a machine asks for, on both sides: it tries the
//! socket first, and only if it must it waits, for the socket and for whatever may want the wait to end. `server` and `client` say on whose behalf it runs:
//! a session that logs, and drains when it is told to; a caller who waits for a reply, and may cancel.
//!
//! A server takes in connections on one thread, which also tells those that find no place that it is busy; each session has a thread of its own. What it costs is
//! bounded by [`ServerOptions`] and the [`Limits`](haul_core::Limits) of its sessions.

mod client;
mod drive;
#[cfg(feature = "cli")]
mod runtime;
mod server;
mod socket;
mod wait;

pub use client::{Cancel, Client, ClientOptions, ConnectError, DownloadOptions};
#[cfg(feature = "cli")]
pub use runtime::StdRuntime;
pub use server::{Server, ServerHandle, ServerOptions, drain_on_signals};

/// Of a session's thread, in bytes. What a session holds is on the heap: unoptimised, the tests pass with 96 KiB and overflow 64 KiB.
const STACK_SIZE: usize = 256 << 10;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

//! HAUL over threads: a thread for each session of a server, and a client whose calls wait for the reply.
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
//! use haul_std::{Client, ClientOptions, DownloadOptions, call};
//! use haul_store::{LocalSource, LocalTarget};
//!
//! let mut client = Client::connect("127.0.0.1:4285", ClientOptions::default())?;
//! let name = FilePath::parse("notes.txt")?;
//! let source = Box::new(LocalSource::open("notes.txt")?);
//! client.call(call::upload(&name, Mode::Replace, source, |_| ControlFlow::Continue(())))?;
//! let target = Box::new(LocalTarget::new("copy.txt", false)?);
//! client.call(call::download(&name, DownloadOptions::default(), target, |progress| {
//!     eprintln!("{} bytes", progress.bytes);
//!     ControlFlow::Continue(())
//! }))?;
//! client.call(call::exit())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it is built
//!
//! Server and client are those of [`haul_transport`]. What is here is [`Std`], by which they spawn threads and wait by poll(2), and [`block_on`], by which a thread runs one of their
//! futures. [`Server`] and [`Client`] are both, for callers that block.
//!
//! A server takes in connections on one thread, which also tells those that find no place that it is busy; each session has a thread of its own. What it costs is
//! bounded by [`ServerOptions`] and the [`Limits`](haul_core::Limits) of its sessions.

mod client;
mod runtime;
mod server;
mod waits;

pub use client::Client;
pub use haul_transport::{
    Call, Cancel, ClientOptions, ConnectError, DownloadOptions, ListOptions, ServerHandle,
    ServerOptions, call, cancel_on_signals, drain_on_signals,
};
pub use runtime::{Registered, Std};
pub use server::Server;
pub use waits::block_on;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

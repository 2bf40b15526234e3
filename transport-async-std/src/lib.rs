//! HAUL over async-std: a task for each session of a server, and a client whose calls are futures.
//!
//! A server shares a directory, or anything else that is a [`Store`](haul_store::Store):
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use haul_async_std::{Server, ServerOptions, drain_on_signals};
//! use haul_store::{Directory, Options};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Directory::open("shared", Options::default())?;
//! let server = Server::bind("127.0.0.1:4285", Arc::new(store), ServerOptions::default()).await?;
//! drain_on_signals(server.handle())?;
//! println!("listening on {}", server.local_addr());
//! server.run().await;
//! # Ok(())
//! # }
//! ```
//!
//! A client stores a file in it, and fetches it back:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use haul_core::{FilePath, Mode};
//! use haul_async_std::{Client, ClientOptions, DownloadOptions};
//! use haul_store::{LocalSource, LocalTarget};
//!
//! # async fn store_and_fetch() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::connect("127.0.0.1:4285", ClientOptions::default()).await?;
//! let name = FilePath::parse("notes.txt")?;
//! let source = Box::new(LocalSource::open("notes.txt")?);
//! client.upload(&name, Mode::Replace, source, |_| ControlFlow::Continue(())).await?;
//! let target = Box::new(LocalTarget::new("copy.txt", false)?);
//! client
//!     .download(&name, DownloadOptions::default(), target, |progress| {
//!         eprintln!("{} bytes", progress.bytes);
//!         ControlFlow::Continue(())
//!     })
//!     .await?;
//! client.exit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A future that is dropped cancels what it was for, and nothing is lost by it: see [`haul_transport::asynchronous`].
//!
//! # How it is built
//!
//! All decisions are made by the machines of [`haul_core`]; server and client are those of [`haul_transport::asynchronous`], over the traits of `futures-io`. What is here is [`AsyncStd`], by
//! which they listen, wait, spawn and let file work block; `examples/smol.rs` is the same for smol.
//!
//! # async-std is discontinued
//! Its authors advise to use smol instead ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052)). This crate is for applications that run on it already; a new one chooses `haul-tokio`, or smol as
//! the example does.

mod runtime;

pub use haul_transport::asynchronous::Event;
pub use haul_transport::{
    Call, ConnectError, DownloadOptions, ListOptions, ServerOptions, call, cancel_on_signals,
    drain_on_signals,
};
pub use runtime::AsyncStd;

/// A server that listens. It serves once it runs.
pub type Server<S> = haul_transport::asynchronous::Server<AsyncStd, S>;
/// A connection to a server.
pub type Client = haul_transport::asynchronous::Client<AsyncStd>;
/// How a client connects and behaves.
pub type ClientOptions = haul_transport::ClientOptions<Event>;
/// Cancels what a client is doing.
pub type Cancel = haul_transport::Cancel<Event>;
/// Stops a server.
pub type ServerHandle = haul_transport::ServerHandle<Event>;

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
//! use haul_async_std::{Client, ClientOptions, DownloadOptions, call};
//! use haul_store::{LocalSource, LocalTarget};
//!
//! # async fn store_and_fetch() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::connect("127.0.0.1:4285", ClientOptions::default()).await?;
//! let name = FilePath::parse("notes.txt")?;
//! let source = Box::new(LocalSource::open("notes.txt")?);
//! client.call(call::upload(&name, Mode::Replace, source, |_| ControlFlow::Continue(()))).await?;
//! let target = Box::new(LocalTarget::new("copy.txt", false)?);
//! let download = call::download(&name, DownloadOptions::default(), target, |progress| {
//!     eprintln!("{} bytes", progress.bytes);
//!     ControlFlow::Continue(())
//! });
//! client.call(download).await?;
//! client.call(call::exit()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A future that is dropped cancels what it was for, and nothing is lost by it: see [`haul_transport::Runtime`].
//!
//! # How it is built
//!
//! Server and client are those of [`haul_transport`]. What is here is [`AsyncStd`], by which they wait, spawn and let file work block; `examples/smol.rs` is the same for smol.
//!
//! # async-std is discontinued
//! Its authors advise to use smol instead ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052)). This crate is for applications that run on it already; a new one chooses `haul-tokio`, or smol as
//! the example does.

mod runtime;

pub use haul_transport::{
    Call, Cancel, ClientOptions, ConnectError, DownloadOptions, ListOptions, ServerHandle,
    ServerOptions, call, cancel_on_signals, drain_on_signals,
};
pub use runtime::{AsyncStd, Registered};

/// A server that listens. It serves once it runs.
pub type Server<S> = haul_transport::Server<AsyncStd, S>;
/// A connection to a server.
pub type Client = haul_transport::Client<AsyncStd>;

//! Server and client for any async runtime.
//!
//! A [`Runtime`] says how to listen, accept, connect, spawn, sleep and where work may block; the rest stands here once. A session is one task. File work runs where
//! the runtime lets it block, and so does whatever follows it as long as the peer keeps up; machine and files move there and back.
//!
//! # Dropped futures
//! All that a connection has under way is kept in the connection and not in the future that drives it. Whoever drops the future of a client's call cancels the call: what was
//! staged is removed at once, no byte of the connection is lost, and the next call first ends the one before. Whoever drops the future of [`Server::run`] ends all sessions
//! as [`ServerHandle::force`](crate::ServerHandle::force) does.
//!
//! # Another runtime
//! It takes an implementation of [`Runtime`] and, if its sockets speak the traits of `futures-io`, nothing else: [`FuturesIo`] is a [`Socket`] over those. `haul-async-std` is made like
//! this, and has an example that does the same for smol.

mod client;
mod connect;
mod drive;
mod event;
mod futures_io;
mod roaming;
mod server;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

pub use self::client::Client;
pub use self::event::Event;
pub use self::futures_io::FuturesIo;
pub use self::server::Server;
use crate::Socket;

/// What server and client need of an async runtime. Each call is made on a thread of the runtime, if it has any.
pub trait Runtime: 'static {
    /// A socket that listens.
    type Listener: AsFd + Send + Sync + 'static;
    /// A socket to a peer.
    type Socket: Socket + Send + Sync + 'static;

    /// Takes over a nonblocking listener.
    fn listener(listener: TcpListener) -> io::Result<Self::Listener>;

    /// Waits for a connection. A dropped future loses none.
    fn accept(
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Socket, SocketAddr)>> + Send;

    /// Connects.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Socket>> + Send;

    /// Starts a task that runs to its end though nobody waits for it.
    fn spawn(task: impl Future<Output = ()> + Send + 'static);

    /// Runs work where it may block. It runs to its end even if the future is dropped, or not at all. The error is that the runtime is ending.
    fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send + 'static;

    /// Waits. A duration beyond what the runtime can count is for ever.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;
}

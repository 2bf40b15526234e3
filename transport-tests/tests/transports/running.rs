//! A server of the transport in this process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use haul_scripts::tcp::RunningServer;
use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::ErrorCode;
use haul_store::{Store, StoreProvider};
use haul_transport::{ConnectError, Layer, ListOptions, ServerOptions};

use super::transport::{Client, ClientOptions, Server, ServerHandle};
use crate::blocking::Calls as _;
use crate::support::{LOCALHOST, Peer, Share};

/// A running server, which is ended by force when its test ends.
pub(crate) struct Running {
    pub(crate) handle: ServerHandle,
    pub(crate) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(store: impl Store, options: ServerOptions) -> Self {
        let server = Server::bind(LOCALHOST, Arc::new(store), options).unwrap();
        Self::run(server)
    }

    pub(crate) fn run<S: StoreProvider>(server: Server<S>) -> Self {
        let handle = server.handle();
        let address = server.local_addr();
        let thread = Some(thread::spawn(|| server.run()));
        Self { handle, address, thread }
    }

    /// Waits until the server has returned. Somebody must have stopped it.
    pub(crate) fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    /// A client that waits for the goodbye as long as for any reply, however busy the machine is.
    pub(crate) fn client(&self) -> Client {
        let mut options = ClientOptions::default();
        options.config.timing.goodbye = options.config.timing.reply;
        Client::connect(self.address, options).unwrap()
    }

    /// Connects again and again, with these options, until there is a place.
    pub(crate) fn wait_until_free(&self, options: &ClientOptions) -> Client {
        loop {
            match Client::connect(self.address, options.clone()) {
                Ok(client) => return client,
                Err(ConnectError::Failed(Failure::Refused(refusal))) => {
                    assert_eq!(refusal.code(), Some(ErrorCode::Busy));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Connects again and again until there is a place, and returns the peer after its greeting.
    pub(crate) fn wait_for_place(&self) -> Peer {
        loop {
            let mut peer = Peer::connect(self.address);
            match peer.try_line() {
                Ok(line) if line.starts_with("HAUL/1 ") => return peer,
                Ok(line) => assert!(line.is_empty() || line.starts_with("ERR busy "), "{line}"),
                // When too many clients are being refused, the server resets the connection.
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.force();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

impl RunningServer for Running {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn drain(&self) {
        self.handle.shutdown();
    }
}

/// Serves a shared directory.
pub(crate) fn serve(share: &Share, options: ServerOptions) -> Running {
    Running::start(share.store(), options)
}

/// Serves a shared directory over a layer.
pub(crate) fn serve_layered(share: &Share, layer: &Layer, options: ServerOptions) -> Running {
    let names = [(LOCALHOST, Some(layer.clone()))];
    Running::run(Server::bind_layered(names, Arc::new(share.store()), options).unwrap())
}

/// Lists the shared directory.
pub(crate) fn list(client: &mut Client) -> Result<Summary, Failure> {
    client.list(None, ListOptions::default(), |_| std::ops::ControlFlow::Continue(()))
}

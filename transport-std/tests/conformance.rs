//! Every script of the conformance suite over real sockets; the transcripts are those of the bare machine, to the byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use haul_conformance::tcp::RunningServer;
use haul_std::{Server, ServerHandle, ServerOptions};
use haul_store::{Directory, Options};

struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl RunningServer for Running {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn drain(&self) {
        self.handle.shutdown();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.force();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the server panicked");
    }
}

#[test]
fn transcripts_are_those_of_the_machine() {
    let over_sockets = haul_conformance::tcp::check(|setup, directory| {
        let store = Directory::open(directory, Options { hidden: setup.hidden })?;
        let options = ServerOptions { config: setup.config.clone(), ..ServerOptions::default() };
        let server = Server::bind("127.0.0.1:0", Arc::new(store), options)?;
        let (address, handle) = (server.local_addr()?, server.handle());
        let thread = Some(thread::spawn(move || server.run()));
        Ok(Running { address, handle, thread })
    });
    let over_sockets = over_sockets.unwrap_or_else(|failures| panic!("{failures}"));
    let in_memory = haul_conformance::memory::check();
    assert_eq!(over_sockets, in_memory.unwrap_or_else(|failures| panic!("{failures}")));
}

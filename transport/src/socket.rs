//! A connected socket beside its stream, registered with the runtime while a task waits for it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::layer::{Layer, PeerStream};
use crate::runtime::{Readiness as _, Runtime};
use crate::stream::Interest;
use crate::tcp::TcpStream;

/// A connected socket that is registered with a runtime.
pub(crate) struct Socket<R: Runtime> {
    /// Dropped before the socket is closed; `None` while nobody waits with the runtime.
    readiness: Option<R::Readiness>,
    descriptor: Arc<OwnedFd>,
}

impl<R: Runtime> Socket<R> {
    /// Registers a nonblocking socket.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let descriptor = Arc::new(socket);
        Ok(Self { readiness: Some(R::register(Arc::clone(&descriptor))?), descriptor })
    }

    /// The stream over the socket, without a layer.
    pub(crate) fn plain_stream(&self) -> PeerStream {
        PeerStream::Plain(TcpStream::new(Arc::clone(&self.descriptor)))
    }

    /// The stream over the socket, with this layer.
    pub(crate) fn layered_stream(&self, layer: &Layer) -> io::Result<PeerStream> {
        PeerStream::layered(TcpStream::new(Arc::clone(&self.descriptor)), layer)
    }

    pub(crate) fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.descriptor
    }

    /// Whether the socket is ready; if not, the waker of `cx` is woken when it may be.
    pub(crate) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<()>> {
        let readiness = match &mut self.readiness {
            Some(readiness) => readiness,
            none => none.insert(R::register(Arc::clone(&self.descriptor))?),
        };
        readiness.poll_ready(cx, interest)
    }

    /// Removes the registration until the next wait: some runtimes wake up for every packet of a registered socket.
    pub(crate) fn unregister(&mut self) {
        self.readiness = None;
    }
}

//! Tokio as what server and client run on.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use haul_transport::asynchronous::Runtime;
use haul_transport::socket::{send, shutdown};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

/// Tokio, with its I/O and time drivers. What waits for files is on its blocking threads.
///
/// Server and client of this crate panic outside of a Tokio runtime, or in one without these drivers; `tokio::runtime::Runtime::new` has both.
#[derive(Debug)]
pub struct Tokio;

impl Runtime for Tokio {
    type Listener = TcpListener;
    type Socket = Socket;

    fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<(Socket, SocketAddr)> {
        listener.accept().await.map(|(stream, peer)| (Socket(stream), peer))
    }

    async fn connect(address: SocketAddr) -> io::Result<Socket> {
        TcpStream::connect(address).await.map(Socket)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A stream of Tokio. It lends no buffer while there is nothing to read, so an idle connection needs none.
#[derive(Debug)]
pub struct Socket(TcpStream);

impl haul_transport::Socket for Socket {
    fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_read_ready(cx))?;
        let space = space();
        loop {
            match self.0.try_read(space) {
                // It was not ready after all; Tokio knows that now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.0.poll_read_ready(cx))?;
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_io(Interest::WRITABLE, || send(&self.0, pieces)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.0))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

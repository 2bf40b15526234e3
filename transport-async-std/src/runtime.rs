//! async-std as what server and client run on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use haul_transport::asynchronous::{FuturesIo, Runtime};

/// async-std. What waits for files is on its blocking threads.
#[derive(Debug)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Listener = TcpListener;
    type Socket = FuturesIo<TcpStream>;

    fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        Ok(listener.into())
    }

    async fn accept(listener: &TcpListener) -> io::Result<(FuturesIo<TcpStream>, SocketAddr)> {
        listener.accept().await.map(|(stream, peer)| (FuturesIo(stream), peer))
    }

    async fn connect(address: SocketAddr) -> io::Result<FuturesIo<TcpStream>> {
        TcpStream::connect(address).await.map(FuturesIo)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        task::spawn(task);
    }

    async fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        Ok(task::spawn_blocking(work).await)
    }

    async fn sleep(duration: Duration) {
        task::sleep(duration).await;
    }
}

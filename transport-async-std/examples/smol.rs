//! Server and client on smol: what `haul-async-std` is for async-std, in one file.
//!
//! Run it with `cargo run -p haul-async-std --example smol`: it serves a directory of its own, puts a file into it, lists it and ends.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use haul_core::{FilePath, Mode};
use haul_store::{Directory, Options, StreamSource};
use haul_transport::asynchronous::{Client, FuturesIo, Runtime, Server};
use haul_transport::{ClientOptions, ListOptions, ServerOptions};
use smol::net::{TcpListener, TcpStream};

struct Smol;

impl Runtime for Smol {
    type Listener = TcpListener;
    type Socket = FuturesIo<TcpStream>;

    fn listener(listener: StdListener) -> io::Result<TcpListener> {
        listener.try_into()
    }

    async fn accept(listener: &TcpListener) -> io::Result<(FuturesIo<TcpStream>, SocketAddr)> {
        listener.accept().await.map(|(stream, peer)| (FuturesIo(stream), peer))
    }

    async fn connect(address: SocketAddr) -> io::Result<FuturesIo<TcpStream>> {
        TcpStream::connect(address).await.map(FuturesIo)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }

    async fn unblock<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        Ok(smol::unblock(work).await)
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let directory = tempfile::tempdir()?;
        let store = Arc::new(Directory::open(directory.path(), Options::default())?);
        let server =
            Server::<Smol, _>::bind("127.0.0.1:0", store, ServerOptions::default()).await?;
        let (address, handle) = (server.local_addr(), server.handle());
        let running = smol::spawn(server.run());

        let mut client = Client::<Smol>::connect(address, ClientOptions::default()).await?;
        let source = Box::new(StreamSource::new(&b"hello from smol"[..], "a text"));
        let name = FilePath::parse("hello.txt")?;
        let receipt =
            client.upload(&name, Mode::Create, source, |_| ControlFlow::Continue(())).await?;
        println!("stored {} bytes", receipt.size.unwrap_or_default());
        client
            .list(None, ListOptions::default(), |entry| {
                if let Some(path) = entry.path() {
                    println!("{}", path.escaped());
                }
                ControlFlow::Continue(())
            })
            .await?;
        client.exit().await?;

        handle.shutdown();
        running.await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use haul_scripts::tcp::{self, InThread};

    use super::*;

    #[test]
    fn it_runs() {
        main().unwrap();
    }

    #[test]
    fn transcripts_are_those_of_the_machine() {
        let checked = tcp::check(|setup, directory| {
            let store = Arc::new(Directory::open(
                directory,
                Options { hidden: setup.hidden, ..Options::default() },
            )?);
            let config = setup.config.clone();
            let options = ServerOptions { config, impatient: true, ..ServerOptions::default() };
            let server = smol::block_on(Server::<Smol, _>::bind("127.0.0.1:0", store, options))?;
            let (address, handle) = (server.local_addr(), server.handle());
            let serve = || {
                smol::block_on(server.run());
                Ok(())
            };
            Ok(InThread::start(address, serve, move || handle.shutdown()))
        });
        checked.unwrap();
    }
}

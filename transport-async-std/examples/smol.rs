//! Server and client on smol: what `haul-async-std` is for async-std, in one file.
//!
//! Run it with `cargo run -p haul-async-std --example smol`: it serves a directory of its own, puts a file into it, lists it and ends.

use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use haul_core::{FilePath, Mode};
use haul_store::{Directory, Options, StreamSource};
use haul_transport::{
    Client, ClientOptions, Interest, ListOptions, Readiness, Runtime, Server, ServerOptions, call,
};
use smol::Async;

struct Smol;

struct Registered(Async<Arc<OwnedFd>>);

impl Runtime for Smol {
    type Readiness = Registered;

    fn register(socket: Arc<OwnedFd>) -> io::Result<Registered> {
        Async::new_nonblocking(socket).map(Registered)
    }

    fn spawn<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        input: T,
        task: impl FnOnce(T) -> F,
    ) -> Result<(), (io::Error, T)> {
        smol::spawn(task(input)).detach();
        Ok(())
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

impl Readiness for Registered {
    fn poll_ready(&mut self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        match interest {
            Interest::Readable => self.0.poll_readable(cx),
            Interest::Writable => self.0.poll_writable(cx),
            Interest::Either => match self.0.poll_readable(cx) {
                Poll::Pending => self.0.poll_writable(cx),
                ready @ Poll::Ready(_) => ready,
            },
        }
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
        let upload = call::upload(&name, Mode::Create, source, |_| ControlFlow::Continue(()));
        let receipt = client.call(upload).await?;
        println!("stored {} bytes", receipt.size.unwrap_or_default());
        let list = call::list(None, ListOptions::default(), |entry| {
            if let Some(path) = entry.path() {
                println!("{}", path.escaped());
            }
            ControlFlow::Continue(())
        });
        client.call(list).await?;
        client.call(call::exit()).await?;

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
        let checked = tcp::check_without_users(|setup, directory| {
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

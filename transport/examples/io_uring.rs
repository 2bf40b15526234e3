//! Completion-based I/O: an operation owns its buffer and continues in the kernel, whoever waits for it.
//!
//! ```text
//! cargo run -p haul-transport --example io_uring [DIRECTORY]
//! ```
//!
//! See [`session`]. A machine lends its buffers for the time of a call, which suits sockets that complete at once. With
//! completions, reads and writes work differently:
//!
//! - A read goes into a buffer of the driver, and from there into [`Machine::read_space`] as far as the machine asks.
//!   An idle client costs this buffer and nothing else.
//! - A write keeps its data by [`Segments::to_bytes`](haul_core::Segments::to_bytes), which shares the payload with the
//!   machine.
//!
//! An operation under way is never restarted: dropping a read could lose data, and after dropping a write nobody knows
//! how much was sent. So each operation stays in its slot when a deadline or a drain ends the wait, and is still there
//! when the machine asks again. An operation that the machine does not ask for again is cancelled when the session
//! ends.
//!
//! File work blocks, so threads do it, with the [`Session`]. If the server is dropped meanwhile, the thread finishes
//! its work and discards what is open.

use std::collections::VecDeque;
use std::error::Error;
use std::future::pending;
use std::io::{self, Read};
use std::mem::take;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use compio::BufResult;
use compio::io::{AsyncRead, AsyncWrite};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{JoinHandle, Runtime, spawn, spawn_blocking};
use compio::time::{sleep, sleep_until};
use futures::channel::oneshot;
use futures::future::{Fuse, FusedFuture, Shared};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, select_biased};
use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig};
use haul_core::{ErrorCode, Machine, Output, Wait};
use haul_store::{Directory, Identity, Options, Perform, Session};

/// The maximum number of bytes of one read.
const READ: usize = 64 << 10;
/// How long running commands may continue once the server is shutting down.
const GRACE: Duration = Duration::from_secs(30);
/// The maximum number of clients to refuse at the same time. Beyond that, connections are closed without a reply.
const MAX_REFUSED: usize = 64;
/// The pause after a failed accept: without descriptors the next one would fail too.
const PAUSE: Duration = Duration::from_millis(100);

/// Completes when the server is to shut down.
type Drain = Shared<oneshot::Receiver<()>>;

async fn read(mut socket: &TcpStream, mut buffer: Vec<u8>) -> BufResult<usize, Vec<u8>> {
    buffer.clear();
    socket.read(buffer).await
}

async fn write(mut socket: &TcpStream, pieces: Vec<Bytes>) -> io::Result<usize> {
    socket.write_vectored(pieces).await.0
}

/// Serves a client until the session is over.
async fn session(
    mut machine: Server,
    mut files: Session<Directory>,
    socket: TcpStream,
    drain: Drain,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let mut drain = drain.fuse();
    let mut reading = pin!(Fuse::terminated());
    let mut writing = pin!(Fuse::terminated());
    // Bytes that were read and that the machine has not asked for yet.
    let mut arrived = VecDeque::with_capacity(READ);
    loop {
        match machine.poll(start.elapsed()) {
            Output::Read(wait) => {
                if !arrived.is_empty() {
                    let count = arrived.read(machine.read_space())?;
                    machine.received(count)?;
                    continue;
                }
                if reading.is_terminated() {
                    reading.set(read(&socket, take(&mut arrived).into()).fuse());
                }
                select_biased! {
                    BufResult(result, buffer) = reading => match result {
                        Ok(0) => machine.received(0)?,
                        Ok(_) => arrived = buffer.into(),
                        Err(_) => machine.read_failed()?,
                    },
                    _ = drain => machine.shut_down(start.elapsed() + GRACE),
                    () = until_deadline(wait, start, &machine).fuse() => if wait == Wait::Never {
                        machine.would_block()?;
                    },
                }
            }
            Output::Write(segments) => {
                if writing.is_terminated() {
                    let pieces = segments.to_bytes().take(16).collect();
                    writing.set(write(&socket, pieces).fuse());
                }
                select_biased! {
                    result = writing => match result {
                        Ok(count) => machine.sent(count)?,
                        Err(_) => machine.write_failed()?,
                    },
                    _ = drain => machine.shut_down(start.elapsed() + GRACE),
                    () = until_deadline(Wait::UntilDeadline, start, &machine).fuse() => {}
                }
            }
            Output::Perform(effect) => {
                let effect = effect.clone();
                let performing = spawn_blocking(move || {
                    let outcome = files.perform(&effect);
                    (files, outcome)
                });
                let outcome;
                (files, outcome) = performing.await?;
                machine.performed(outcome)?;
            }
            Output::Event(event) => {
                println!("{event:?}");
                machine.acknowledge()?;
            }
            Output::CloseWrite => {
                // If this fails the peer is gone, which the next read reports.
                let _ = (&socket).shutdown().await;
                machine.write_closed()?;
            }
            Output::Receive { .. } | Output::Send { .. } => {
                unreachable!("pass-through is off, and a session holds no bytes")
            }
            Output::Closed => return Ok(()),
        }
    }
}

/// Lasts as long as the machine is willing to wait.
async fn until_deadline(wait: Wait, start: Instant, machine: &Server) {
    match (wait, machine.deadline().and_then(|deadline| start.checked_add(deadline))) {
        (Wait::Never, _) => {}
        (Wait::UntilDeadline, Some(deadline)) => sleep_until(deadline).await,
        (Wait::UntilDeadline, None) => pending().await,
    }
}

/// What all sessions share.
struct Host {
    store: Arc<Directory>,
    config: Arc<ServerConfig>,
    max_clients: usize,
    drain: Drain,
}

impl Host {
    /// Serves until the drain has started and all sessions are over.
    async fn run(self, listener: TcpListener) {
        let mut sessions = FuturesUnordered::new();
        let mut drain = self.drain.clone().fuse();
        // Each session has a clone of it.
        let places = Rc::new(());
        {
            // A dropped accept could lose a connection, as a dropped read could lose bytes.
            let mut accepting = pin!(Fuse::terminated());
            loop {
                if accepting.is_terminated() {
                    accepting.set(listener.accept().fuse());
                }
                let accepted = select_biased! {
                    _ = drain => break,
                    _ = sessions.select_next_some() => continue,
                    accepted = accepting => accepted,
                };
                match accepted {
                    Ok((socket, _)) => {
                        let served = Rc::strong_count(&places) - 1;
                        if served < self.max_clients {
                            sessions.push(self.begin(socket, Some(Rc::clone(&places))));
                        } else if sessions.len() - served < MAX_REFUSED {
                            sessions.push(self.begin(socket, None));
                        }
                    }
                    Err(error) => {
                        eprintln!("cannot accept: {error}");
                        sleep(PAUSE).await;
                    }
                }
            }
        }
        drop(listener);
        while sessions.next().await.is_some() {}
    }

    /// Starts a session. A client that exceeds the limit is refused.
    fn begin(&self, socket: TcpStream, place: Option<Rc<()>>) -> JoinHandle<()> {
        let config = Arc::clone(&self.config);
        let machine = if place.is_some() {
            Server::new(config)
        } else {
            let busy = Refusal::new(ErrorCode::Busy, "as many clients as can be served are here");
            Server::refusing(config, Refusal { retry_after: Some(5), ..busy })
        };
        let files = Session::new(Arc::clone(&self.store), Identity::nobody());
        let drain = self.drain.clone();
        spawn(async move {
            // Replies are written whole, so waiting for more to send would only delay them.
            let _ = socket.set_nodelay(true);
            if let Err(error) = session(machine, files, socket, drain).await {
                eprintln!("given up: {error}");
            }
            drop(place);
        })
    }
}

/// Serves on `listener` until `drain` is used or dropped and all sessions are over.
fn run(
    listener: std::net::TcpListener,
    store: Directory,
    config: ServerConfig,
    max_clients: usize,
    drain: oneshot::Receiver<()>,
) -> io::Result<()> {
    let (store, config, drain) = (Arc::new(store), Arc::new(config), drain.shared());
    let host = Host { store, config, max_clients, drain };
    Runtime::new()?.block_on(async {
        host.run(TcpListener::from_std(listener)?).await;
        Ok(())
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let store = Directory::open(&directory, Options::default())?;
    let listener = std::net::TcpListener::bind("127.0.0.1:4285")?;
    let (drain, drained) = oneshot::channel();
    std::thread::spawn(move || {
        // The end of the input counts as well.
        let _ = io::stdin().read_line(&mut String::new());
        drain.send(())
    });
    println!("serving {} on {}; Enter stops", directory.display(), listener.local_addr()?);
    run(listener, store, ServerConfig::default(), 64, drained)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Mutex;

    use haul_scripts::tcp::{self, InThread};

    use super::*;

    fn start(store: Directory, config: ServerConfig, max_clients: usize) -> io::Result<InThread> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (drain, drained) = oneshot::channel();
        let drain = Mutex::new(Some(drain));
        let serve = move || run(listener, store, config, max_clients, drained);
        Ok(InThread::start(address, serve, move || {
            drop(drain.lock().map(|mut drain| drain.take()));
        }))
    }

    /// Containers often forbid `io_uring`.
    fn is_forbidden() -> bool {
        let error = Runtime::new().err();
        let must_run = std::env::var_os("HAUL_TESTS_MUST_RUN").is_some();
        assert!(error.is_none() || !must_run, "{error:?}");
        error.is_some()
    }

    #[test]
    fn transcripts_are_those_of_the_machine() {
        if is_forbidden() {
            return;
        }
        let checked = tcp::check_without_users(|setup, directory| {
            let store =
                Directory::open(directory, Options { hidden: setup.hidden, ..Options::default() })?;
            start(store, setup.config.clone(), 64)
        });
        checked.unwrap();
    }

    #[test]
    fn who_finds_no_place_is_told() -> Result<(), Box<dyn Error>> {
        if is_forbidden() {
            return Ok(());
        }
        let directory = tempfile::tempdir()?;
        let store = Directory::open(directory.path(), Options::default())?;
        let server = start(store, ServerConfig::default(), 1)?;
        Ok(tcp::check_one_place(&server)?)
    }
}

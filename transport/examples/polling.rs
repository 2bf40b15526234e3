//! Many clients in one thread: nonblocking sockets, and one loop that waits for all of them.
//!
//! ```text
//! cargo run -p haul-transport --example polling [DIRECTORY]
//! ```
//!
//! See [`Connection::advance`]: it carries out the outputs of a machine until the socket would block, and returns what
//! to wait for. [`Connection::due`] is the machine's deadline, which ends the wait. The loop in [`Polling::run`] knows
//! nothing else, and nothing of the protocol.
//!
//! The loop does the file work itself, so a slow disk delays all clients. `io_uring.rs` shows how to use threads for
//! it.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig};
use haul_core::{ErrorCode, Machine, Misuse, Output, Wait};
use haul_store::{Directory, Identity, Options, Perform, Session};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

/// The number of steps of one client before others get their turn.
const STEPS: usize = 64;
/// The maximum number of clients to refuse at the same time. Beyond that, connections are closed without a reply.
const MAX_REFUSED: usize = 64;
/// How long running commands may continue once the server is shutting down.
const GRACE: Duration = Duration::from_secs(30);
/// The pause after a failed accept: without descriptors the next one would fail too.
const PAUSE: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(0);
const DRAIN: Token = Token(1);

/// A machine with its socket and files.
struct Connection {
    machine: Server,
    files: Session<Directory>,
    socket: TcpStream,
    interest: Interest,
    /// When to continue even if the socket has nothing new.
    due: Option<Duration>,
    refused: bool,
}

/// Why [`Connection::advance`] stopped.
enum Stop {
    /// The socket must be ready for this first.
    Wait(Interest),
    /// Other connections get their turn.
    Yield,
    Over,
}

impl Connection {
    fn advance(&mut self, now: Duration) -> Result<Stop, Misuse> {
        let Self { machine, files, socket, .. } = self;
        for _ in 0..STEPS {
            match machine.poll(now) {
                Output::Read(wait) => match socket.read(machine.read_space()) {
                    Ok(count) => machine.received(count)?,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => match wait {
                        Wait::UntilDeadline => return Ok(Stop::Wait(Interest::READABLE)),
                        Wait::Never => machine.would_block()?,
                    },
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => machine.read_failed()?,
                },
                Output::Write(segments) => {
                    let pieces: Vec<_> = segments.iter().take(16).map(IoSlice::new).collect();
                    match socket.write_vectored(&pieces) {
                        Ok(count) => machine.sent(count)?,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            return Ok(Stop::Wait(Interest::WRITABLE));
                        }
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(_) => machine.write_failed()?,
                    }
                }
                Output::Perform(effect) => {
                    let outcome = files.perform(effect);
                    machine.performed(outcome)?;
                }
                Output::Event(event) => {
                    println!("{event:?}");
                    machine.acknowledge()?;
                }
                Output::CloseWrite => {
                    // If this fails the peer is gone, which the next read reports.
                    let _ = socket.shutdown(Shutdown::Write);
                    machine.write_closed()?;
                }
                Output::Receive { .. } | Output::Send { .. } => {
                    unreachable!("pass-through is off, and a session holds no bytes")
                }
                Output::Closed => return Ok(Stop::Over),
            }
        }
        Ok(Stop::Yield)
    }
}

/// A server of many clients.
struct Polling {
    poll: Poll,
    /// Kept here as well, because the message of a waker is lost when its last owner is dropped.
    drain: Arc<Waker>,
    /// Until the server is to shut down.
    listener: Option<TcpListener>,
    /// When to try to accept again after it failed.
    accept_due: Option<Duration>,
    connections: HashMap<Token, Connection>,
    last_token: usize,
    max_clients: usize,
    store: Arc<Directory>,
    config: Arc<ServerConfig>,
    start: Instant,
}

impl Polling {
    fn bind(
        address: SocketAddr,
        store: Directory,
        config: ServerConfig,
        max_clients: usize,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let drain = Arc::new(Waker::new(poll.registry(), DRAIN)?);
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            drain,
            listener: Some(listener),
            accept_due: None,
            connections: HashMap::new(),
            last_token: DRAIN.0,
            max_clients,
            store: Arc::new(store),
            config: Arc::new(config),
            start: Instant::now(),
        })
    }

    /// A handle with which any thread can shut the server down.
    fn drain_handle(&self) -> Arc<Waker> {
        Arc::clone(&self.drain)
    }

    /// Serves until it is shut down and all sessions are over.
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        while self.listener.is_some() || !self.connections.is_empty() {
            // This checks every connection each time. With thousands of them, use a heap of deadlines.
            let due = self.connections.values().filter_map(|connection| connection.due);
            let due = due.chain(self.accept_due).min();
            let timeout = due.map(|due| due.saturating_sub(self.start.elapsed()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let now = self.start.elapsed();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_due = Some(now),
                    DRAIN => self.drain(now),
                    token => {
                        if let Some(connection) = self.connections.get_mut(&token) {
                            connection.due = Some(now);
                        }
                    }
                }
            }
            if self.accept_due.take_if(|due| *due <= now).is_some() {
                self.accept(now);
            }
            self.advance(now);
        }
        Ok(())
    }

    /// Advances every connection whose time has come.
    fn advance(&mut self, now: Duration) {
        let registry = self.poll.registry();
        self.connections.retain(|token, connection| {
            if connection.due.is_none_or(|due| due > now) {
                return true;
            }
            match connection.advance(now) {
                Ok(Stop::Wait(interest)) => {
                    connection.due = connection.machine.deadline();
                    if connection.interest != interest {
                        connection.interest = interest;
                        return registry
                            .reregister(&mut connection.socket, *token, interest)
                            .is_ok();
                    }
                    true
                }
                Ok(Stop::Yield) => true,
                Ok(Stop::Over) => false,
                Err(misuse) => {
                    eprintln!("this is a bug: {misuse}");
                    false
                }
            }
        });
    }

    /// Accepts all connections that wait.
    fn accept(&mut self, now: Duration) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((socket, _)) => self.admit(socket, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    self.accept_due = Some(now + PAUSE);
                    break;
                }
            }
        }
    }

    fn admit(&mut self, mut socket: TcpStream, now: Duration) {
        let refused = self.connections.values().filter(|connection| connection.refused).count();
        let full = self.connections.len() - refused >= self.max_clients;
        let (token, interest) = (Token(self.last_token + 1), Interest::WRITABLE);
        let registered = self.poll.registry().register(&mut socket, token, interest);
        if full && refused >= MAX_REFUSED || registered.is_err() {
            return;
        }
        let config = Arc::clone(&self.config);
        let machine = if full {
            let busy = Refusal::new(ErrorCode::Busy, "as many clients as can be served are here");
            Server::refusing(config, Refusal { retry_after: Some(5), ..busy })
        } else {
            Server::new(config)
        };
        // Replies are written whole, so waiting for more to send would only delay them.
        let _ = socket.set_nodelay(true);
        let files = Session::new(Arc::clone(&self.store), Identity::nobody());
        let connection =
            Connection { machine, files, socket, interest, due: Some(now), refused: full };
        self.connections.insert(token, connection);
        self.last_token = token.0;
    }

    fn drain(&mut self, now: Duration) {
        self.listener = None;
        self.accept_due = None;
        for connection in self.connections.values_mut() {
            connection.machine.shut_down(now + GRACE);
            connection.due = Some(now);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let store = Directory::open(&directory, Options::default())?;
    let address = ([127, 0, 0, 1], 4285).into();
    let server = Polling::bind(address, store, ServerConfig::default(), 64)?;
    let drain = server.drain_handle();
    std::thread::spawn(move || {
        // The end of the input counts as well.
        let _ = io::stdin().read_line(&mut String::new());
        drain.wake()
    });
    println!("serving {} on {address}; Enter stops", directory.display());
    server.run()?;
    Ok(())
}

#[cfg(test)]
mod tests {

    use haul_scripts::tcp::{self, InThread};

    use super::*;

    fn start(store: Directory, config: ServerConfig, max_clients: usize) -> io::Result<InThread> {
        let server = Polling::bind(([127, 0, 0, 1], 0).into(), store, config, max_clients)?;
        let address = server.listener.as_ref().expect("it listens").local_addr()?;
        let drain = server.drain_handle();
        let drain = move || drain.wake().expect("the server can be told");
        Ok(InThread::start(address, move || server.run(), drain))
    }

    #[test]
    fn transcripts_are_those_of_the_machine() {
        let checked = tcp::check_without_users(|setup, directory| {
            let store =
                Directory::open(directory, Options { hidden: setup.hidden, ..Options::default() })?;
            start(store, setup.config.clone(), 64)
        });
        checked.unwrap();
    }

    #[test]
    fn who_asked_to_stop_may_be_gone() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let store = Directory::open(directory.path(), Options::default())?;
        let address = ([127, 0, 0, 1], 0).into();
        let server = Polling::bind(address, store, ServerConfig::default(), 1)?;
        server.drain_handle().wake()?;
        Ok(server.run()?)
    }

    #[test]
    fn who_finds_no_place_is_told() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let store = Directory::open(directory.path(), Options::default())?;
        let server = start(store, ServerConfig::default(), 1)?;
        Ok(tcp::check_one_place(&server)?)
    }
}

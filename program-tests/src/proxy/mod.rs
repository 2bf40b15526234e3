//! A bad network: a TCP proxy between client and server, which does to each connection, in each direction, what a
//! [`Plan`] says.
//!
//! It delays, limits the rate, cuts into pieces, flips a bit, stalls, ends or resets at a byte. Delay and rate are
//! those of a link: bytes queue with the time at which they are due, so a long delay costs no throughput, and the
//! average rate holds however long the machine's sleeps take.
//!
//! ```
//! use haul_program_tests::proxy::{Fault, Plan, Proxy};
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! // The client's direction of each connection ends after 100 bytes.
//! let plan = |_| Plan { up: Fault::End.at(100), ..Plan::default() };
//! let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), server.local_addr()?, plan)?;
//! println!("clients connect to {}", proxy.address());
//! # Ok::<(), std::io::Error>(())
//! ```

mod pipe;
mod plan;
mod queue;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use pipe::Connection;

pub use plan::{Fault, Plan, Tap, Way};

/// A running proxy. Dropping it resets its connections and frees its port.
pub struct Proxy {
    listener: Arc<TcpListener>,
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Weak<Connection>>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Forwards connections at `listen` (port 0 picks a free one) to `server`. `plan` says what happens to each
    /// connection; its argument is the connection's number, from 0.
    pub fn start(
        listen: SocketAddr,
        server: SocketAddr,
        mut plan: impl FnMut(u64) -> Plan + Send + 'static,
    ) -> io::Result<Self> {
        let listener = Arc::new(TcpListener::bind(listen)?);
        let address = listener.local_addr()?;
        let connections: Arc<Mutex<Vec<Weak<Connection>>>> = Arc::default();
        let accepting = std::thread::spawn({
            let (listener, connections) = (Arc::clone(&listener), Arc::clone(&connections));
            move || {
                for number in 0.. {
                    // It fails when the proxy is dropped.
                    let Ok((client, _)) = listener.accept() else { return };
                    let connection = TcpStream::connect(server)
                        .and_then(|server| Connection::start(client, server, plan(number)));
                    if let Ok(connection) = connection {
                        let mut all = connections.lock().unwrap_or_else(PoisonError::into_inner);
                        all.retain(|one| one.strong_count() > 0);
                        all.push(Arc::downgrade(&connection));
                    }
                }
            }
        });
        Ok(Self { listener, address, connections, accepting: Some(accepting) })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections. Bytes under way are lost.
    pub fn reset(&self) {
        let all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).for_each(|connection| connection.reset());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.reset();
    }
}

#[cfg(test)]
mod tests;

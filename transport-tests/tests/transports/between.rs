//! Somebody between client and server, who sees and changes what they send.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::support::LOCALHOST;

/// Where to pass on bytes.
pub(crate) type PassOn<'a> = &'a mut dyn FnMut(&[u8]);

/// Passes on what comes to a server, and back, for one client.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Between {
    /// `there` gets each piece that goes to the server, and what passes it on.
    pub(crate) fn start(
        server: SocketAddr,
        there: impl FnMut(&[u8], PassOn<'_>) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(LOCALHOST).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let client = listener.accept().unwrap().0;
            let server = TcpStream::connect(server).unwrap();
            for socket in [&client, &server] {
                socket.set_nodelay(true).unwrap();
            }
            thread::scope(|scope| {
                scope.spawn(|| pass(&client, &server, &theirs, there));
                pass(&server, &client, &theirs, |bytes, pass_on| pass_on(bytes));
            });
        });
        Self { address, seen, thread }
    }

    /// All bytes that it has seen, once both directions have ended.
    pub(crate) fn seen(self) -> Vec<u8> {
        self.thread.join().unwrap();
        Arc::into_inner(self.seen).unwrap().into_inner().unwrap()
    }
}

fn pass(
    from: &TcpStream,
    to: &TcpStream,
    seen: &Mutex<Vec<u8>>,
    mut change: impl FnMut(&[u8], PassOn<'_>),
) {
    let (mut from, mut to) = (from, to);
    let mut room = vec![0; 64 << 10];
    let mut failed = false;
    while !failed && let Ok(count @ 1..) = from.read(&mut room) {
        seen.lock().unwrap().extend_from_slice(&room[..count]);
        change(&room[..count], &mut |bytes| failed |= to.write_all(bytes).is_err());
    }
    // Either may be gone.
    let _ = to.shutdown(Shutdown::Write);
    if failed {
        let _ = from.shutdown(Shutdown::Both);
    }
}

//! Both sides of TLS, over wires that cut, change and lose what they carry.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use haul_transport::tls::{Key, ServerIdentity, TlsClient, TlsServer, TlsStream, Trust};
use haul_transport::{Interest, Stream, StreamError};

use crate::seed::pick;

/// The most that one side sends, in bytes.
const MOST: usize = 100_000;
/// More rounds than anything takes that gets somewhere: each moves at least a byte.
const ROUNDS: usize = 400_000;
/// What both sides send. Misplaced bytes are noticed.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..MOST).map(|at| ((at % 251) ^ (at / 251 % 241)).to_le_bytes()[0]).collect()
});

static SIDES: LazyLock<(TlsClient, TlsServer)> = LazyLock::new(|| {
    let key = Key::generate().expect("there is randomness");
    let identity = ServerIdentity::of_key(&key).expect("the key is good");
    let server = TlsServer::new(identity).expect("the algorithms are there");
    let trust = Trust { pinned: vec![server.fingerprint()], ..Trust::default() };
    let client = TlsClient::new("localhost", trust, Some(&key)).expect("a key is pinned");
    (client, server)
});

/// A client and a server write and read as the bytes say, the first two of which are the room in the wires and the most
/// that is read at once. Some of the others change, remove or repeat bytes on the way, or cut the wire.
///
/// # Panics
/// When a side receives anything but the first bytes that the other one sent, or misses some though nothing was changed,
/// or when both stand still.
pub fn tls(data: &[u8]) {
    let Some((&[capacity, step], rest)) = data.split_first_chunk() else { return };
    let capacity = pick(capacity, &[1 << 20, 1, 100, 5_000]);
    let step = pick(step, &[usize::MAX, 1, 7, 4_096]);
    let [to_server, to_client] = [Wire::default(), Wire::default()];
    let end = |incoming: &Wire, outgoing: &Wire| End {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        capacity,
        step,
    };
    let client = SIDES.0.stream(end(&to_client, &to_server)).expect("there is randomness");
    let server = SIDES.1.stream(end(&to_server, &to_client)).expect("there is randomness");
    let (mut client, mut server) = (Side::new(client), Side::new(server));
    let mut changed = false;
    for &byte in rest.iter().take(64) {
        let amount = usize::from(byte >> 3);
        match byte & 7 {
            0 => client.write(amount * 600 + 1),
            1 => server.write(amount * 600 + 1),
            2 => client.read(amount * 700 + 1),
            3 => server.read(amount * 700 + 1),
            4 => changed |= to_server.change(amount, |bytes, at| bytes[at] ^= 1 << (at % 8)),
            5 => {
                changed |= to_client.change(amount, |bytes, at| {
                    bytes.remove(at);
                });
            }
            6 => changed |= to_server.change(amount, |bytes, at| bytes.insert(at, bytes[at])),
            _ => {
                changed = true;
                to_server.lock().closed = true;
            }
        }
        client.check(&server);
        server.check(&client);
    }
    for _ in 0..ROUNDS {
        let state = [&client, &server].map(|side| (side.sent, side.received));
        let before = (to_server.lock().moved, to_client.lock().moved, state);
        for side in [&mut client, &mut server] {
            side.write(0);
            side.read(10_000);
        }
        client.check(&server);
        server.check(&client);
        let state = [&client, &server].map(|side| (side.sent, side.received));
        if before == (to_server.lock().moved, to_client.lock().moved, state) {
            break;
        }
    }
    if !changed {
        assert!(client.has_all_of(&server) && server.has_all_of(&client), "some bytes are missing");
    }
}

/// One direction.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<Carried>>);

#[derive(Debug, Default)]
struct Carried {
    bytes: VecDeque<u8>,
    /// How many bytes were put in and taken out.
    moved: usize,
    closed: bool,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Carried> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a byte, if there is one.
    fn change(&self, at: usize, change: impl FnOnce(&mut VecDeque<u8>, usize)) -> bool {
        let bytes = &mut self.lock().bytes;
        let is_there = !bytes.is_empty();
        if is_there {
            let at = at * 37 % bytes.len();
            change(bytes, at);
        }
        is_there
    }
}

/// One end of both directions.
#[derive(Debug)]
struct End {
    incoming: Wire,
    outgoing: Wire,
    capacity: usize,
    step: usize,
}

impl Stream for End {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let mut wire = self.incoming.lock();
        let count = buffer.len().min(self.step).min(wire.bytes.len());
        if count == 0 && !wire.closed {
            return Err(StreamError::WouldBlock(Interest::Readable));
        }
        for (to, from) in buffer.iter_mut().zip(wire.bytes.drain(..count)) {
            *to = from;
        }
        wire.moved += count;
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        let mut wire = self.outgoing.lock();
        if wire.closed {
            return Err(StreamError::Io(ErrorKind::BrokenPipe.into()));
        }
        let room = self.capacity.saturating_sub(wire.bytes.len());
        let before = wire.bytes.len();
        wire.bytes.extend(slices.iter().flat_map(|slice| slice.iter().copied()).take(room));
        let count = wire.bytes.len() - before;
        wire.moved += count;
        if count == 0 { Err(StreamError::WouldBlock(Interest::Writable)) } else { Ok(count) }
    }

    fn close_write(&mut self) -> Result<(), StreamError> {
        self.outgoing.lock().closed = true;
        Ok(())
    }
}

/// One side, and what it did.
#[derive(Debug)]
struct Side {
    stream: TlsStream<End>,
    sent: usize,
    /// What the last write asked for and did not send: the next one must ask for it again.
    asked: usize,
    received: usize,
    failed: bool,
}

impl Side {
    fn new(stream: TlsStream<End>) -> Self {
        Self { stream, sent: 0, asked: 0, received: 0, failed: false }
    }

    fn is_ready(&mut self) -> bool {
        let outcome = self.stream.handshake();
        self.failed |= matches!(outcome, Err(StreamError::Io(_)));
        outcome.is_ok()
    }

    /// Sends up to `length` bytes, or what is left of the last time.
    fn write(&mut self, length: usize) {
        let length = length.max(self.asked).min(MOST - self.sent);
        if length == 0 || !self.is_ready() {
            return;
        }
        let bytes = &PATTERN[self.sent..self.sent + length];
        let slices: Vec<_> = bytes.chunks(1_000).map(IoSlice::new).collect();
        self.asked = length;
        match self.stream.write(&slices) {
            Ok(count) => {
                assert!((1..=length).contains(&count), "{count} of {length} bytes were sent");
                self.sent += count;
                self.asked -= count;
            }
            Err(StreamError::WouldBlock(_)) => {}
            Err(StreamError::Io(_)) => self.failed = true,
        }
    }

    fn read(&mut self, length: usize) {
        if !self.is_ready() {
            return;
        }
        let mut room = vec![0; length];
        match self.stream.read(&mut room) {
            Ok(count) => {
                let expected = &PATTERN[self.received..];
                assert!(expected.starts_with(&room[..count]), "these bytes were never sent");
                self.received += count;
            }
            Err(StreamError::WouldBlock(_)) => {}
            Err(StreamError::Io(_)) => self.failed = true,
        }
    }

    /// It has received nothing that `other` has not sent.
    fn check(&self, other: &Self) {
        assert!(self.received <= other.sent + other.asked, "{self:?} {other:?}");
    }

    fn has_all_of(&self, other: &Self) -> bool {
        !self.failed && self.received == other.sent && other.asked == 0
    }
}

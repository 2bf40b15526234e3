//! A connection through the proxy: two directions, each with a thread that reads and one that delivers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::plan::{Fault, Plan, Way};
use super::queue::{Item, Queue};

/// The most bytes that are read at once.
const PIECE: usize = 64 << 10;
/// The most bytes in a link without a delay: few, so that a receiver who stops soon blocks the sender.
const SMALL: usize = 256 << 10;
/// The most bytes in a link with a delay: 50 ms of 5 Gbit/s.
const LARGE: usize = 32 << 20;
/// The most writes a second to a link with a rate.
const STEPS: u64 = 100;

#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    up: Queue,
    down: Queue,
}

impl Connection {
    /// Starts to forward. The connection lives until both directions have ended, or it is reset.
    pub(super) fn start(client: TcpStream, server: TcpStream, plan: Plan) -> io::Result<Arc<Self>> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (up, down) = (Queue::new(room(&plan.up)), Queue::new(room(&plan.down)));
        let connection = Arc::new(Self { client, server, up, down });
        for (way, side) in [(plan.up, Side::Up), (plan.down, Side::Down)] {
            let (reading, delivering) = (Arc::clone(&connection), Arc::clone(&connection));
            thread::spawn(move || reading.ends(side).read(&way));
            thread::spawn(move || delivering.ends(side).deliver());
        }
        Ok(connection)
    }

    /// Resets both sides, whatever a thread waits for.
    pub(super) fn reset(&self) {
        // Unlike a close, this works while others have the socket, and wakes those who read and write.
        let _ = rustix::net::connect_unspec(&self.client);
        let _ = rustix::net::connect_unspec(&self.server);
        self.up.close();
        self.down.close();
    }

    fn ends(&self, side: Side) -> Ends<'_> {
        let Self { client, server, up, down } = self;
        match side {
            Side::Up => Ends { connection: self, from: client, to: server, queue: up },
            Side::Down => Ends { connection: self, from: server, to: client, queue: down },
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Up,
    Down,
}

/// One direction of a connection.
struct Ends<'a> {
    connection: &'a Connection,
    from: &'a TcpStream,
    to: &'a TcpStream,
    queue: &'a Queue,
}

impl Ends<'_> {
    fn read(&self, way: &Way) {
        let mut pieces = way.pieces.iter().copied().cycle();
        let mut link = Link { way, free: Instant::now() };
        let mut buffer = vec![0; PIECE];
        let mut passed = 0;
        loop {
            let left = match way.fault {
                Some((at, Fault::Flip(_))) if at < passed => usize::MAX,
                Some((at, Fault::Flip(_))) => {
                    usize::try_from(at - passed + 1).unwrap_or(usize::MAX)
                }
                Some((at, fault)) if at == passed => return self.fail(fault, &link),
                Some((at, _)) => usize::try_from(at - passed).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let most = left.min(pieces.next().unwrap_or(PIECE)).min(link.step());
            let count = match read(self.from, &mut buffer[..most]) {
                Ok(0) => return self.end(&link, Item::End),
                Ok(count) => count,
                Err(_) => return self.end(&link, Item::Reset),
            };
            let bytes = &mut buffer[..count];
            if let Some(tap) = &way.tap {
                tap.keep(bytes);
            }
            passed += count as u64;
            if let Some((at, Fault::Flip(bit))) = way.fault
                && at + 1 == passed
            {
                bytes[count - 1] ^= 1 << bit;
            }
            if !self.queue.push(link.due(count), Item::Bytes(bytes.to_vec())) {
                return;
            }
        }
    }

    fn fail(&self, fault: Fault, link: &Link<'_>) {
        match fault {
            Fault::Stall | Fault::Flip(_) => self.queue.until_closed(),
            Fault::Reset => self.end(link, Item::Reset),
            Fault::End => {
                self.end(link, Item::End);
                let mut rest = vec![0; PIECE];
                while read(self.from, &mut rest).is_ok_and(|count| count > 0) {}
            }
        }
    }

    /// Nothing follows it. If the connection is gone already, that does not matter.
    fn end(&self, link: &Link<'_>, item: Item) {
        self.queue.push(link.due_now(), item);
    }

    fn deliver(&self) {
        while let Some(item) = self.queue.pop() {
            match item {
                Item::Bytes(bytes) => {
                    let mut to = self.to;
                    if to.write_all(&bytes).is_err() {
                        return self.connection.reset();
                    }
                }
                Item::End => {
                    let _ = self.to.shutdown(Shutdown::Write);
                    return;
                }
                Item::Reset => return self.connection.reset(),
            }
        }
    }
}

/// When bytes leave a link.
struct Link<'a> {
    way: &'a Way,
    /// When the last byte so far has entered it.
    free: Instant,
}

impl Link<'_> {
    /// When `count` bytes are delivered that are sent now.
    fn due(&mut self, count: usize) -> Instant {
        self.free = self.free.max(Instant::now());
        if let Some(rate) = self.way.rate {
            self.free += Duration::from_nanos(1_000_000_000 * count as u64 / rate.max(1));
        }
        self.free + self.way.delay
    }

    /// When something without a length is delivered.
    fn due_now(&self) -> Instant {
        self.free.max(Instant::now()) + self.way.delay
    }

    /// The most bytes to take at once.
    fn step(&self) -> usize {
        let step = self.way.rate.map_or(PIECE as u64, |rate| rate / STEPS);
        usize::try_from(step).unwrap_or(PIECE).clamp(1, PIECE)
    }
}

/// How many bytes a link contains at most: those under way, and a tenth of a second more.
fn room(way: &Way) -> usize {
    match way.rate {
        None if way.delay.is_zero() => SMALL,
        None => LARGE,
        Some(rate) => {
            let held = u128::from(rate) * (way.delay.as_millis() + 100) / 1000;
            usize::try_from(held).unwrap_or(LARGE).clamp(1, LARGE)
        }
    }
}

/// Reads until something arrives.
fn read(mut from: &TcpStream, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

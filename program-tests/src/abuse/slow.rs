//! Clients that send one byte now and then.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::load_test::{ADDRESSES, LoadTest, connect};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// A program with a thread for each client serves at most 4,000, and the honest client needs a place too.
const MOST_LET_IN: usize = 3_900;
/// The interval between two bytes of one client.
const DRIP: Duration = Duration::from_millis(200);
/// Far more bytes than a client can send before it is cut off.
const MOST_DRIPS: usize = 600;

/// Clients send lines and bodies a byte at a time: each is cut off with `timeout`, and nothing of its upload stays.
pub(super) fn dripping_clients(program: &Path, size: Size) -> Report {
    let attackers = size.of(5_000, 40);
    let bench = Bench::new(program);
    let places = (attackers + 100).to_string();
    let of_an_address = attackers.min(MOST_LET_IN).div_ceil(ADDRESSES).max(8).to_string();
    let places = ["--max-clients", &places, "--max-clients-per-address", &of_an_address];
    let server =
        bench.serve(&[&places[..], &["--impatient", "--patience", size.patience()]].concat());
    let mut test = LoadTest::start("dripped lines and bodies", bench, server, size.requests());
    let (let_in, cut, told) = test.attack(|test| {
        let mut clients: Vec<Dripping> =
            (0..attackers).filter_map(|number| Dripping::begin(test, number)).collect();
        let let_in = clients.len();
        for _ in 0..MOST_DRIPS {
            // The pause is the attack itself; it waits for no event.
            std::thread::sleep(DRIP);
            for client in &mut clients {
                client.drip();
            }
            if clients.iter().all(|client| client.socket.is_none()) {
                break;
            }
        }
        let cut = clients.iter().filter(|client| client.socket.is_none()).count();
        let told = clients.iter().filter(|client| client.heard.contains("ERR timeout ")).count();
        (let_in, cut, told)
    });
    test.report.require(let_in > attackers / 2, || format!("only {let_in} had a place"));
    test.report.require((cut, told) == (let_in, let_in), || {
        format!("of {let_in} only {cut} were cut off, and {told} were told why")
    });
    test.report.figures.push(format!("{let_in} of {attackers} had a place, {told} told timeout"));
    test.recover();
    test.end(attackers)
}

/// Sends a line, or a body, a byte at a time until it is cut off.
struct Dripping {
    socket: Option<TcpStream>,
    heard: String,
}

impl Dripping {
    /// Begins, if there is a place.
    fn begin(test: &LoadTest, number: usize) -> Option<Self> {
        let mut socket = connect(test.server.address(), number);
        let mut greeted = [0; 6];
        if socket.read_exact(&mut greeted).is_err() || &greeted != b"HAUL/1" {
            return None;
        }
        if number % 2 == 1 {
            let body = format!("UPLOAD of-{number}\nDATA 16777216\n");
            socket.write_all(body.as_bytes()).expect("a command is taken");
        }
        socket.set_nonblocking(true).expect("a socket has this mode");
        Some(Self { socket: Some(socket), heard: String::new() })
    }

    fn drip(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        let mut heard = [0; 512];
        loop {
            match socket.read(&mut heard) {
                Ok(0) => break,
                Ok(count) => self.heard += &String::from_utf8_lossy(&heard[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // The next read reports a failure.
                    let _ = socket.write(b"L");
                    return;
                }
                Err(_) => break,
            }
        }
        self.socket = None;
    }
}

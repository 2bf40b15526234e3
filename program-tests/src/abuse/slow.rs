//! Clients that send one byte now and then.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::load_test::{ADDRESSES, Siege, connect};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// A program with a thread for each client serves no more than 4,000, and the honest one needs a place, too.
const MOST_LET_IN: usize = 3_900;
/// Between two bytes of one client.
const DRIP: Duration = Duration::from_millis(200);
/// Far more bytes than a client gets to send.
const MOST_DRIPS: usize = 600;

/// Lines and bodies that come a byte at a time: each client is cut off with `timeout`, and nothing of its upload stays.
pub(super) fn dripping_clients(program: &Path, size: Size) -> Report {
    let attackers = size.of(5_000, 40);
    let bench = Bench::new(program);
    let places = (attackers + 100).to_string();
    let of_an_address = attackers.min(MOST_LET_IN).div_ceil(ADDRESSES).max(8).to_string();
    let places = ["--max-clients", &places, "--max-clients-per-address", &of_an_address];
    let server =
        bench.serve(&[&places[..], &["--impatient", "--patience", size.patience()]].concat());
    let mut siege = Siege::lay("dripped lines and bodies", bench, server, size.requests());
    let (let_in, cut, told) = siege.attack(|siege| {
        let mut clients: Vec<Dripping> =
            (0..attackers).filter_map(|number| Dripping::begin(siege, number)).collect();
        let let_in = clients.len();
        for _ in 0..MOST_DRIPS {
            // This is the attack: it waits for nothing.
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
    siege.report.require(let_in > attackers / 2, || format!("only {let_in} had a place"));
    siege.report.require((cut, told) == (let_in, let_in), || {
        format!("of {let_in} only {cut} were cut off, and {told} were told why")
    });
    siege.report.figures.push(format!("{let_in} of {attackers} had a place, {told} told timeout"));
    siege.recover();
    siege.end(attackers)
}

/// Sends a line, or a body, a byte at a time, until it is cut off.
struct Dripping {
    socket: Option<TcpStream>,
    heard: String,
}

impl Dripping {
    /// Begins, if there is a place.
    fn begin(siege: &Siege, number: usize) -> Option<Self> {
        let mut socket = connect(siege.server.address(), number);
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
                    // A failure is told by the next read.
                    let _ = socket.write(b"L");
                    return;
                }
                Err(_) => break,
            }
        }
        self.socket = None;
    }
}

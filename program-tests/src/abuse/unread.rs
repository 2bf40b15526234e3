//! Clients that send commands and never read the replies.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::load_test::{LoadTest, connect, wait_until};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// The most bytes of commands that a server may accept while nobody reads its replies: the size of its system's
/// buffers.
const MOST_TAKEN: usize = 48 << 20;
/// The most resident memory of the whole server, in bytes.
const MOST_RESIDENT: u64 = 64 << 20;
const GIB: u64 = 1 << 30;

/// Clients send commands as fast as the server accepts them and read no reply: the server stops reading from them, uses
/// little memory, and cuts them off.
pub(super) fn pipelining_without_reading(program: &Path, size: Size) -> Report {
    let attackers = size.of(100, 6);
    let bench = Bench::new(program);
    let server = bench.serve(&["--impatient", "--patience", size.patience()]);
    let mut test = LoadTest::start("commands, replies unread", bench, server, size.requests());
    let taken = test.attack(|test| {
        let mut sockets: Vec<Option<TcpStream>> =
            (0..attackers).map(|number| Some(connect(test.server.address(), number))).collect();
        let mut taken = vec![0; attackers];
        push_until_cut(&mut sockets, &mut taken);
        taken
    });
    let most = taken.into_iter().max().unwrap_or_default();
    test.report.require(most < MOST_TAKEN, || format!("{most} bytes of commands were taken"));
    test.report.figures.push(format!("≤ {} KiB of commands taken from each", most >> 10));
    test.recover();
    bounded(test.end(attackers))
}

/// Sends `HELP` wherever it is accepted, until the server has cut off every connection or has accepted far too much.
fn push_until_cut(sockets: &mut [Option<TcpStream>], taken: &mut [usize]) {
    let commands = b"HELP\n".repeat(4 << 10);
    for socket in sockets.iter().flatten() {
        socket.set_nonblocking(true).expect("a socket has this mode");
    }
    while sockets.iter().any(Option::is_some) {
        let mut fds: Vec<PollFd<'_>> =
            sockets.iter().flatten().map(|socket| PollFd::new(socket, PollFlags::OUT)).collect();
        let timeout = Timespec { tv_sec: 120, tv_nsec: 0 };
        let ready = poll(&mut fds, Some(&timeout)).expect("sockets can be waited for");
        assert!(ready > 0, "clients that read nothing were never cut off");
        for (slot, taken) in sockets.iter_mut().zip(&mut *taken) {
            let Some(socket) = slot else { continue };
            // A write may end inside a command; the next write continues it.
            match socket.write(&commands[*taken % commands.len()..]) {
                Ok(count) => *taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => *slot = None,
            }
            if *taken >= MOST_TAKEN {
                *slot = None;
            }
        }
    }
}

/// Downloads of 1 GiB that nobody reads: the whole server uses little memory, and cuts them off.
pub(super) fn stalled_readers(program: &Path, size: Size) -> Report {
    let attackers = size.of(100, 8);
    let bench = Bench::new(program);
    let sparse = File::create(bench.share().join("sparse")).expect("the share is writable");
    sparse.set_len(GIB).expect("a file may be sparse");
    let server = bench.serve(&["--impatient", "--patience", size.patience()]);
    let mut test = LoadTest::start("1 GiB downloads, unread", bench, server, size.requests());
    // The data stays unread in both systems, so only the server itself shows that it has closed the connections.
    let sockets = test.attack(|test| {
        let sockets: Vec<TcpStream> = (0..attackers)
            .map(|number| {
                let mut socket = connect(test.server.address(), number);
                socket.write_all(b"DOWNLOAD sparse\n").expect("a command is taken");
                socket
            })
            .collect();
        // Each has a connection and a file.
        assert!(wait_until(|| test.beyond_idle() >= 2 * attackers), "the downloads never began");
        assert!(
            wait_until(|| test.beyond_idle() < attackers),
            "clients that read nothing were never cut off"
        );
        sockets
    });
    test.recover();
    drop(sockets);
    bounded(test.end(attackers))
}

fn bounded(mut report: Report) -> Report {
    let peak = report.peak;
    report.require(peak <= MOST_RESIDENT, || format!("{} MiB were resident", peak >> 20));
    report
}

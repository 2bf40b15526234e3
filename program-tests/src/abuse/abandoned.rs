//! Clients that begin uploads and go away.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::load_test::{LoadTest, connect, wait_until};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// Attackers at once.
const AT_ONCE: usize = 16;
/// The limit of clients, which is also the limit of staged files.
const PLACES: usize = 64;

/// Clients begin uploads and close the connection. Never more files are staged than there are places, and none in the
/// end.
pub(super) fn abandoned_uploads(program: &Path, size: Size) -> Report {
    let attackers = size.of(5_000, 100);
    let bench = Bench::new(program);
    let server = bench.serve(&["--max-clients", &PLACES.to_string()]);
    let mut test = LoadTest::start("abandoned uploads", bench, server, size.requests());
    let (begun, most) = test.attack(|test| {
        let (next, begun, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= attackers {
                            return;
                        }
                        // Each session has at least one descriptor. Fewer than the limit means that there is a place
                        // for the honest client.
                        wait_until(|| test.beyond_idle() < PLACES - AT_ONCE);
                        begun.fetch_add(
                            usize::from(abandon(test.server.address(), number)),
                            Ordering::SeqCst,
                        );
                        most.fetch_max(test.staged(), Ordering::SeqCst);
                    }
                });
            }
        });
        (begun.into_inner(), most.into_inner())
    });
    test.report.require(most <= PLACES, || format!("{most} files were staged at once"));
    test.report.require(begun > attackers / 2, || format!("only {begun} uploads began"));
    test.report.figures.push(format!("{begun} begun, at most {most} staged at once"));
    // The server detects the last ones shortly after they have gone.
    wait_until(|| test.staged() == 0);
    test.recover();
    test.end(attackers)
}

/// Begins an upload, and leaves when a part of its body is staged. Returns whether there was a place for it.
fn abandon(server: SocketAddr, number: usize) -> bool {
    let mut socket = BufReader::new(connect(server, number));
    let request = format!("UPLOAD abandoned/by-{number}\nDATA 100000\n{}", "x".repeat(10_000));
    // A server without a free place may have closed the connection.
    let _ = socket.get_mut().write_all(request.as_bytes());
    socket.lines().take(2).any(|line| line.is_ok_and(|line| line == "READY"))
}

//! Clients that begin uploads and go away.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::load_test::{Siege, connect, wait_until};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// Attackers at once.
const AT_ONCE: usize = 16;
/// Places for clients, and so the most files that may be staged at any time.
const PLACES: usize = 64;

/// Uploads that are begun and given up by closing the connection: never more is staged than there are places, and nothing in the end.
pub(super) fn abandoned_uploads(program: &Path, size: Size) -> Report {
    let attackers = size.of(5_000, 100);
    let bench = Bench::new(program);
    let server = bench.serve(&["--max-clients", &PLACES.to_string()]);
    let mut siege = Siege::lay("abandoned uploads", bench, server, size.requests());
    let (begun, most) = siege.attack(|siege| {
        let (next, begun, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= attackers {
                            return;
                        }
                        // A session has a descriptor at least: however late the server learns who went, the honest client has a place.
                        wait_until(|| siege.beyond_idle() < PLACES - AT_ONCE);
                        begun.fetch_add(
                            usize::from(abandon(siege.server.address(), number)),
                            Ordering::SeqCst,
                        );
                        most.fetch_max(siege.staged(), Ordering::SeqCst);
                    }
                });
            }
        });
        (begun.into_inner(), most.into_inner())
    });
    siege.report.require(most <= PLACES, || format!("{most} files were staged at once"));
    siege.report.require(begun > attackers / 2, || format!("only {begun} uploads began"));
    siege.report.figures.push(format!("{begun} begun, at most {most} staged at once"));
    // The last ones are noticed a moment after they went.
    wait_until(|| siege.staged() == 0);
    siege.recover();
    siege.end(attackers)
}

/// Begins an upload, and goes when a part of its body is staged. Whether there was a place for it.
fn abandon(server: SocketAddr, number: usize) -> bool {
    let mut socket = BufReader::new(connect(server, number));
    let request = format!("UPLOAD abandoned/by-{number}\nDATA 100000\n{}", "x".repeat(10_000));
    // A server that has no place may have closed the connection.
    let _ = socket.get_mut().write_all(request.as_bytes());
    socket.lines().take(2).any(|line| line.is_ok_and(|line| line == "READY"))
}

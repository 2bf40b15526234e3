//! A client that cannot send on a connection that stays open.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::path::Path;

use crate::process::Bench;
use crate::requirements::can_inject;

/// Sending fails because the system lacks memory: the client ends at once, and does not wait for a reply to what it did
/// not send.
pub fn a_failing_send_is_told_at_once(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = Bench::new(program);
    std::fs::write(bench.here().join("a"), "new").unwrap();
    let server = bench.serve(&[]);
    // Each transport sends by one of these two calls.
    let inject = "inject=sendmsg,writev:error=ENOBUFS:when=1";
    let launcher = ["timeout", "-k5", "20", "strace", "-f", "-qq", "-o", "/dev/null", "-e", inject];
    let put =
        bench.run_under(&launcher, &["put", "--retry", "0", "--server", &server.url(), "a"], b"");
    put.assert_code(5).assert_one_clear_line();
    assert!(!bench.share().join("a").exists());
}

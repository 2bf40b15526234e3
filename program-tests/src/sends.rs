//! A client that cannot send, on a connection that lives on.

// That is what a check is for.
#![allow(clippy::missing_panics_doc)]

use std::path::Path;

use crate::faults::can_inject;
use crate::process::Bench;

/// The system has no room for what a client sends: it ends at once and does not wait for an answer to what it never asked.
pub fn a_failing_send_is_told_at_once(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = Bench::new(program);
    std::fs::write(bench.here().join("a"), "new").unwrap();
    let server = bench.serve(&[]);
    // Transports send by one or the other.
    let inject = "inject=sendmsg,writev:error=ENOBUFS:when=1";
    let launcher = ["timeout", "-k5", "20", "strace", "-f", "-qq", "-o", "/dev/null", "-e", inject];
    let put =
        bench.run_under(&launcher, &["put", "--retry", "0", "--server", &server.url(), "a"], b"");
    put.assert_code(5).assert_one_clear_line();
    assert!(!bench.share().join("a").exists());
}

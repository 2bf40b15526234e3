//! Sessions that go wrong, and the others that do not notice.

use haul_core::{Checksum, Depth, FilePath, StoreError, StoreErrorKind};
use haul_store::{Directory, DirectoryListing, DirectorySource, DirectoryStaged, NewFile, Store};
use haul_transport::{ServerOptions};

use super::running::{Running, serve};
use crate::support::{Peer, Share, payload};

const LARGE: usize = 16 << 20;

#[test]
fn a_client_that_closes_its_sending_half_gets_the_whole_reply() {
    let share = Share::new();
    let large = payload(LARGE);
    share.write("large", &large);
    let server = serve(&share, ServerOptions::default());
    let mut peer = Peer::greeted(server.address);
    peer.send("DOWNLOAD large\r\nLIST\r\n");
    peer.half_close();
    let (received, reply) = peer.download();
    let checksum = Checksum::of(&large);
    assert_eq!(reply, format!("OK length={LARGE} crc64nvme={checksum}"));
    assert!(received == large);
    assert!(peer.line().starts_with("FILE \"large\" "));
    assert_eq!(peer.line(), "OK entries=1");
    assert_eq!(peer.rest(), "");
}

#[test]
fn a_blocking_peer_that_pipelines_before_it_reads_does_not_deadlock() {
    let share = Share::new();
    let large = payload(LARGE);
    share.write("large", &large);
    let server = serve(&share, ServerOptions::default());
    let mut peer = Peer::greeted(server.address);
    peer.send("DOWNLOAD large\r\n");
    // The server is sending now, and nobody reads.
    peer.wait_for_bytes();
    let list = format!("LIST {}\r\n", "n".repeat(255));
    let lists = (16 << 10) / list.len() - 1;
    for _ in 0..lists {
        peer.send(&list);
    }
    let (received, reply) = peer.download();
    assert!(reply.starts_with("OK ") && received == large, "{reply}");
    for _ in 0..lists {
        assert!(peer.line().starts_with("ERR not-found "));
    }
}

/// A client's side of a download and an upload, in the steps at which it may go away.
const STEPS: &[&str] = &[
    "",
    "UPL",
    "OAD old size=10\r\n",
    "DATA 10",
    "\r\n",
    "01234",
    "56789",
    "E",
    "ND crc64nvme=0000000000000000\r\n",
    "DOWNLOAD large\r\n",
    "LIST depth=all\r\n",
];

/// Lets clients go away after each step by `leave`, one after another in the one place that there is.
fn leave_at_every_step(leave: impl Fn(Peer)) {
    let share = Share::new();
    share.write("old", b"what was here before");
    share.write("large", &payload(LARGE));
    let before = share.files();
    let server = serve(&share, ServerOptions { max_clients: 1, ..ServerOptions::default() });
    for steps in 1..=STEPS.len() {
        let mut peer = server.wait_for_place();
        for step in &STEPS[..steps] {
            peer.send(step);
        }
        leave(peer);
        drop(server.wait_for_place());
        assert_eq!(share.files(), before, "after {steps} steps");
        assert_eq!(share.read("old"), b"what was here before", "after {steps} steps");
    }
}

#[test]
fn a_reset_at_every_step_leaves_nothing_behind() {
    leave_at_every_step(Peer::reset);
}

#[test]
fn a_client_that_vanishes_at_every_step_leaves_the_old_file() {
    leave_at_every_step(drop);
}

#[test]
fn a_client_that_closes_its_half_in_a_body_publishes_nothing() {
    leave_at_every_step(|mut peer| {
        peer.half_close();
        // Whatever the server says, it ends.
        peer.drain();
    });
}

/// A directory with a bug.
struct Panicking(Directory);

impl Store for Panicking {
    type Listing = DirectoryListing;
    type Source = DirectorySource;
    type Staged = DirectoryStaged;

    fn list(&self, path: Option<&FilePath>, depth: Depth) -> Result<DirectoryListing, StoreError> {
        self.0.list(path, depth)
    }

    fn open(&self, path: &FilePath) -> Result<DirectorySource, StoreError> {
        assert_ne!(path.as_str(), "panic", "this panic belongs to the test");
        self.0.open(path)
    }

    fn create(&self, _: &NewFile) -> Result<DirectoryStaged, StoreError> {
        Err(StoreError::new(StoreErrorKind::Denied, "nothing is stored here"))
    }
}

#[test]
fn a_session_that_panics_takes_nobody_with_it() {
    let share = Share::new();
    let options = ServerOptions { max_clients: 2, ..ServerOptions::default() };
    let server = Running::start(Panicking(share.store()), options);
    let mut other = Peer::greeted(server.address);
    for _ in 0..3 {
        let mut unlucky = server.wait_for_place();
        unlucky.send("DOWNLOAD panic\r\n");
        assert_eq!(unlucky.line(), "");
    }
    other.send("LIST\r\n");
    assert_eq!(other.line(), "OK entries=0");
    drop(server.wait_for_place());
}

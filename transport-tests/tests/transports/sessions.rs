//! Sessions that fail, and others that are not affected.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use haul_core::{Checksum, Depth, FilePath, StoreError, StoreErrorKind, Version};
use haul_store::{
    Directory, DirectoryListing, DirectorySource, DirectoryStaged, NewFile, Staged, Store,
};
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

/// The steps of a client in a download and an upload. It may leave after any of them.
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

/// Makes clients leave by `leave` after each step, one after another in the only place.
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
        // Whatever the server sends, it ends.
        peer.drain();
    });
}

/// A directory with a bug.
struct Panicking(Directory);

impl Store for Panicking {
    type Listing = DirectoryListing;
    type Source = DirectorySource;
    type Staged = DirectoryStaged;
    type Change = Infallible;

    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<DirectoryListing, StoreError> {
        self.0.list(path, depth, omitted)
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

/// A directory that reports what becomes of the files that are stored in it.
struct Watched {
    directory: Directory,
    on_write: fn(&Seen),
    on_drop: fn(&Seen),
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    writing: AtomicBool,
    over: AtomicBool,
    too_late: AtomicBool,
}

struct WatchedStaged {
    staged: DirectoryStaged,
    on_write: fn(&Seen),
    on_drop: fn(&Seen),
    seen: Arc<Seen>,
}

impl Store for Watched {
    type Listing = DirectoryListing;
    type Source = DirectorySource;
    type Staged = WatchedStaged;
    type Change = Infallible;

    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<DirectoryListing, StoreError> {
        self.directory.list(path, depth, omitted)
    }

    fn open(&self, path: &FilePath) -> Result<DirectorySource, StoreError> {
        self.directory.open(path)
    }

    fn create(&self, file: &NewFile) -> Result<WatchedStaged, StoreError> {
        let staged = self.directory.create(file)?;
        let Self { on_write, on_drop, .. } = *self;
        Ok(WatchedStaged { staged, on_write, on_drop, seen: Arc::clone(&self.seen) })
    }
}

impl Staged for WatchedStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        (self.on_write)(&self.seen);
        self.staged.write(offset, data)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.staged.sync()
    }

    fn publish(&mut self, checksum: Checksum) -> Result<Option<Version>, StoreError> {
        self.staged.publish(checksum)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        self.staged.sync_directory()
    }
}

impl Drop for WatchedStaged {
    fn drop(&mut self) {
        (self.on_drop)(&self.seen);
    }
}

/// Long enough for a task that does not wait to overtake.
fn linger() {
    for _ in 0..10_000 {
        thread::yield_now();
    }
}

fn begin_upload(share: &Share, on_write: fn(&Seen), on_drop: fn(&Seen)) -> (Running, Peer, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let directory = share.store();
    let store = Watched { directory, on_write, on_drop, seen: Arc::clone(&seen) };
    let server = Running::start(store, ServerOptions::default());
    let mut peer = Peer::greeted(server.address);
    peer.send("UPLOAD new\r\nDATA 10000\r\n");
    assert_eq!(peer.line(), "READY");
    (server, peer, seen)
}

#[test]
fn a_client_sees_the_end_when_nothing_is_staged_any_more() {
    let share = Share::new();
    let (server, mut peer, seen) = begin_upload(&share, |_| (), |seen| {
        linger();
        seen.too_late.store(seen.over.load(Ordering::SeqCst), Ordering::SeqCst);
    });
    server.handle.force();
    // It may be an end or a reset.
    let _ = peer.try_line();
    seen.over.store(true, Ordering::SeqCst);
    assert!(share.files().is_empty());
    server.join();
    assert!(!seen.too_late.load(Ordering::SeqCst));
}

#[test]
fn a_server_ends_when_the_file_work_under_way_has() {
    let share = Share::new();
    let (server, mut peer, seen) = begin_upload(
        &share,
        |seen| {
            seen.writing.store(true, Ordering::SeqCst);
            linger();
            seen.over.store(true, Ordering::SeqCst);
        },
        |_| (),
    );
    peer.send(payload(10_000));
    while !seen.writing.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    server.handle.force();
    server.join();
    assert!(seen.over.load(Ordering::SeqCst));
    assert!(share.files().is_empty());
}

#[test]
fn sessions_that_wait_for_their_files_hold_up_no_other() {
    let share = Share::new();
    let seen = Arc::<Seen>::default();
    let wait = |seen: &Seen| {
        while !seen.over.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    let (directory, on_drop) = (share.store(), |_: &Seen| ());
    let store = Watched { directory, on_write: wait, on_drop, seen: Arc::clone(&seen) };
    let server = Running::start(store, ServerOptions::default());
    // More than the threads that a runtime has for tasks.
    let threads = thread::available_parallelism().unwrap().get();
    let waiting: Vec<Peer> = (0..=threads)
        .map(|number| {
            let mut peer = Peer::greeted(server.address);
            peer.send(format!("UPLOAD {number} size=10000\r\nDATA 10000\r\n"));
            peer.send(payload(10_000));
            peer.send("END\r\n");
            peer
        })
        .collect();
    let mut other = Peer::greeted(server.address);
    other.send("LIST\r\n");
    assert_eq!(other.line(), "OK entries=0");
    seen.over.store(true, Ordering::SeqCst);
    for mut peer in waiting {
        assert_eq!(peer.line(), "READY");
        assert!(peer.line().starts_with("OK size=10000 "));
    }
}

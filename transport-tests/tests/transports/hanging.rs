//! Storage that hangs, like a mount whose server is gone.

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use haul_core::{Depth, FilePath, Mode, StoreError, StoreErrorKind};
use haul_store::{
    Directory, DirectoryListing, DirectorySource, DirectoryStaged, NewFile, Store, StreamSource,
};
use haul_transport::{ServerOptions, cancel_on_signals};
use rustix::process::Signal;

use super::running::{Running, serve};
use super::transport::{Cancel, Client, ClientOptions};
use crate::blocking::Calls as _;
use crate::support::{Child, Peer, Share, go_on, path, places};

/// A directory whose file `hang` cannot be opened until the test ends the hang.
struct Hanging {
    directory: Directory,
    asked: Sender<()>,
    ended: Mutex<Receiver<()>>,
}

impl Store for Hanging {
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
        self.directory.list(path, depth, omitted)
    }

    fn open(&self, path: &FilePath) -> Result<DirectorySource, StoreError> {
        if path.as_str() == "hang" {
            self.asked.send(()).unwrap();
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let Err(_) = ended.recv() else { unreachable!("nobody sends anything") };
        }
        self.directory.open(path)
    }

    fn create(&self, _: &NewFile) -> Result<DirectoryStaged, StoreError> {
        Err(StoreError::new(StoreErrorKind::Denied, "nothing is stored here"))
    }
}

#[test]
fn sessions_that_hang_are_in_the_way_neither_of_others_nor_of_the_end() {
    let share = Share::new();
    let (asked, is_asked) = channel();
    let (end, ended) = channel();
    let store = Hanging { directory: share.store(), asked, ended: Mutex::new(ended) };
    let server = Running::start(store, places(8));
    let mut hanging: Vec<_> = (0..4).map(|_| Peer::greeted(server.address)).collect();
    for peer in &mut hanging {
        peer.send("DOWNLOAD hang\r\n");
        is_asked.recv().unwrap();
    }
    let mut other = Peer::greeted(server.address);
    other.send("LIST\r\n");
    assert_eq!(other.line(), "OK entries=0");
    server.handle.shutdown();
    server.handle.force();
    server.join();
    drop(end);
}

/// A source that hangs like a file on a disk that hangs.
struct Never;

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Child::say("it hangs");
        loop {
            thread::park();
        }
    }
}

/// A client in a process of its own, because signals go to a process.
fn upload_what_never_comes(address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    let cancel = Cancel::new();
    cancel_on_signals(cancel.clone()).unwrap();
    let options = ClientOptions { cancel: Some(cancel), ..ClientOptions::default() };
    let mut client = Client::connect(address, options).unwrap();
    let source = Box::new(StreamSource::new(Never, "nothing"));
    unreachable!("it ended with {:?}", client.upload(&path("new"), Mode::Create, source, go_on));
}

#[test]
fn one_signal_ends_a_client_whose_file_hangs() {
    if let Some(address) = Child::argument() {
        return upload_what_never_comes(&address);
    }
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let mut child = Child::start(
        concat!(module_path!(), "::one_signal_ends_a_client_whose_file_hangs"),
        &server.address.to_string(),
    );
    assert_eq!(child.hear(), "it hangs");
    child.signal(Signal::HUP);
    assert_eq!(child.wait().code(), Some(129));
    // The server removes what it staged once it detects the end.
    server.handle.shutdown();
    server.join();
    assert!(share.files().is_empty());
}

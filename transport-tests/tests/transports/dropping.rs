//! Futures that are dropped: a call, a server, a runtime.

use std::fs;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::thread;
use std::time::Instant;

use futures_lite::FutureExt;
use haul_core::{Checksum, Mode};
use haul_transport::{
    Client, ClientOptions, DownloadOptions, ListOptions, Runtime, Server, ServerHandle,
    ServerOptions, call,
};

use crate::blocking::{BlockOn, OnAsyncStd, OnTokio};
use crate::support::{HANG, LOCALHOST, Peer, Share, go_on, path, payload, source, target};

const LARGE: usize = 64 << 20;

struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    thread: thread::JoinHandle<()>,
}

fn serve<B: BlockOn>(share: &Share) -> Running {
    let (store, options) = (Arc::new(share.store()), ServerOptions::default());
    let server = B::block_on(Server::<B::Runtime, _>::bind(LOCALHOST, store, options)).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    Running { address, handle, thread: thread::spawn(move || B::block_on(server.run())) }
}

impl Running {
    fn stop(self) {
        self.handle.shutdown();
        self.thread.join().unwrap();
    }
}

async fn client<B: BlockOn>(address: SocketAddr) -> Client<B::Runtime> {
    Client::connect(address, ClientOptions::default()).await.unwrap()
}

/// Drops `call` after `polls` polls, unless it has finished before. Returns whether it was dropped.
async fn give_up<T>(call: impl Future<Output = T>, polls: usize) -> bool {
    let mut call = pin!(call);
    let mut count = 0;
    poll_fn(|cx| {
        if call.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        count += 1;
        if count == polls { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

/// Blocking work whose future was dropped removes the staged file when it ends.
fn wait_until_nothing_is_staged(share: &Share) {
    let began = Instant::now();
    let is_staged = |file: &PathBuf| file.to_string_lossy().contains("/.haul-");
    while share.files().iter().any(is_staged) {
        assert!(began.elapsed() < HANG, "still staged: {:?}", share.files());
        thread::yield_now();
    }
}

fn calls_that_are_dropped<B: BlockOn>() {
    let (share, mine) = (Share::new(), Share::new());
    let large = payload(LARGE);
    share.write("large", &large);
    mine.write("mine", &large);
    let server = serve::<B>(&share);
    B::block_on(async {
        let mut client = client::<B>(server.address).await;
        let (name, new) = (path("large"), path("new"));
        // The number of polls that a call takes depends on the load of the machine, but a few polls never finish it.
        let mut dropped = 0;
        for polls in [1, 2, 3, 4, 5, 8, 12, 16, 24, 32] {
            let down =
                call::download(&name, DownloadOptions::default(), target(&mine, "large"), go_on);
            dropped += usize::from(give_up(client.call(down), polls).await);
            wait_until_nothing_is_staged(&mine);
            // A file that is there is whole: the drop came too late.
            if let Ok(brought) = fs::read(mine.path().join("large")) {
                assert!(brought == large);
                fs::remove_file(mine.path().join("large")).unwrap();
            }
            let up = call::upload(&new, Mode::Replace, source(&mine, "mine"), go_on);
            dropped += usize::from(give_up(client.call(up), polls).await);
            // The next call aborts the previous one, on the same connection.
            let listed = client
                .call(call::list(None, ListOptions::default(), |_| ControlFlow::Continue(())))
                .await
                .unwrap();
            // An upload whose last byte was sent is stored.
            let stored = fs::read(share.path().join("new"));
            assert_eq!(listed.entries, Some(1 + u64::from(stored.is_ok())), "after {polls} polls");
            if let Ok(stored) = stored {
                assert!(stored == large);
                fs::remove_file(share.path().join("new")).unwrap();
            }
        }
        assert!(dropped >= 4, "{dropped} calls were dropped");
        let receipt = client
            .call(call::download(&name, DownloadOptions::default(), target(&mine, "large"), go_on))
            .await
            .unwrap();
        assert_eq!(receipt.checksum, Some(Checksum::of(&large)));
        assert!(mine.read("large") == large);
        client.call(call::exit()).await.unwrap();
    });
    server.stop();
    assert_eq!(share.files(), [share.path().join("large")]);
}

#[test]
fn calls_that_are_dropped_on_tokio() {
    calls_that_are_dropped::<OnTokio>();
}

#[test]
fn calls_that_are_dropped_on_async_std() {
    calls_that_are_dropped::<OnAsyncStd>();
}

/// A server that reports when a request has come, and then what comes after it.
fn tell_what_comes(listener: &TcpListener, has_come: &Sender<()>) {
    let mut peer = Peer::over(listener.accept().unwrap().0);
    peer.send("HAUL/1 \"Welcome\" max-data=16777216 pipeline=64\r\n");
    assert_eq!(peer.line(), "LIST");
    has_come.send(()).unwrap();
    assert_eq!(peer.line(), "ABORT");
    peer.send("ERR aborted \"as you wish\"\r\n");
    assert_eq!(peer.line(), "EXIT");
    peer.send("OK \"bye\"\r\n");
}

fn the_server_is_told_of_a_call_that_is_dropped<B: BlockOn>() {
    let listener = TcpListener::bind(LOCALHOST).unwrap();
    let address = listener.local_addr().unwrap();
    let (has_come, comes) = channel();
    let server = thread::spawn(move || tell_what_comes(&listener, &has_come));
    B::block_on(async {
        let mut client = client::<B>(address).await;
        let endless = async {
            let list = call::list(None, ListOptions::default(), |_| ControlFlow::Continue(()));
            client.call(list).await.unwrap();
        };
        endless
            .or(async { B::Runtime::unblock(move || comes.recv()).await.unwrap().unwrap() })
            .await;
        client.call(call::exit()).await.unwrap();
    });
    server.join().unwrap();
}

#[test]
fn the_server_is_told_of_a_call_that_is_dropped_on_tokio() {
    the_server_is_told_of_a_call_that_is_dropped::<OnTokio>();
}

#[test]
fn the_server_is_told_of_a_call_that_is_dropped_on_async_std() {
    the_server_is_told_of_a_call_that_is_dropped::<OnAsyncStd>();
}

/// Connects, and stops in the middle of an upload's body.
fn stop_in_a_body(address: SocketAddr) -> Peer {
    let mut peer = Peer::greeted(address);
    peer.send("UPLOAD new size=10\r\n");
    assert_eq!(peer.line(), "READY");
    peer.send("DATA 10\r\n01234");
    peer
}

/// The server closes without sending anything, and leaves nothing behind.
fn is_over(mut peer: Peer, share: &Share) {
    match peer.try_line() {
        Ok(line) => assert_eq!(line, ""),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(share.files().is_empty());
}

fn a_server_that_is_dropped<B: BlockOn>() {
    let share = Share::new();
    let (store, options) = (Arc::new(share.store()), ServerOptions::default());
    let server = B::block_on(Server::<B::Runtime, _>::bind(LOCALHOST, store, options)).unwrap();
    let address = server.local_addr();
    let endless = async {
        server.run().await;
        unreachable!("nobody has stopped it");
    };
    let peer = B::Runtime::unblock(move || stop_in_a_body(address));
    let peer = B::block_on(endless.or(peer)).unwrap();
    is_over(peer, &share);
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn a_server_that_is_dropped_on_tokio() {
    a_server_that_is_dropped::<OnTokio>();
}

#[test]
fn a_server_that_is_dropped_on_async_std() {
    a_server_that_is_dropped::<OnAsyncStd>();
}

#[test]
fn a_runtime_that_is_dropped() {
    let share = Share::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (store, options) = (Arc::new(share.store()), ServerOptions::default());
    let server = runtime.block_on(haul_tokio::Server::bind(LOCALHOST, store, options)).unwrap();
    let address = server.local_addr();
    runtime.spawn(server.run());
    let peer = stop_in_a_body(address);
    drop(runtime);
    is_over(peer, &share);
}

//! Requests that are cancelled.

use std::io::ErrorKind;
use std::iter;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use haul_core::client::Failure;
use haul_core::Mode;
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use haul_transport::{ConnectError, DownloadOptions, ListOptions, ServerOptions, cancel_on_signals};

use super::running::{list, serve};
use super::transport::{Cancel, Client, ClientOptions};
use crate::blocking::Calls as _;
use crate::support::{HANG, Child, LOCALHOST, Peer, Share, go_on, path, payload, source, target};

const LARGE: usize = 64 << 20;

fn cancellable(address: SocketAddr) -> (Client, Cancel) {
    let cancel = Cancel::new();
    let options = ClientOptions { cancel: Some(cancel.clone()), ..ClientOptions::default() };
    (Client::connect(address, options).unwrap(), cancel)
}

#[test]
fn a_download_is_cancelled_and_the_session_goes_on() {
    let (share, mine) = (Share::new(), Share::new());
    share.write("large", &payload(LARGE));
    let server = serve(&share, ServerOptions::default());
    let (mut client, cancel) = cancellable(server.address);
    let by_callback = client.download(
        &path("large"),
        DownloadOptions::default(),
        target(&mine, "large"),
        |progress| if progress.bytes > 0 { ControlFlow::Break(()) } else { go_on(()) },
    );
    assert_eq!(by_callback, Err(Failure::Cancelled));
    let by_handle =
        client.download(&path("large"), DownloadOptions::default(), target(&mine, "large"), |_| {
            cancel.cancel();
            ControlFlow::Continue(())
        });
    assert_eq!(by_handle, Err(Failure::Cancelled));
    assert!(mine.files().is_empty());
    assert_eq!(list(&mut client).unwrap().entries, Some(1));
    client.exit().unwrap();
}

#[test]
fn an_upload_is_cancelled_and_the_session_goes_on() {
    let (share, mine) = (Share::new(), Share::new());
    mine.write("mine", &payload(LARGE));
    share.write("old", b"old");
    let server = serve(&share, ServerOptions::default());
    let (mut client, cancel) = cancellable(server.address);
    let by_callback =
        client.upload(&path("old"), Mode::Replace, source(&mine, "mine"), |progress| {
            if progress.bytes > 0 { ControlFlow::Break(()) } else { go_on(()) }
        });
    assert_eq!(by_callback, Err(Failure::Cancelled));
    let by_handle = client.upload(&path("old"), Mode::Replace, source(&mine, "mine"), |_| {
        cancel.cancel();
        ControlFlow::Continue(())
    });
    assert_eq!(by_handle, Err(Failure::Cancelled));
    assert_eq!(share.read("old"), b"old");
    assert_eq!(list(&mut client).unwrap().entries, Some(1));
    assert_eq!(share.files(), [share.path().join("old")]);
    client.exit().unwrap();
}

#[test]
fn a_listing_is_cancelled_and_the_session_goes_on() {
    let share = Share::new();
    for number in 0..1000 {
        share.write(&number.to_string(), b"");
    }
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    let mut seen = 0;
    let stopped = client.list(None, ListOptions::default(), |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((stopped, seen), (Err(Failure::Cancelled), 1));
    assert_eq!(list(&mut client).unwrap().entries, Some(1000));
}

#[test]
fn a_cancel_from_another_thread_wakes_a_client_that_waits() {
    let listener = TcpListener::bind(LOCALHOST).unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = Cancel::new();
    let options = ClientOptions { cancel: Some(cancel.clone()), ..ClientOptions::default() };
    let server = thread::spawn(move || {
        let mut peer = Peer::over(listener.accept().unwrap().0);
        peer.send("HAUL/1 \"Welcome\" max-data=16777216 pipeline=64\r\n");
        assert_eq!(peer.line(), "LIST");
        cancel.cancel();
        assert_eq!(peer.line(), "ABORT");
        peer.send("ERR aborted \"as you wish\"\r\n");
        assert_eq!(peer.line(), "LIST");
        peer.send("OK entries=0\r\n");
        assert_eq!(peer.line(), "EXIT");
        peer.send("OK \"bye\"\r\n");
    });
    let mut client = Client::connect(address, options).unwrap();
    assert_eq!(list(&mut client), Err(Failure::Cancelled));
    list(&mut client).unwrap();
    client.exit().unwrap();
    server.join().unwrap();
}

#[test]
fn a_cancel_ends_the_wait_for_a_greeting() {
    let listener = TcpListener::bind(LOCALHOST).unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = Cancel::new();
    let options = ClientOptions { cancel: Some(cancel.clone()), ..ClientOptions::default() };
    let server = thread::spawn(move || {
        let peer = listener.accept().unwrap();
        cancel.cancel();
        (peer, listener)
    });
    let cancelled = Client::connect(address, options);
    assert!(matches!(cancelled, Err(ConnectError::Failed(Failure::Cancelled))));
    drop(server.join().unwrap());
}

/// An address where nobody answers, because its queue is full, as long as these values live.
fn silent_address() -> (SocketAddr, Socket, Vec<TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(LOCALHOST).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let queue = iter::from_fn(connect).collect();
    (address, listener, queue)
}

#[test]
fn an_address_where_nobody_answers_is_given_up() {
    let (address, _listener, _queue) = silent_address();
    let connect_timeout = Duration::from_millis(100);
    let options = ClientOptions { connect_timeout, ..ClientOptions::default() };
    let Err(ConnectError::Unreached(unreached)) = Client::connect(address, options) else {
        panic!("connected")
    };
    let told: Vec<_> = unreached.iter().map(|one| (one.address, one.error.kind())).collect();
    assert_eq!(told, [(address, ErrorKind::TimedOut)]);
}

#[test]
fn an_address_where_nobody_answers_costs_a_head_start() {
    let (silent, _listener, _queue) = silent_address();
    let refusing = TcpListener::bind(LOCALHOST).unwrap().local_addr().unwrap();
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    // If the attempts shared one timeout, it would be over before the first attempt gives up.
    let name = || vec![silent, refusing, silent];
    let options = || ClientOptions { connect_timeout: HANG, ..ClientOptions::default() };
    let all = [name(), vec![server.address]].concat();
    Client::connect(&*all.leak(), options()).unwrap().exit().unwrap();

    let connect_timeout = Duration::from_millis(600);
    let options = ClientOptions { connect_timeout, ..ClientOptions::default() };
    let Err(ConnectError::Unreached(unreached)) = Client::connect(&*name().leak(), options) else {
        panic!("connected")
    };
    let mut told: Vec<_> = unreached.iter().map(|one| (one.address, one.error.kind())).collect();
    told.sort_by_key(|(address, _)| *address != silent);
    assert_eq!(told, [(silent, ErrorKind::TimedOut), (refusing, ErrorKind::ConnectionRefused)]);
}

#[test]
fn a_name_without_an_address_is_told_from_a_refusal() {
    let failed = Client::connect(("fe80::1%no-such-interface", 4285), ClientOptions::default());
    assert!(matches!(failed, Err(ConnectError::Unknown(_))), "{failed:?}");
}

#[test]
fn a_cancel_ends_the_wait_for_a_connection() {
    let (address, _listener, _queue) = silent_address();
    let cancel = Cancel::new();
    let options = ClientOptions {
        connect_timeout: HANG,
        cancel: Some(cancel.clone()),
        ..ClientOptions::default()
    };
    let connecting = thread::spawn(move || Client::connect(address, options).map(drop));
    while cancel.is_idle() {
        thread::yield_now();
    }
    cancel.cancel();
    let cancelled = connecting.join().unwrap();
    assert!(matches!(cancelled, Err(ConnectError::Failed(Failure::Cancelled))), "{cancelled:?}");
}

#[test]
fn a_cancel_between_requests_is_the_next_ones_unless_it_is_taken_back() {
    let share = Share::new();
    let server = serve(&share, ServerOptions::default());
    let (mut client, cancel) = cancellable(server.address);
    cancel.cancel();
    assert_eq!(list(&mut client), Err(Failure::Cancelled));
    list(&mut client).unwrap();
    cancel.cancel();
    cancel.reset();
    list(&mut client).unwrap();
}

/// The server is gone, or its disk hangs.
#[test]
fn a_cancel_that_the_server_does_not_confirm_is_not_waited_for() {
    let listener = TcpListener::bind(LOCALHOST).unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = Cancel::new();
    let options = ClientOptions { cancel: Some(cancel.clone()), ..ClientOptions::default() };
    let mine = Share::new();
    let (given_up, is_given_up) = channel();
    let server = thread::spawn(move || {
        let mut peer = Peer::over(listener.accept().unwrap().0);
        peer.send("HAUL/1 \"Welcome\" max-data=16777216 pipeline=64\r\n");
        assert_eq!(peer.line(), "DOWNLOAD \"file\"");
        peer.send("SENDING size=99999999 offset=0 length=99999999 modified=2026-01-01T00:00:00Z\r\nDATA 9\r\n12345");
        cancel.cancel();
        assert_eq!(peer.line(), "ABORT");
        // The server sends nothing until the client has given up.
        is_given_up.recv().unwrap();
        peer.send("6789ERR aborted \"at last\"\r\n");
        assert_eq!(peer.line(), "LIST");
        peer.send("OK entries=0\r\n");
    });
    let mut client = Client::connect(address, options).unwrap();
    let to = target(&mine, "file");
    let options = DownloadOptions::default();
    assert_eq!(client.download(&path("file"), options, to, go_on), Err(Failure::Cancelled));
    assert!(mine.files().is_empty());
    given_up.send(()).unwrap();
    list(&mut client).unwrap();
    server.join().unwrap();
}

/// A client in a process of its own, because signals go to a process.
fn list_twice(address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    let cancel = Cancel::new();
    cancel_on_signals(cancel.clone()).unwrap();
    let options = ClientOptions { cancel: Some(cancel), ..ClientOptions::default() };
    let mut client = Client::connect(address, options).unwrap();
    for _ in 0..2 {
        assert_eq!(list(&mut client), Err(Failure::Cancelled));
    }
    loop {
        thread::park();
    }
}

#[test]
fn a_signal_cancels_and_a_second_ends_the_process() {
    if let Some(address) = Child::argument() {
        return list_twice(&address);
    }
    for (last, code) in
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        let listener = TcpListener::bind(LOCALHOST).unwrap();
        let mut child = Child::start(
            concat!(module_path!(), "::a_signal_cancels_and_a_second_ends_the_process"),
            &listener.local_addr().unwrap().to_string(),
        );
        let mut peer = Peer::over(listener.accept().unwrap().0);
        peer.send("HAUL/1 \"Welcome\" max-data=16777216 pipeline=64\r\n");
        for signal in [last, Signal::TERM] {
            assert_eq!(peer.line(), "LIST");
            child.signal(signal);
            assert_eq!(peer.line(), "ABORT");
            if signal == last {
                peer.send("ERR aborted \"as you wish\"\r\n");
            }
        }
        child.signal(last);
        assert_eq!(child.wait().code(), Some(code));
    }
}

//! The two ends of a client's session: the first command goes out before the greeting, and nobody waits for the goodbye.

use std::net::TcpListener;
use std::thread;

use haul_core::ErrorCode;
use haul_core::client::{ClientConfig, Failure};

use super::running::{list, serve};
use super::transport::{Client, ClientOptions};
use crate::blocking::Calls as _;
use crate::support::{LOCALHOST, Peer, Share, places};

/// The server reads the first command before it speaks.
#[test]
fn the_first_command_need_not_wait_for_the_greeting() {
    const GREETING: &str = "HAUL/1 \"Welcome\" max-data=9 pipeline=9\r\n";
    let listener = TcpListener::bind(LOCALHOST).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut peer = Peer::over(listener.accept().unwrap().0);
        assert_eq!(peer.line(), "LIST");
        peer.send(GREETING);
        peer.send("OK entries=0\r\n");
        assert_eq!(peer.line(), "HELP");
        peer.send("OK\r\n");
        assert_eq!(peer.line(), "EXIT");

        let mut peer = Peer::over(listener.accept().unwrap().0);
        assert_eq!(peer.line(), "LIST");
        peer.send("ERR busy \"full\" retry-after=1\r\n");
    });
    let config = ClientConfig { early: true, ..ClientConfig::default() };
    let options = ClientOptions { config, ..ClientOptions::default() };
    let mut client = Client::connect(address, options.clone()).unwrap();
    assert_eq!(client.greeting(), None);
    assert_eq!(list(&mut client).unwrap().entries, Some(0));
    assert_eq!(client.greeting().unwrap().banner, "Welcome");
    client.help().unwrap();
    client.leave().unwrap();

    let mut refused = Client::connect(address, options).unwrap();
    let Err(Failure::Refused(refusal)) = list(&mut refused) else { panic!("it was not refused") };
    assert_eq!((refusal.code(), refused.greeting()), (Some(ErrorCode::Busy), None));
    server.join().unwrap();
}

/// Who has lost the connection has nothing to leave.
#[test]
fn a_client_cannot_leave_twice() {
    let share = Share::new();
    let server = serve(&share, places(1));
    let mut client = Client::connect(server.address, ClientOptions::default()).unwrap();
    client.call(haul_transport::call::exit()).unwrap();
    assert_eq!(client.leave(), Err(Failure::Ended));
}

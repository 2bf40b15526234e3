//! Sessions over a stream that is not plain TCP, as TLS is none.

use std::io::{self, IoSlice};
use std::net::TcpListener;
use std::thread;

use haul_core::client::Failure;
use haul_core::{Checksum, ErrorCode, Mode};
use haul_transport::{
    ConnectError, DownloadOptions, Interest, Layer, Stream,
    StreamError, TcpStream,
};

use super::running::{list, serve_layered};
use super::transport::{Client, ClientOptions};
use crate::blocking::Calls as _;
use crate::support::{LOCALHOST, Peer, Share, go_on, path, payload, places, source, target};

/// What each byte is on the wire.
const KEY: u8 = 0xa5;
/// What each side says first. Nothing may be written before the other side's was read.
const HELLO: u8 = 0x16;
const LARGE: usize = 5_000_001;

/// Takes in all that has come, whether it is asked for or not, and sends on later what the socket does not take.
struct Disguised {
    tcp: TcpStream,
    greeted: bool,
    received: Vec<u8>,
    to_send: Vec<u8>,
}

impl Disguised {
    fn layer() -> Layer {
        Layer::new(|tcp| {
            let to_send = vec![HELLO];
            Ok(Box::new(Self { tcp, greeted: false, received: Vec::new(), to_send }))
        })
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        while !self.to_send.is_empty() {
            let count = self.tcp.write(&[IoSlice::new(&self.to_send)])?;
            self.to_send.drain(..count);
        }
        Ok(())
    }

    /// Takes in what has come. Whether that was the end.
    fn fill(&mut self) -> Result<bool, StreamError> {
        let _ = self.flush();
        let mut room = vec![0; 64 << 10];
        let count = self.tcp.read(&mut room).map_err(|error| match error {
            StreamError::WouldBlock(_) if !self.to_send.is_empty() => {
                StreamError::WouldBlock(Interest::Either)
            }
            error => error,
        })?;
        let mut bytes = &room[..count];
        if let (false, [hello, rest @ ..]) = (self.greeted, bytes) {
            assert_eq!(*hello, HELLO);
            (self.greeted, bytes) = (true, rest);
        }
        self.received.extend(bytes.iter().map(|byte| byte ^ KEY));
        Ok(count == 0)
    }
}

impl Stream for Disguised {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        while self.received.is_empty() {
            if self.fill()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.received.len());
        buffer[..count].copy_from_slice(&self.received[..count]);
        self.received.drain(..count);
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        while !self.greeted {
            if self.fill()? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        self.flush()?;
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).take(16 << 10);
        self.to_send.extend(bytes.map(|byte| byte ^ KEY));
        let count = self.to_send.len();
        let _ = self.flush();
        Ok(count)
    }

    fn close_write(&mut self) -> Result<(), StreamError> {
        self.flush()?;
        self.tcp.close_write()
    }
}

fn options() -> ClientOptions {
    ClientOptions { layer: Some(Disguised::layer()), ..ClientOptions::default() }
}

#[test]
fn files_go_through_a_layer_and_never_past_it() {
    let (share, mine) = (Share::new(), Share::new());
    let server = serve_layered(&share, &Disguised::layer(), places(2));
    let mut client = Client::connect(server.address, options()).unwrap();
    for length in [0, 1, 65_537, LARGE] {
        let content = payload(length);
        mine.write("mine", &content);
        let receipt =
            client.upload(&path("file"), Mode::Replace, source(&mine, "mine"), go_on).unwrap();
        assert_eq!(receipt.checksum, Some(Checksum::of(&content)));
        let options = DownloadOptions { mode: Mode::Replace, ..DownloadOptions::default() };
        client.download(&path("file"), options, target(&mine, "back"), go_on).unwrap();
        assert!(share.read("file") == content && mine.read("back") == content);
    }
    let listed = list(&mut client).unwrap();
    assert_eq!(listed.entries, Some(1));
    assert!(!client.help().unwrap().is_empty());

    // Whoever does without the layer is not understood, nor answered in the clear.
    let mut plain = Peer::connect(server.address);
    plain.send([HELLO]);
    plain.send("LIST\r\n".bytes().map(|byte| byte ^ KEY).collect::<Vec<_>>());
    plain.half_close();
    let mut said = vec![HELLO];
    said.extend("HAUL/1 ".bytes().map(|byte| byte ^ KEY));
    assert!(plain.all().starts_with(&said));
    client.exit().unwrap();
}

/// The server never says goodbye, and hears all that the client has to say.
#[test]
fn a_client_leaves_without_the_goodbye() {
    for layer in [None, Some(Disguised::layer())] {
        let disguise = |text: &str| match layer {
            None => text.as_bytes().to_vec(),
            Some(_) => [HELLO].into_iter().chain(text.bytes().map(|byte| byte ^ KEY)).collect(),
        };
        let (greeting, farewell) =
            (disguise("HAUL/1 \"Welcome\" max-data=9 pipeline=9\r\n"), disguise("EXIT\r\n"));
        let listener = TcpListener::bind(LOCALHOST).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut peer = Peer::over(listener.accept().unwrap().0);
            peer.send(greeting);
            assert_eq!(peer.all(), farewell);
            peer
        });
        let options = ClientOptions { layer: layer.clone(), ..ClientOptions::default() };
        Client::connect(address, options).unwrap().leave().unwrap();
        drop(server.join().unwrap());
    }
}

#[test]
fn a_refusal_goes_through_the_layer() {
    let share = Share::new();
    let server = serve_layered(&share, &Disguised::layer(), places(1));
    let client = Client::connect(server.address, options()).unwrap();
    let refused = Client::connect(server.address, options());
    let Err(ConnectError::Failed(Failure::Refused(refusal))) = refused else {
        panic!("not refused: {:?}", refused.err())
    };
    assert_eq!(refusal.code(), Some(ErrorCode::Busy));
    client.exit().unwrap();
}

//! Sessions over TLS whose end is not as it should be.

use std::io::{IoSlice, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use haul_transport::tls::{Key, ServerIdentity, TlsClient, TlsServer, TlsStream, Trust};
use haul_transport::{Stream, StreamError};

use super::running::{Running, serve_layered};
use super::transport::ClientOptions;
use crate::support::{HANG, Share, places};

/// A blocking socket below TLS.
struct Blocking(TcpStream);

impl Stream for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        Ok(self.0.read(buffer)?)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        Ok(self.0.write_vectored(slices)?)
    }

    fn close_write(&mut self) -> Result<(), StreamError> {
        Ok(self.0.shutdown(Shutdown::Write)?)
    }
}

/// A client that is nothing but TLS over a blocking socket.
struct Peer {
    stream: TlsStream<Blocking>,
    socket: TcpStream,
}

impl Peer {
    fn connect(server: &TlsServer, address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(HANG)).unwrap();
        socket.set_write_timeout(Some(HANG)).unwrap();
        let mut stream = client(server).stream(Blocking(socket.try_clone().unwrap())).unwrap();
        stream.handshake().unwrap();
        let mut peer = Self { stream, socket };
        assert!(peer.line().starts_with("HAUL/1 "));
        peer
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.stream.write(&[IoSlice::new(rest)]).unwrap();
            rest = &rest[count..];
        }
    }

    /// The next line; what there is of it at the end.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") && matches!(self.stream.read(&mut byte), Ok(1)) {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// Ends the connection below TLS, without a word of TLS.
    fn cut(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }
}

fn client(server: &TlsServer) -> TlsClient {
    let trust = Trust { pinned: vec![server.fingerprint()], ..Trust::default() };
    TlsClient::new("localhost", trust, None).unwrap()
}

fn options(server: &TlsServer) -> ClientOptions {
    ClientOptions { layer: Some(client(server).layer()), ..ClientOptions::default() }
}

fn start(share: &Share) -> (TlsServer, Running) {
    let identity = ServerIdentity::of_key(&Key::generate().unwrap()).unwrap();
    let server = TlsServer::new(identity).unwrap();
    let running = serve_layered(share, &server.layer(), places(1));
    (server, running)
}

/// The three ways in which a client may end.
const ENDS: [fn(&mut Peer); 3] = [
    |peer| peer.stream.close_write().unwrap(),
    |peer| peer.cut(),
    |peer| {
        // A record that is not whole.
        peer.socket.write_all(&[0x17, 3, 3, 0, 100, 1, 2, 3]).unwrap();
        peer.cut();
    },
];

#[test]
fn commands_that_came_whole_are_answered_however_the_client_ends() {
    for end in ENDS {
        let share = Share::new();
        let (server, running) = start(&share);
        let mut peer = Peer::connect(&server, running.address);
        peer.send(b"MKDIR a\r\nUPLOAD a/b\r\nDATA 1\r\nxEND\r\nLIST a\r\n");
        end(&mut peer);
        let lines: Vec<_> = (0..5).map(|_| peer.line()).collect();
        let begins = ["OK", "READY", "OK size=1 ", "FILE ", "OK entries=1"];
        let is_right = lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin));
        assert!(is_right, "{lines:?}");
        assert_eq!(peer.line(), "");
    }
}

#[test]
fn a_body_that_ends_early_is_void() {
    for end in ENDS {
        let share = Share::new();
        let (server, running) = start(&share);
        let mut peer = Peer::connect(&server, running.address);
        peer.send(b"UPLOAD file\r\n");
        assert_eq!(peer.line(), "READY\r\n");
        peer.send(b"DATA 2\r\nx");
        end(&mut peer);
        assert_eq!(peer.line(), "");
        drop(peer);
        // The next session begins after the end of this one.
        drop(running.wait_until_free(&options(&server)));
        assert!(share.files().is_empty());
    }
}
